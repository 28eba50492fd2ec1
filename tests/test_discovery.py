"""One rule for three doors, each test at every door: own files, other packages, a file or folder given by path."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clipkstar.discovery import FAMILIES, METRICS, TASKS, Door, find, find_all, list_own, own_names, strangers
from clipkstar.errors import InputError, UnknownNameError

SOURCES = {
    "task": """
from clipkstar.task import HubDataset, Task
TASK = Task(name="{name}", summary="{summary}", dataset=HubDataset(path="org/colors"))
""",
    "encoder family": """
from dataclasses import replace
from clipkstar.encoders.fake import FAMILY as FAKE
FAMILY = replace(FAKE, name="{name}", summary="{summary}")
""",
    "metric": """
from clipkstar.metric import Measured, Metric
METRIC = Metric(name="{name}", version="1", summary="{summary}", scores=(), compute=lambda *_: Measured(scores={{}}),
                source="")
""",
}
OWN = {
    "task": ["cifar10", "digits", "emoji_fluent", "emoji_noto", "fashion_mnist_2k"],
    "encoder family": ["fake", "open_clip", "python", "timm", "transformers", "zoo"],
    "metric": ["kstar", "subgroups", "zero_shot"],
}
AnyDoor = Door[Any]


@pytest.fixture(params=[TASKS, FAMILIES, METRICS], ids=["tasks", "families", "metrics"])
def door(request: pytest.FixtureRequest) -> Iterator[AnyDoor]:
    strangers.cache_clear()
    before = set(sys.modules)
    yield request.param
    strangers.cache_clear()
    for name in set(sys.modules) - before:
        if name.startswith(("made_", "clipkstar_path_")):
            del sys.modules[name]


@pytest.fixture
def made(door: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnyDoor:
    """The door with an empty package of its own instead of clipkstar's."""
    (tmp_path / "made_package").mkdir()
    (tmp_path / "made_package" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return replace(door, package="made_package")


def _write(folder: Path, door: AnyDoor, name: str, *, says: str | None = None, summary: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.py"
    file.write_text(SOURCES[door.noun].format(name=says or name, summary=summary))
    importlib.invalidate_caches()
    return file


def _install(site: Path, door: AnyDoor, distribution: str, entries: dict[str, str]) -> None:
    """Make an installed distribution with entry points NAME → MODULE:ATTRIBUTE."""
    info = site / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = [f"{name} = {target}" for name, target in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{door.group}]", *lines, ""]))


def _refusal(door: AnyDoor, *wanted: str) -> str:
    with pytest.raises(InputError) as raised:
        find_all(door, wanted)
    return str(raised.value)


# Own files.


def test_the_own_entries_are_the_files_of_the_package(door: AnyDoor) -> None:
    assert set(own_names(door)) >= set(OWN[door.noun])
    assert [noun.name for noun in list_own(door)] == own_names(door) == sorted(own_names(door))
    assert all(isinstance(noun, door.kind) for noun in list_own(door))


def test_an_own_entry_is_found_by_its_name(door: AnyDoor) -> None:
    for name in own_names(door):
        assert [noun.name for noun in find(door, name)] == [name]


def test_a_new_file_is_seen_at_once(made: AnyDoor, tmp_path: Path) -> None:
    assert own_names(made) == []
    _write(tmp_path / "made_package", made, "hues")
    assert own_names(made) == ["hues"]
    assert [noun.name for noun in list_own(made)] == ["hues"]
    assert [noun.name for noun in find(made, "hues")] == ["hues"]


def test_a_file_whose_name_starts_with_an_underscore_is_no_entry(made: AnyDoor, tmp_path: Path) -> None:
    _write(tmp_path / "made_package", made, "_hues")
    assert own_names(made) == []
    assert _refusal(made, "_hues").startswith(f"there is no {made.noun} '_hues'; ")


def test_listing_names_imports_nothing(made: AnyDoor, tmp_path: Path) -> None:
    (tmp_path / "made_package" / "hues.py").write_text("raise RuntimeError('imported')\n")
    assert own_names(made) == ["hues"]
    assert "made_package.hues" not in sys.modules


def test_an_own_file_that_says_another_name_is_an_error(made: AnyDoor, tmp_path: Path) -> None:
    _write(tmp_path / "made_package", made, "hues", says="tints")
    assert _refusal(made, "hues") == f"hues.py holds {made.attribute} named 'tints'; both names must be the same."


def test_an_own_file_without_the_constant_is_an_error(made: AnyDoor, tmp_path: Path) -> None:
    (tmp_path / "made_package" / "hues.py").write_text("")
    assert _refusal(made, "hues") == (
        f"hues.py holds no {made.attribute} made by clipkstar's {made.kind.__name__}; add one."
    )


# Other packages.


def test_an_entry_point_of_another_package_is_found_by_its_name(
    door: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, door, "made_hues", says="hues", summary="from afar")
    _install(tmp_path, door, "hues", {"hues": f"made_hues:{door.attribute}"})
    monkeypatch.syspath_prepend(tmp_path)
    assert list(strangers(door)) == ["hues"]
    assert "hues" not in own_names(door)
    (found,) = find(door, "hues")
    assert (found.name, found.summary) == ("hues", "from afar")


def test_listing_does_not_import_the_strangers_module(
    door: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made_hues.py").write_text("raise RuntimeError('imported')\n")
    _install(tmp_path, door, "hues", {"hues": f"made_hues:{door.attribute}"})
    monkeypatch.syspath_prepend(tmp_path)
    assert "hues" not in [noun.name for noun in list_own(door)]
    assert strangers(door)["hues"].module == "made_hues"
    assert [noun.name for noun in find(door, OWN[door.noun][0])] == [OWN[door.noun][0]]
    assert "made_hues" not in sys.modules


def test_an_entry_point_that_holds_something_else_is_an_error(
    door: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made_hues.py").write_text(f"{door.attribute} = 'hues'\n")
    _install(tmp_path, door, "hues", {"hues": f"made_hues:{door.attribute}"})
    monkeypatch.syspath_prepend(tmp_path)
    assert _refusal(door, "hues") == (
        f"the entry point 'hues' (made_hues:{door.attribute}) holds no {door.attribute} made by clipkstar's "
        f"{door.kind.__name__}; add one."
    )


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('no\\nno')", "RuntimeError: no no"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_an_entry_point_that_cannot_be_imported_is_one_sentence(
    door: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    (tmp_path / "made_hues.py").write_text(code)
    _install(tmp_path, door, "hues", {"hues": f"made_hues:{door.attribute}"})
    monkeypatch.syspath_prepend(tmp_path)
    assert _refusal(door, "hues") == (
        f"the entry point 'hues' (made_hues:{door.attribute}) cannot be imported ({reason}); "
        "repair or remove its package."
    )


def test_an_entry_point_that_says_another_name_is_an_error(
    door: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, door, "made_hues", says=OWN[door.noun][0])
    _install(tmp_path, door, "hues", {"hues": f"made_hues:{door.attribute}"})
    monkeypatch.syspath_prepend(tmp_path)
    assert _refusal(door, "hues") == (
        f"the entry point 'hues' (made_hues:{door.attribute}) holds {door.attribute} named '{OWN[door.noun][0]}'; "
        "both names must be the same."
    )


def test_an_entry_point_named_as_an_own_file_is_an_error(
    door: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = OWN[door.noun][0]
    _install(tmp_path, door, "hues", {name: f"made_hues:{door.attribute}"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as raised:
        strangers(door)
    assert str(raised.value) == f"there are two different {door.noun} entries named '{name}'; rename one."


def test_entry_points_of_two_packages_with_one_name_are_an_error(
    door: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for distribution in ("hues", "tints"):
        _install(tmp_path, door, distribution, {"same": f"made_{distribution}:{door.attribute}"})
    monkeypatch.syspath_prepend(tmp_path)
    assert _refusal(door, "same") == f"there are two different {door.noun} entries named 'same'; rename one."


# Files and folders.


def test_a_file_is_found_by_its_path(door: AnyDoor, tmp_path: Path) -> None:
    file = _write(tmp_path, door, "hues", summary="by path")
    (found,) = find(door, str(file))
    assert (found.name, found.summary) == ("hues", "by path")


def test_a_file_is_found_by_a_path_without_a_slash(
    door: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, door, "hues")
    monkeypatch.chdir(tmp_path)
    assert [noun.name for noun in find(door, "hues.py")] == ["hues"]


def test_a_folder_gives_all_its_files_by_name(door: AnyDoor, tmp_path: Path) -> None:
    for name in ("tints", "hues", "_draft"):
        _write(tmp_path, door, name)
    (tmp_path / "notes.txt").touch()
    assert [noun.name for noun in find(door, str(tmp_path))] == ["hues", "tints"]


def test_an_own_name_wins_over_a_folder_of_that_name(
    door: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = OWN[door.noun][0]
    _write(tmp_path / name, door, "hues")
    monkeypatch.chdir(tmp_path)
    assert [noun.name for noun in find(door, name)] == [name]
    assert [noun.name for noun in find(door, f"./{name}")] == ["hues"]


@pytest.mark.parametrize("path", ["none.py", "nowhere/hues.py", "nowhere/hues", "./none"])
def test_a_path_to_nothing_is_an_error(
    door: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _refusal(door, path) == f"there is no {door.noun} file or folder '{path}'; check the path."


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise OSError('no\\nno')", "OSError: no no"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import sys; sys.exit('no data')", "SystemExit: no data"),
    ],
)
def test_a_file_that_raises_is_one_sentence(door: AnyDoor, tmp_path: Path, code: str, reason: str) -> None:
    file = tmp_path / "hues.py"
    file.write_text(code)
    assert _refusal(door, str(file)) == f"{file} cannot be imported ({reason}); correct the file."


def test_a_file_that_is_no_python_is_one_sentence(door: AnyDoor, tmp_path: Path) -> None:
    file = tmp_path / "hues.py"
    file.write_text("TASK = (\n")
    assert _refusal(door, str(file)).startswith(f"{file} cannot be imported (SyntaxError: '(' was never closed")


def test_a_file_that_holds_something_else_is_an_error(door: AnyDoor, tmp_path: Path) -> None:
    file = tmp_path / "hues.py"
    file.write_text(f"{door.attribute} = {{'name': 'hues'}}\n")
    assert _refusal(door, str(file)) == (
        f"{file} holds no {door.attribute} made by clipkstar's {door.kind.__name__}; add one."
    )


def test_a_file_that_says_another_name_is_an_error(door: AnyDoor, tmp_path: Path) -> None:
    file = _write(tmp_path, door, "hues", says="tints")
    assert _refusal(door, str(file)) == f"{file} holds {door.attribute} named 'tints'; both names must be the same."


def test_a_file_named_as_an_own_entry_is_an_error(door: AnyDoor, tmp_path: Path) -> None:
    name = OWN[door.noun][0]
    file = _write(tmp_path, door, name)
    assert _refusal(door, str(file)) == f"there are two different {door.noun} entries named '{name}'; rename one."


def test_two_files_of_one_name_are_an_error(door: AnyDoor, tmp_path: Path) -> None:
    files = [_write(tmp_path / folder, door, "hues", summary=folder) for folder in ("a", "b")]
    assert _refusal(door, *map(str, files)) == (
        f"there are two different {door.noun} entries named 'hues'; rename one."
    )


def test_what_is_named_twice_is_found_once(door: AnyDoor, tmp_path: Path) -> None:
    file, name = str(_write(tmp_path, door, "hues")), OWN[door.noun][0]
    assert [noun.name for noun in find_all(door, [name, file, name, file])] == [name, "hues"]


def test_one_file_named_in_many_ways_is_found_once(
    door: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _write(tmp_path / "a", door, "hues")
    monkeypatch.chdir(tmp_path)
    ways = [str(file), "a/hues.py", "./a/../a/hues.py", str(file.parent), "a", "a/"]
    assert [noun.name for noun in find_all(door, ways)] == ["hues"]


def test_a_file_behind_a_link_goes_by_the_name_of_the_link(door: AnyDoor, tmp_path: Path) -> None:
    target, link = _write(tmp_path, door, "hues_v2", says="hues"), tmp_path / "linked" / "hues.py"
    link.parent.mkdir()
    link.symlink_to(target)
    assert [noun.name for noun in find_all(door, [str(link), str(link.parent)])] == ["hues"]


@pytest.mark.parametrize("there", [(), ("_draft.py", "notes.txt")], ids=["empty", "nothing of ours"])
def test_a_folder_without_an_entry_is_an_error(door: AnyDoor, tmp_path: Path, there: tuple[str, ...]) -> None:
    for name in there:
        (tmp_path / name).write_text("raise RuntimeError('imported')\n")
    assert _refusal(door, str(tmp_path)) == (
        f"the folder '{tmp_path}' holds no {door.noun} file; name a folder of .py files."
    )


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_blank_name_is_unknown_and_runs_no_file_of_the_working_folder(
    made: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank: str
) -> None:
    for name in ("hues", "tints"):
        _write(tmp_path / "made_package", made, name)
    (tmp_path / "code.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.chdir(tmp_path)
    assert _refusal(made, blank) == f"there is no {made.noun} '{blank}'; known are hues, tints."


# Unknown names.


@pytest.mark.parametrize(
    ("at", "wanted", "sentence"),
    [
        (TASKS, "digit", "there is no task 'digit'; did you mean 'digits' or 'dtd'?"),
        (FAMILIES, "openclip", "there is no encoder family 'openclip'; did you mean 'open_clip'?"),
        (METRICS, "zeroshot", "there is no metric 'zeroshot'; did you mean 'zero_shot'?"),
    ],
    ids=["tasks", "families", "metrics"],
)
def test_an_unknown_name_is_an_error_with_the_nearest_names(at: AnyDoor, wanted: str, sentence: str) -> None:
    assert _refusal(at, wanted) == sentence


def test_a_name_near_to_nothing_is_an_error_with_all_names_while_they_are_few(made: AnyDoor, tmp_path: Path) -> None:
    for name in ("hues", "tints"):
        _write(tmp_path / "made_package", made, name)
    assert _refusal(made, "xyz") == f"there is no {made.noun} 'xyz'; known are hues, tints."


@pytest.mark.parametrize("at", [TASKS, METRICS], ids=["tasks", "metrics"])
def test_of_many_names_the_error_tells_the_command_that_lists_them(
    at: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("__init__", *(f"hue{number}" for number in range(13))):
        _write(tmp_path / "made_many", at, name)
    monkeypatch.syspath_prepend(tmp_path)
    assert _refusal(replace(at, package="made_many"), "xyz") == (
        f"there is no {at.noun} 'xyz'; there are 13 of them, see 'clipkstar {at.noun}s'."
    )


def test_an_unknown_name_may_be_near_to_that_of_another_package(
    door: AnyDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, door, "colours", {"purple": f"made_purple:{door.attribute}"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnknownNameError) as raised:
        find(door, "purpel")
    assert str(raised.value) == f"there is no {door.noun} 'purpel'; did you mean 'purple'?"
    assert raised.value.known == sorted([*own_names(door), "purple"])
