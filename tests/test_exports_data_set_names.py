"""What exported data sets are called: the same, whatever else is exported."""

import pytest
from hand_made_runs import hand_made

from clipkstar.data_sets import key_of
from clipkstar.exports.data_set_names import data_set_names


@pytest.mark.parametrize(
    "unlike, name",
    [
        ({}, "digits"),
        ({"limit": 100}, "digits (sample of 100)"),
        ({"prompt_set": "de"}, "digits (prompts de)"),
        ({"precision": "amp_bf16"}, "digits (amp_bf16)"),
        ({"space": "pre_projection"}, "digits (pre_projection)"),
        (
            {"limit": 9, "prompt_set": "de", "precision": "fp16", "space": "pre_projection"},
            "digits (sample of 9, prompts de, fp16, pre_projection)",
        ),
    ],
)
def test_a_name_says_what_is_unlike_the_default_alone_and_among_others(unlike: dict[str, object], name: str) -> None:
    run = hand_made(fingerprint="1" * 64, **unlike)
    others = [
        hand_made("b", fingerprint="2" * 64, limit=50),
        hand_made("b", fingerprint="3" * 64, name="emoji"),
        hand_made("b", fingerprint="4" * 64, limit=50, prompt_set="plain"),
    ]
    assert data_set_names([run]) == {key_of(run): name}
    assert data_set_names([*others, run])[key_of(run)] == name
    assert len(set(data_set_names([*others, run]).values())) == 4


def test_other_images_of_one_name_are_told_apart_by_their_fingerprints() -> None:
    runs = [hand_made(fingerprint=letter * 64) for letter in "ab"]
    assert [*data_set_names(runs).values()] == ["digits (aaaaaaaa)", "digits (bbbbbbbb)"]
