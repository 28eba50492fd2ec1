"""What can be named on the command line, as lists."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clipkstar.catalog import metric_entries, model_entries, task_entries
from clipkstar.discovery import METRICS, TASKS, list_own, strangers
from clipkstar.errors import InputError


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another package with one task, one family and one metric, whose module cannot be imported."""
    (tmp_path / "made_hues.py").write_text("raise RuntimeError('imported')\n")
    info = tmp_path / "hues-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hues\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[clipkstar.tasks]\nhues = made_hues:TASK\n[clipkstar.metrics]\nhue = made_hues:METRIC\n"
        "[clipkstar.encoders]\nhuer = made_hues:FAMILY\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    strangers.cache_clear()
    yield
    strangers.cache_clear()


def test_every_task_is_listed_with_its_size_and_licence() -> None:
    entries = {entry["task"]: entry for entry in task_entries()}
    assert list(entries) == [task.name for task in list_own(TASKS)]
    assert entries["digits"] == {
        "task": "digits",
        "images": 797,
        "classes": 10,
        "suites": "bundled",
        "licence": "CC-BY-4.0",
        "meaning": "handwritten digits, 8×8 grey",
    }


def test_every_score_is_listed_with_its_meaning_and_direction() -> None:
    entries = {entry["score"]: entry for entry in metric_entries()}
    assert list(entries) == [score.name for metric in list_own(METRICS) for score in metric.scores]
    assert entries["top1"] == {
        "score": "top1",
        "metric": "zero_shot",
        "better": "higher",
        "meaning": "share of images whose best class is right",
    }
    assert all(entry["meaning"] and entry["better"] in ("higher", "lower", "none") for entry in entries.values())


def test_the_models_of_the_zoo_come_first() -> None:
    families = [entry["family"] for entry in model_entries("*")]
    assert set(families) == {"zoo", "open_clip"}
    assert families == sorted(families, reverse=True)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("ViT-B-32/openai", [("ViT-B-32", "openai")]),
        ("tiny-p8/*", [("tiny-p8", tag) for tag in ("final", "stage1", "stage2", "stage3")]),
    ],
)
def test_a_pattern_matches_the_model_and_its_tag(pattern: str, expected: list[tuple[str, str]]) -> None:
    assert [(entry["model"], entry["pretrained"]) for entry in model_entries(pattern)] == expected


def test_a_pattern_of_a_model_gives_all_its_tags() -> None:
    assert {entry["model"] for entry in model_entries("ViT-B-32")} == {"ViT-B-32"}
    assert model_entries("ViT-B-32") == model_entries("ViT-B-32/*")


def test_a_pattern_of_nothing_is_one_sentence() -> None:
    n_known = len(model_entries("*"))
    with pytest.raises(InputError) as raised:
        model_entries("xyzzy*")
    assert str(raised.value) == f"none of {n_known} checkpoints matches 'xyzzy*'; see 'clipkstar models'."


@pytest.mark.usefixtures("stranger")
def test_those_of_other_packages_are_named_and_not_imported() -> None:
    last = [entries[-1] for entries in (task_entries(), metric_entries(), model_entries("tiny-*"))]
    assert [entry[column] for entry, column in zip(last, ("task", "score", "model"), strict=True)] == [
        "hues",
        "hue",
        "huer",
    ]
    assert {list(entry.values())[-1] for entry in last} == {"from made_hues, not imported for this list"}
    assert list(last[0]) == list(task_entries()[0])


@pytest.mark.usefixtures("stranger")
def test_numbers_of_a_task_that_is_not_imported_are_null() -> None:
    assert (task_entries()[-1]["images"], task_entries()[-1]["classes"]) == (None, None)
