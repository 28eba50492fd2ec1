"""How stages follow each other, as far as their names tell."""

import pytest

from clipkstar.report.stage_order import stage_key, told_by

IN_ORDER = [
    ["stage1", "stage2", "stage10", "final"],
    ["epoch_9", "epoch_10", "epoch_latest"],
    ["laion400m_e31", "laion400m_e32"],
    ["step-999", "step-1000", "best", "latest", "last", "final"],
    ["2", "10", "Final"],
    ["init", "epoch_1", "epoch_2", "epoch_10"],
    ["random", "warmup", "epoch_1", "epoch_1_step_500", "epoch_2"],
    ["untrained", "1", "best"],
    ["scratch", "start", "last"],
]


@pytest.mark.parametrize("names", IN_ORDER)
def test_stages_follow_each_other_by_first_words_numbers_and_last_words(names: list[str]) -> None:
    assert sorted(sorted(names, reverse=True), key=stage_key) == names


@pytest.mark.parametrize("names", IN_ORDER)
def test_numbers_and_known_words_tell_the_order(names: list[str]) -> None:
    assert told_by(names) == ("chosen" if names[-1] == "best" else "last")


@pytest.mark.parametrize(
    "names",
    [
        ["laion400m_e32", "laion2b_s34b_b79k"],
        ["openai", "laion2b"],
        ["tuned", "final"],
        ["final", "final_ema"],
        ["epoch_1", "step_500"],
        ["other", "best"],
    ],
)
def test_other_names_tell_none(names: list[str]) -> None:
    assert told_by(names) == "by name"
