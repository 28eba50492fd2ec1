"""Patterns of models, tags and files, and the checkpoints that they mean."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from clipkstar.encoder import Request
from clipkstar.encoders import open_clip, zoo
from clipkstar.errors import InputError
from clipkstar.sweeps.choice import CheckpointPatterns, distinct, expand


def meant(*model: str, pretrained: Sequence[str] = ()) -> list[tuple[str, str | None]]:
    requests = expand(CheckpointPatterns(model=model, pretrained=tuple(pretrained)))
    return [(request.model, request.pretrained) for request in requests]


def refusal(*model: str, pretrained: Sequence[str] = (), **more: str) -> str:
    with pytest.raises(InputError) as raised:
        expand(CheckpointPatterns(model=model, pretrained=tuple(pretrained), **more))  # type: ignore[arg-type]
    return str(raised.value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with two experiments of three epochs."""
    for experiment in ("runs", "others"):
        (tmp_path / experiment).mkdir()
        for epoch in (1, 2, 10):
            (tmp_path / experiment / f"epoch_{epoch}.pt").write_bytes(f"{experiment} {epoch}".encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Names and tags.


def test_one_model_and_one_tag_mean_that_checkpoint() -> None:
    assert meant("tiny-p8", pretrained=["final"]) == [("tiny-p8", "final")]


def test_a_model_without_tags_means_all_of_its_tags() -> None:
    assert meant("tiny-p8") == [
        (known.model, known.pretrained) for known in zoo.checkpoints() if known.model == "tiny-p8"
    ]


def test_a_pattern_means_the_models_of_the_zoo_and_of_open_clip() -> None:
    tiny = [(model, "final") for model in sorted({known.model for known in zoo.checkpoints()})]
    assert meant("tiny-*", pretrained=["final"]) == tiny
    openai = [(known.model, "openai") for known in open_clip.checkpoints() if known.pretrained == "openai"]
    both = meant("*", pretrained=["final", "openai"])
    assert set(both) == {*tiny, *openai}
    assert len(both) == len({*tiny, *openai})


def test_of_models_and_tags_those_combinations_are_meant_that_there_are() -> None:
    found = meant("ViT-B-32", "ViT-B-16", pretrained=["laion400m*", "laion2b*"])
    assert found == [
        (model, tag)
        for model in ("ViT-B-32", "ViT-B-16")
        for beginning in ("laion400m", "laion2b")
        for tag in [
            known.pretrained
            for known in open_clip.checkpoints()
            if known.model == model and known.pretrained.startswith(beginning)
        ]
    ]
    assert ("ViT-B-16", "laion2b_e16") not in found
    assert ("ViT-B-32", "laion2b_e16") in found


@pytest.mark.parametrize("pattern", ["stage[12]", "stage[!3]"])
def test_patterns_know_sets_of_characters(pattern: str) -> None:
    assert meant("tiny-p8", pretrained=[pattern]) == [("tiny-p8", "stage1"), ("tiny-p8", "stage2")]


def test_a_question_mark_stands_for_one_character_and_case_counts() -> None:
    assert {model for model, _ in meant("tiny-p?", pretrained=["final"])} == {"tiny-p4", "tiny-p8"}
    assert refusal("TINY-p?") == "--model 'TINY-p?' means no checkpoint; 'clipkstar models' lists models and tags."


def test_a_checkpoint_that_several_patterns_mean_comes_once() -> None:
    assert meant("tiny-p8", "tiny-*", pretrained=["final", "f*"])[0] == ("tiny-p8", "final")
    assert len(meant("tiny-p8", "tiny-*", pretrained=["final", "f*"])) == len(meant("tiny-*", pretrained=["final"]))


def test_an_alias_of_a_tag_is_left_to_its_family_and_means_what_it_means_to_eval() -> None:
    assert meant("ViT-B-32", pretrained=["laion2b"]) == [("ViT-B-32", "laion2b")]
    written_out = Request(model="ViT-B-32", pretrained="laion2b_s34b_b79k")
    other = Request(model="ViT-B-32", pretrained="openai")
    alias = Request(model="ViT-B-32", pretrained="laion2b")
    assert distinct([alias, written_out, other, alias]) == (alias, other)


@pytest.mark.parametrize("model", ["hf-hub:org/name", "open_clip:hf-hub:org/name", "fake:colors"])
def test_what_no_list_has_is_left_to_its_family(model: str) -> None:
    assert meant(model) == [(model, None)]


def test_tags_that_no_list_has_are_left_to_the_family() -> None:
    assert meant("fake:colors", pretrained=["a", "b"]) == [("fake:colors", "a"), ("fake:colors", "b")]
    assert meant("ViT-B-32", pretrained=["random"]) == [("ViT-B-32", "random")]


def test_a_family_prefix_stays() -> None:
    assert meant("zoo:tiny-p8", pretrained=["final"]) == [("zoo:tiny-p8", "final")]
    assert meant("open_clip:ViT-B-32", pretrained=["openai"]) == [("open_clip:ViT-B-32", "openai")]
    one, other = Request(model="tiny-p8", pretrained="final"), Request(model="zoo:tiny-p8", pretrained="final")
    assert distinct([one, other]) == (one,)


def test_a_timm_model_is_left_to_its_family() -> None:
    assert meant("timm:resnet10t.c3_in1k") == [("timm:resnet10t.c3_in1k", None)]


# Files.


def test_a_pattern_of_files_means_them_in_natural_order(folder: Path) -> None:
    assert meant("ViT-B-32", pretrained=["runs/epoch_*.pt"]) == [
        ("ViT-B-32", f"runs/epoch_{epoch}.pt") for epoch in (1, 2, 10)
    ]
    assert meant("ViT-B-32", pretrained=[f"{folder}/runs/epoch_1*.pt"]) == [
        ("ViT-B-32", f"{folder}/runs/epoch_{epoch}.pt") for epoch in (1, 10)
    ]


def test_a_pattern_may_name_several_folders(folder: Path) -> None:
    expected = [("ViT-B-32", f"{name}/epoch_1.pt") for name in ("others", "runs")]
    assert meant("ViT-B-32", pretrained=["*/epoch_1.pt"]) == expected
    assert meant("ViT-B-32", pretrained=["**/epoch_1.pt"]) == expected
    assert meant("ViT-B-32", pretrained=["o**s/epoch_1.pt"]) == expected[:1]


def test_a_folder_that_fits_the_pattern_is_no_file(folder: Path) -> None:
    (folder / "runs" / "epoch_3.pt").mkdir()
    assert len(meant("ViT-B-32", pretrained=["runs/epoch_*.pt"])) == 3


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder: Path) -> None:
    (folder / "runs" / "[ab].pt").write_bytes(b"")
    assert meant("ViT-B-32", pretrained=["runs/[ab].pt"]) == [("ViT-B-32", "runs/[ab].pt")]


