"""What the user named → family and checkpoint, tasks, metrics."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from colors import write_task

from clipkstar.discovery import METRICS, TASKS, own_names, strangers
from clipkstar.encoder import Request
from clipkstar.errors import InputError, UnknownNameError
from clipkstar.selection import select_checkpoint, select_metrics, select_tasks

BUNDLED = ["digits", "emoji_fluent", "emoji_noto", "fashion_mnist_2k"]


def _title(model: str, pretrained: str | None = None) -> str:
    family, checkpoint = select_checkpoint(Request(model=model, pretrained=pretrained))
    assert checkpoint.family == family.name or model.startswith("/")
    return checkpoint.title


def _refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(InputError) as raised:
        call(*arguments)
    return str(raised.value)


# Models.


@pytest.mark.parametrize("model", ["tiny-p8", "zoo:tiny-p8"])
def test_a_name_of_the_zoo_is_the_zoos(model: str) -> None:
    assert _title(model, "final") == "zoo--tiny-p8--final"


@pytest.mark.parametrize("model", ["ViT-B-32", "open_clip:ViT-B-32"])
def test_another_bare_name_is_open_clips(model: str) -> None:
    assert _title(model, "openai") == "open_clip--ViT-B-32--openai"


def test_an_abbreviated_tag_is_resolved_and_said() -> None:
    _, checkpoint = select_checkpoint(Request(model="ViT-B-32", pretrained="laion2b"))
    assert checkpoint.title == "open_clip--ViT-B-32--laion2b_s34b_b79k"
    assert checkpoint.notice == "'laion2b' is taken to mean 'laion2b_s34b_b79k'."


def test_a_scheme_of_open_clip_is_no_family() -> None:
    assert _title("hf-hub:org/name") == "open_clip--org/name--hf-hub"


def test_a_folder_in_open_clips_format_is_open_clips(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text("{}")
    assert _title(f"local-dir:{folder}") == "open_clip--mine--local-dir"


def test_a_family_is_named_before_the_colon() -> None:
    assert _title("fake:colors") == "fake--colors--exact"
    assert _title("fake:colors", "other") == "fake--colors--other"


def test_a_family_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "hues.py"
    file.write_text(
        "from dataclasses import replace\nfrom clipkstar.checkpoint import Checkpoint\n"
        "from clipkstar.encoders.fake import FAMILY as FAKE\n"
        "def resolve(request):\n"
        "    return Checkpoint(family='hues', model=request.model, pretrained=request.pretrained or '-', lineage='')\n"
        "FAMILY = replace(FAKE, name='hues', resolve=resolve)\n"
    )
    family, checkpoint = select_checkpoint(Request(model=f"{file}:deep:blue", pretrained="tag"))
    assert (family.name, checkpoint.title) == ("hues", "hues--deep:blue--tag")


def test_an_unknown_family_is_an_error_with_the_known_ones() -> None:
    assert _refusal(_title, "xyzzy:resnet50") == (
        "there is no encoder family 'xyzzy'; known are fake, open_clip, python, timm, transformers, zoo."
    )


def test_an_unknown_model_is_an_error_with_the_nearest_names_of_both() -> None:
    assert _refusal(_title, "tiny-p88").startswith("there is no model 'tiny-p88'; did you mean 'tiny-p8'")
    assert _refusal(_title, "ViT-B-33", "openai").startswith(
        "there is no model 'ViT-B-33'; did you mean 'ViT-B-32' or "
    )


def test_a_name_near_to_nothing_tells_where_all_are_listed() -> None:
    import open_clip

    from clipkstar.encoders.zoo import checkpoints

    # Configs of users that other tests made known to open_clip in this process are no names to choose from.
    built_in = {name for name in open_clip.list_models() if not name.startswith("clipkstar--")}
    n_known = len(built_in | {known.model for known in checkpoints()})
    assert _refusal(_title, "xyzzy", "openai") == (
        f"there is no model 'xyzzy'; there are {n_known} of them, see 'clipkstar models'."
    )


def test_an_unknown_model_of_a_family_is_an_error_with_its_models() -> None:
    assert _refusal(_title, "fake:colours") == "there is no model 'fake:colours'; did you mean 'fake:colors'?"


def test_an_unknown_tag_is_said_of_its_model_and_not_of_another() -> None:
    with pytest.raises(UnknownNameError) as raised:
        select_checkpoint(Request(model="tiny-p8", pretrained="fnal"))
    assert str(raised.value) == "there is no 'tiny-p8' tag 'fnal'; did you mean 'final'?"
    with pytest.raises(UnknownNameError) as raised:
        select_checkpoint(Request(model="ViT-B-32", pretrained="opnai"))
    assert str(raised.value) == "there is no 'ViT-B-32' tag 'opnai'; did you mean 'openai'?"


def test_a_model_without_a_tag_is_an_error_with_its_tags() -> None:
    assert _refusal(_title, "tiny-p8") == "'tiny-p8' needs --pretrained: final, stage1, stage2, stage3."
    assert _refusal(_title, "ViT-B-32").startswith("'ViT-B-32' needs --pretrained: openai, ")


# Tasks.


def _names(*tasks: str, suite: str | None = None) -> list[str]:
    return [task.name for task in select_tasks(tasks, suite)]


def test_without_a_name_the_core_suite_is_taken() -> None:
    assert _names() == _names(suite="core")
    assert "cifar10" in _names()


def test_named_tasks_come_in_their_order_and_once() -> None:
    assert _names("emoji_noto", "digits", "emoji_noto") == ["emoji_noto", "digits"]


def test_a_suite_gives_its_tasks() -> None:
    assert _names(suite="bundled") == BUNDLED


def test_named_tasks_come_before_those_of_the_suite_and_none_twice() -> None:
    assert _names("emoji_noto", suite="bundled") == ["emoji_noto", "digits", "emoji_fluent", "fashion_mnist_2k"]
    assert _names(*BUNDLED, suite="bundled") == BUNDLED


def test_a_file_may_join_a_suite(tmp_path: Path) -> None:
    file = write_task(tmp_path, task={"groups": ("bundled",)})
    assert _names(str(file), suite="bundled") == ["colors", *BUNDLED]


def test_a_suite_may_be_that_of_a_file_alone(tmp_path: Path) -> None:
    file = write_task(tmp_path, task={"groups": ("hues",)})
    assert _names(str(file), suite="hues") == ["colors"]


def test_an_unknown_suite_is_an_error_with_the_nearest_names() -> None:
    assert _refusal(select_tasks, (), "bundle") == "there is no suite 'bundle'; did you mean 'bundled' or 'robustness'?"


def test_a_folder_of_tasks_is_taken_whole(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_task(tmp_path, name=name)
    assert _names(str(tmp_path)) == ["a", "b"]


def test_an_unknown_task_is_an_error_with_the_nearest_names() -> None:
    assert _refusal(select_tasks, ("digit",), None) == "there is no task 'digit'; did you mean 'digits' or 'dtd'?"


# Metrics.


@pytest.fixture
def fresh_entry_points() -> Iterator[None]:
    strangers.cache_clear()
    yield
    strangers.cache_clear()


def test_without_a_name_all_own_metrics_are_taken() -> None:
    assert [metric.name for metric in select_metrics(())] == own_names(METRICS)


@pytest.mark.usefixtures("fresh_entry_points")
def test_without_a_name_those_of_other_packages_are_taken_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_metric.py").write_text(
        "from dataclasses import replace\nfrom clipkstar.metrics.kstar import METRIC as KSTAR\n"
        "METRIC = replace(KSTAR, name='hue')\n"
    )
    (tmp_path / "hue-1.0.dist-info").mkdir()
    (tmp_path / "hue-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: hue\nVersion: 1.0\n")
    (tmp_path / "hue-1.0.dist-info/entry_points.txt").write_text("[clipkstar.metrics]\nhue = made_metric:METRIC\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert [metric.name for metric in select_metrics(())] == [*own_names(METRICS), "hue"]
    assert list(strangers(TASKS)) == []


def test_named_metrics_are_taken_alone() -> None:
    assert [metric.name for metric in select_metrics(("zero_shot",))] == ["zero_shot"]


def test_an_unknown_metric_is_an_error_with_the_nearest_names() -> None:
    assert _refusal(select_metrics, ("kstars",)) == "there is no metric 'kstars'; did you mean 'kstar'?"
