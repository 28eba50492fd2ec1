"""What an opening found, known again without opening, and never of files that changed since."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from colors import LABELS, NAMES, colors_task, picture, pictures_of, write_parquet
from hub_stand_in import Fault, hub_stand_in
from miniature_sets import client, write_set

from clipkstar.data import openings
from clipkstar.data.openings import Opening, known_opening
from clipkstar.data.rows import open_rows
from clipkstar.data.words import PromptChoice
from clipkstar.errors import InputError
from clipkstar.task import HubDataset, OpenClipList, PromptSet, Task

LONG_AGO = 1_600_000_000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own."""
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def settle(*places: Path) -> None:
    """Let files, and what is in folders, have changed long ago."""
    for place in places:
        for path in (*place.rglob("*"), place):
            os.utime(path, (LONG_AGO, LONG_AGO))


def parquet_task(folder: Path, **spoiled: Any) -> Task:
    folder.mkdir(exist_ok=True)
    task = colors_task(folder, **spoiled)
    settle(folder)
    return task


def folder_task(folder: Path) -> Task:
    for row, (label, content) in enumerate(zip(LABELS, pictures_of(LABELS), strict=True)):
        place = folder / NAMES[label]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{row}.png").write_bytes(content or b"")
    settle(folder)
    return Task(
        name="colors", summary="", dataset=HubDataset(path="imagefolder", data_files=str(folder)), class_names=NAMES
    )


def glob_task(folder: Path) -> Task:
    folder.mkdir(exist_ok=True)
    write_parquet(folder / "0.parquet")
    settle(folder)
    return Task(name="colors", summary="", dataset=HubDataset(path="parquet", data_files=str(folder / "*.parquet")))


def shard_task(folder: Path) -> Task:
    samples = [
        {"cls": str(label).encode(), "png": content or b""}
        for label, content in zip(LABELS, pictures_of(LABELS), strict=True)
    ]
    write_set(folder, samples, names=NAMES)
    settle(folder)
    return Task(
        name="colors",
        summary="",
        dataset=HubDataset(path="webdataset", data_files=str(folder / "test" / "*.tar")),
        image_column="png",
        label_column="cls",
        class_names=NAMES,
    )


KINDS = {"parquet": parquet_task, "folder": folder_task, "glob": glob_task, "shards": shard_task}