def test_files_and_tags_may_be_mixed(folder: Path) -> None:
    assert meant("ViT-B-32", pretrained=["openai", "runs/epoch_2.pt"]) == [
        ("ViT-B-32", "openai"),
        ("ViT-B-32", "runs/epoch_2.pt"),
    ]


@pytest.mark.usefixtures("folder")
def test_config_and_activation_go_to_every_checkpoint() -> None:
    patterns = CheckpointPatterns(model=("ViT-B-32",), pretrained=("runs/*.pt",), activation="quick_gelu")
    requests = expand(patterns)
    assert len(requests) == 3
    assert {(request.activation, request.config_file) for request in requests} == {("quick_gelu", None)}


# What means nothing.


@pytest.mark.parametrize(
    ("model", "pretrained", "sentence"),
    [
        (["tiny-p17"], ["final"], "there is no model 'tiny-p17'; did you mean 'tiny-p16' or 'tiny-p8' or 'tiny-p4'?"),
        (["tiny-p8"], ["finl"], "there is no 'tiny-p8' tag 'finl'; did you mean 'final'?"),
        (
            ["tiny-p8", "ViT-B-33"],
            ["final"],
            "there is no model 'ViT-B-33'; did you mean 'ViT-B-32' or 'ViT-S-32' or 'ViT-M-32'?",
        ),
        (["tiny-p8"], ["final", "finl"], "there is no 'tiny-p8' tag 'finl'; did you mean 'final'?"),
        (["huge-*"], [], "--model 'huge-*' means no checkpoint; 'clipkstar models' lists models and tags."),
        (
            ["tiny-*"],
            ["laion*", "e*"],
            "--model 'tiny-*' means no checkpoint together with 'laion*' or 'e*'; 'clipkstar models' lists models and "
            "tags.",
        ),
        (
            ["tiny-*"],
            ["final", "laion*"],
            "--pretrained 'laion*' means no checkpoint together with 'tiny-*'; 'clipkstar models' lists models and "
            "tags.",
        ),
        (
            ["fake:colors"],
            ["e*"],
            "--model 'fake:colors' means no checkpoint together with 'e*'; 'clipkstar models' lists models and tags.",
        ),
        (["ViT-B-32"], ["runs/epoch_4.pt"], "there is no checkpoint file 'runs/epoch_4.pt'; check the path."),
        (
            ["ViT-*"],
            ["runs/*.pt"],
            "--pretrained 'runs/*.pt' means files, so --model needs one name, not 'ViT-*'.",
        ),
        (["fkae:colors"], [], "there is no encoder family 'fkae'; did you mean 'fake'?"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_means_no_checkpoint_is_one_sentence(model: list[str], pretrained: list[str], sentence: str) -> None:
    assert refusal(*model, pretrained=pretrained) == sentence


@pytest.mark.usefixtures("folder")
def test_a_pattern_that_no_file_fits_is_one_sentence() -> None:
    sentence = "--pretrained 'runs/stage_*.pt' means no file; check the path."
    assert refusal("ViT-B-32", pretrained=["runs/*.pt", "runs/stage_*.pt"]) == sentence
    assert refusal("ViT-B-32", pretrained=["runs/stage_*.pt"]) == sentence


def test_what_a_family_refuses_is_said_before_anything_is_computed() -> None:
    assert refusal("tiny-p8", pretrained=["final"], model_config="own.json") == (
        "'tiny-p8' is bundled with its config; leave --model-config out."
    )