@pytest.mark.parametrize("limit", [None, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_what_an_opening_found_is_known_again(kind: str, limit: int | None, tmp_path: Path) -> None:
    task = KINDS[kind](tmp_path / "data")
    assert known_opening(task, limit=limit) is None
    rows = open_rows(task, limit=limit)
    expected = Opening(
        fingerprint=rows.fingerprint,
        images_digest=rows.images_digest,
        n_images=limit or len(LABELS),
        n_classes=3,
        revision=None,
    )
    assert known_opening(task, limit=limit) == rows.opening == expected
    assert known_opening(task, limit=7) is None


@pytest.mark.parametrize("kind", ["shards", "glob"])
def test_a_stream_is_known_apart(kind: str, tmp_path: Path) -> None:
    task = KINDS[kind](tmp_path / "data")
    streamed = open_rows(task, stream=True)
    assert known_opening(task) is None
    assert known_opening(task, stream=True) == streamed.opening == open_rows(task).opening


def _append(file: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b"\0")


def _add(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    settle(file, file.parent)


def _add_class(data: Path) -> None:
    (data / "white").mkdir()
    _add(data / "white" / "new.png", picture("white"))
    settle(data)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("parquet", lambda data: write_parquet(data / "colors.parquet", labels=LABELS[::-1])),
        ("parquet", lambda data: os.utime(data / "colors.parquet", (LONG_AGO + 9, LONG_AGO + 9))),
        ("parquet", lambda data: (data / "colors.parquet").unlink()),
        ("glob", lambda data: _add(data / "1.parquet", (data / "0.parquet").read_bytes())),
        ("glob", lambda data: (data / "0.parquet").rename(data / "9.parquet")),
        ("shards", lambda data: _add(data / "test" / "9.tar", (data / "test" / "0.tar").read_bytes())),
        ("shards", lambda data: (data / "test" / "2.tar").unlink()),
        ("folder", lambda data: _add(data / "red" / "new.png", picture("red"))),
        ("folder", lambda data: (data / "red" / "0.png").unlink()),
        ("folder", lambda data: _append(data / "blue" / "2.png")),
        ("folder", _add_class),
        ("folder", lambda data: shutil.rmtree(data / "green")),
        ("folder", lambda data: (data / "green").rename(data / "gold")),
    ],
    ids=[
        *("rewritten", "touched", "deleted", "another file", "renamed", "another shard", "a shard less"),
        *("another picture", "a picture less", "a changed picture", "another class", "a class less", "a renamed class"),
    ],
)
def test_files_that_changed_are_not_known(kind: str, change: Callable[[Path], object], tmp_path: Path) -> None:
    task = KINDS[kind](tmp_path / "data")
    open_rows(task)
    assert known_opening(task) is not None
    change(tmp_path / "data")
    assert known_opening(task) is None


def test_a_file_put_in_the_place_of_another_is_not_known(tmp_path: Path) -> None:
    task = parquet_task(tmp_path / "data")
    open_rows(task)
    file = tmp_path / "data" / "colors.parquet"
    shutil.copy2(file, tmp_path / "copy")  # of equal size and time
    (tmp_path / "copy").replace(file)
    assert known_opening(task) is None


@pytest.mark.parametrize(
    "change",
    [
        {"templates": ("a {}.",)},
        {"class_names": ("r", "g", "b")},
        {"n_images": None},
        {"prompt_sets": (PromptSet(name="short", templates=("{}",)),)},
    ],
    ids=str,
)
def test_another_task_on_the_same_files_is_not_known(change: dict[str, Any], tmp_path: Path) -> None:
    task = parquet_task(tmp_path / "data")
    open_rows(task)
    assert known_opening(task) is not None
    assert known_opening(replace(task, **change)) is None


def test_a_relative_path_means_the_files_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = replace(parquet_task(tmp_path / "a"), dataset=HubDataset(path="parquet", data_files="colors.parquet"))
    parquet_task(tmp_path / "b", labels=LABELS[::-1])
    found = {}
    for name in ("a", "b"):
        monkeypatch.chdir(tmp_path / name)
        assert known_opening(task) is None
        found[name] = open_rows(task).opening
    assert found["a"] != found["b"]
    for name, opening in found.items():
        monkeypatch.chdir(tmp_path / name)
        assert known_opening(task) == opening


def _choices(folder: Path) -> dict[str, PromptChoice]:
    (folder / "names.txt").write_text("crimson\nlime\nnavy\n")
    (folder / "templates.txt").write_text("a {} thing.\n")
    (folder / "sets.json").write_text(
        json.dumps([{"name": name, "templates": [f"{name} {{}}"]} for name in ("one", "two")])
    )
    settle(folder)
    return {
        "names.txt": PromptChoice(class_names=folder / "names.txt"),
        "templates.txt": PromptChoice(templates=folder / "templates.txt"),
        "sets.json": PromptChoice(prompts=f"{folder / 'sets.json'}:two"),
    }


@pytest.mark.parametrize("name", ["names.txt", "templates.txt", "sets.json"])
def test_files_of_words_that_changed_are_not_known(name: str, tmp_path: Path) -> None:
    task = parquet_task(tmp_path / "data")
    (tmp_path / "words").mkdir()
    choice = _choices(tmp_path / "words")[name]
    rows = open_rows(task, prompts=choice)
    assert known_opening(task) is None
    assert known_opening(task, prompts=choice) == rows.opening
    _append(tmp_path / "words" / name)
    assert known_opening(task, prompts=choice) is None


def test_a_prompt_set_of_the_task_needs_no_file(tmp_path: Path) -> None:
    task = replace(parquet_task(tmp_path / "data"), prompt_sets=(PromptSet(name="short", templates=("{}",)),))
    rows = open_rows(task, prompts=PromptChoice(prompts="short"))
    assert known_opening(task, prompts=PromptChoice(prompts="short")) == rows.opening
    assert known_opening(task) is None


def test_words_of_open_clip_are_those_of_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = replace(parquet_task(tmp_path / "data"), templates=OpenClipList(name="SIMPLE_IMAGENET_TEMPLATES"))
    rows = open_rows(task)
    assert known_opening(task) == rows.opening
    monkeypatch.setattr(openings, "version", lambda package: f"another {package}")
    assert known_opening(task) is None


def test_images_in_files_that_the_rows_name_are_part_of_it(tmp_path: Path) -> None:
    import datasets

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for row, content in enumerate(pictures_of(LABELS)):
        (pictures / f"{row}.png").write_bytes(content or b"")
    settle(pictures)
    feature = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    cells: Any = [{"bytes": None, "path": str(pictures / f"{row}.png")} for row in range(len(LABELS))]
    task = parquet_task(tmp_path / "data", pictures=cells, image_feature=feature)
    for stream in (False, True):
        rows = open_rows(task, stream=stream)
        assert known_opening(task, stream=stream) == rows.opening
    _append(pictures / "7.png")
    assert [known_opening(task, stream=stream) for stream in (False, True)] == [None, None]


def test_files_that_have_just_changed_are_not_remembered(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "data").mkdir()
    task = colors_task(tmp_path / "data")
    open_rows(task)
    assert known_opening(task) is None
    assert not (cache / "openings").exists()


def test_a_file_that_changes_while_it_is_read_is_not_remembered(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = parquet_task(tmp_path / "data")
    before = openings.states_before

    def then_changed(asked: openings.Asked) -> object:
        states = before(asked)
        os.utime(tmp_path / "data" / "colors.parquet", (LONG_AGO + 9, LONG_AGO + 9))
        return states

    monkeypatch.setattr("clipkstar.data.rows.states_before", then_changed)
    open_rows(task)
    assert known_opening(task) is None
    assert not (cache / "openings").exists()


def test_a_damaged_entry_is_no_entry(tmp_path: Path, cache: Path) -> None:
    task = parquet_task(tmp_path / "data")
    rows = open_rows(task)
    (entry,) = (cache / "openings").iterdir()
    entry.write_bytes(entry.read_bytes().replace(b'"n_images": 12', b'"n_images": 13'))
    assert known_opening(task) is None
    open_rows(task)
    assert known_opening(task) == rows.opening


@pytest.mark.parametrize(
    ("dataset", "options"),
    [
        (HubDataset(path="parquet", data_files="/nowhere/*.parquet"), {}),
        (HubDataset(path="parquet", data_files=""), {}),
        (HubDataset(path="imagefolder", data_files="/nowhere"), {}),
        (None, {"revision": "v2"}),
        (None, {"limit": 0}),
        (None, {"prompts": PromptChoice(templates=Path("/nowhere.txt"))}),
    ],
    ids=["no file", "no glob", "no folder", "a revision of files", "no limit", "no templates"],
)
def test_what_cannot_be_opened_is_not_known_and_is_refused_when_it_is_opened(
    dataset: HubDataset | None, options: dict[str, Any], tmp_path: Path
) -> None:
    task = parquet_task(tmp_path / "data")
    task = task if dataset is None else replace(task, dataset=dataset)
    assert known_opening(task, **options) is None
    with pytest.raises(InputError):
        open_rows(task, **options)


# Repositories of the hub; HF_ENDPOINT is read on import, so the client is a subprocess.

CLIENT = """
import json, sys
from dataclasses import asdict
from clipkstar.data.openings import known_opening
from clipkstar.data.rows import open_rows
from clipkstar.task import HubDataset, RepositoryFile, Task
verb, revision, stream = json.loads(sys.argv[1])
task = Task(name="colors", summary="", dataset=HubDataset(path="org/colors", data_files="test/*.tar"),
            image_column="png", label_column="cls", class_names=RepositoryFile(path="classnames.txt"))
opening = None
if verb == "open":
    opening = open_rows(task, revision=revision, stream=stream).opening
known = known_opening(task, revision=revision, stream=stream)
heavy = [name for name in ("torch", "open_clip", "datasets", "transformers", "torchvision")
         if name in sys.modules]
print(json.dumps({"opening": opening and asdict(opening), "known": known and asdict(known), "heavy": heavy}))
"""


@dataclass(frozen=True)
class Told:
    """What clients were told at each stage, and what they asked the hub for while they only looked."""

    answers: dict[str, dict[str, Any]]
    asked: dict[str, list[str]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("hub")
    repository, home = folder / "root" / "datasets" / "org" / "colors", folder / "home"
    shard_task(repository)
    answers: dict[str, dict[str, Any]] = {}
    asked: dict[str, list[str]] = {}

    def ask(stage: str, verb: str, *, revision: str | None = None, stream: bool = False, **more: str) -> None:
        n_before = len(hub.requests)
        answers[stage] = client(CLIENT, hub.endpoint, home, json.dumps([verb, revision, stream]), **more)
        asked[stage] = [f"{method} {path}" for method, path in hub.requests[n_before:]]

    with hub_stand_in(folder / "root") as hub:
        ask("opened", "open")
        ask("known", "look")
        commit = answers["opened"]["opening"]["revision"]
        ask("pinned", "open", revision=commit)
        ask("pinned again", "look", revision=commit)
        ask("unknown revision", "look", revision="v2")
        ask("offline", "look", HF_HUB_OFFLINE="1")
        ask("streamed", "open", stream=True)
        ask("streamed again", "look", stream=True)
        hub.faults.append(Fault("/api/*", status=500))
        ask("ill", "look")
        hub.faults.clear()
        shutil.copy(repository / "test" / "0.tar", repository / "test" / "9.tar")
        ask("moved", "look")
        ask("moved, streamed", "look", stream=True)
    ask("gone", "look")
    (link,) = (home / "hf").glob("hub/datasets--*/snapshots/*/test/0.tar")
    link.resolve().unlink()
    ask("lost", "look")
    return Told(answers=answers, asked=asked)


def test_a_hub_data_set_is_known_by_its_commit_after_one_request(told: Told) -> None:
    opening = told.answers["opened"]["opening"]
    assert len(opening["revision"]) == 40
    assert told.answers["opened"]["known"] == told.answers["known"]["known"] == opening
    asked = [request for request in told.asked["known"] if "org/colors" in request]
    assert asked == ["GET /api/datasets/org/colors"]


def test_a_pinned_commit_asks_nothing_of_the_hub(told: Told) -> None:
    assert told.answers["pinned again"]["known"] == told.answers["pinned"]["opening"]
    assert told.asked["pinned again"] == []


def test_without_a_connection_the_cache_says_which_commit_it_is(told: Told) -> None:
    assert told.answers["offline"]["known"] == told.answers["gone"]["known"] == told.answers["opened"]["opening"]
    assert told.asked["offline"] == []


def test_a_streamed_data_set_is_known_by_its_commit(told: Told) -> None:
    assert told.answers["streamed again"]["known"] == told.answers["streamed"]["opening"]
    assert told.answers["streamed"]["opening"] == told.answers["opened"]["opening"]


@pytest.mark.parametrize("stage", ["unknown revision", "ill", "moved", "moved, streamed", "lost"])
def test_a_hub_data_set_is_not_known_where(stage: str, told: Told) -> None:
    assert told.answers[stage]["known"] is None


def test_nothing_heavy_is_imported_to_know(told: Told) -> None:
    looks = [stage for stage in told.answers if told.answers[stage]["opening"] is None]
    assert {stage: told.answers[stage]["heavy"] for stage in looks} == {stage: [] for stage in looks}
