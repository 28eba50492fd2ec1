"""One rule for three doors: tasks, encoder families and metrics come from own files, entry points, or a path.

Own files are modules of a package whose names do not start with `_`; the file name is the name. Other packages register
an entry point in the group. A path runs the code of whoever wrote it. Listing imports own files only.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Generic, TypeVar

from clipkstar.encoder import Family
from clipkstar.errors import InputError, UnknownNameError
from clipkstar.metric import Metric
from clipkstar.task import Task

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

LONGEST_NAME = 255
"""Longest file name that common file systems take."""

Noun = TypeVar("Noun", Task, Family, Metric)


@dataclass(frozen=True, kw_only=True)
class Door(Generic[Noun]):
    """Where one noun is found. attribute: the constant in each file; group: the entry points of other packages."""

    noun: str
    kind: type[Noun]
    attribute: str
    package: str
    group: str


TASKS = Door(noun="task", kind=Task, attribute="TASK", package="clipkstar_tasks", group="clipkstar.tasks")
FAMILIES = Door(
    noun="encoder family", kind=Family, attribute="FAMILY", package="clipkstar.encoders", group="clipkstar.encoders"
)
METRICS = Door(noun="metric", kind=Metric, attribute="METRIC", package="clipkstar.metrics", group="clipkstar.metrics")


def list_own(door: Door[Noun]) -> list[Noun]:
    """Every noun of this project's own files, by name."""
    return [_own(door, name) for name in own_names(door)]


def own_names(door: Door[Noun]) -> list[str]:
    """File names without `.py` in the door's package, sorted; nothing is imported."""
    spec = importlib.util.find_spec(door.package)
    folders = spec.submodule_search_locations if spec else None
    return sorted(path.stem for folder in folders or () for path in _entry_files(Path(folder)))


@cache
def strangers(door: Door[Noun]) -> dict[str, EntryPoint]:
    """Entry points of other packages, by name; nothing is imported. Raises InputError if a name is there twice."""
    from importlib.metadata import entry_points

    installed: list[EntryPoint] = [*entry_points(group=door.group)]
    refuse_duplicates(door, [*own_names(door), *(entry.name for entry in installed)])
    return {entry.name: entry for entry in installed}


def is_known(door: Door[Noun], name: str) -> bool:
    """Whether a noun of this project or of an installed package has the name; nothing is imported."""
    return name in own_names(door) or name in strangers(door)


def find(door: Door[Noun], wanted: str) -> list[Noun]:
    """Return the noun of that name, of that file, or all of that folder; raises InputError with the nearest names."""
    return find_all(door, [wanted])


def find_all(door: Door[Noun], wanted: Iterable[str]) -> list[Noun]:
    """Return the nouns of several names, files or folders, each once; two different ones of equal name are an error."""
    places = dict.fromkeys(place for name in wanted for place in _places(door, name))
    found = [_from_file(door, place) if isinstance(place, Path) else _by_name(door, place) for place in places]
    refuse_duplicates(door, [noun.name for noun in found])
    return found


def _places(door: Door[Noun], wanted: str) -> list[str | Path]:
    """Return what is meant: a known name, or the files of a path; no code of theirs is run."""
    path: Path = Path(wanted)
    if len(path.name) > LONGEST_NAME:
        raise InputError(f"the {door.noun} name '{wanted[:40]}…' is longer than a file's name can be; shorten it.")
    if is_known(door, wanted):
        return [wanted]
    if path.suffix == ".py" and path.is_file():
        return [path.parent.resolve() / path.name]
    if wanted.strip() and path.is_dir():
        files: list[str | Path] = [*_entry_files(path.resolve())]
        if not files:
            raise InputError(f"the folder '{wanted}' holds no {door.noun} file; name a folder of .py files.")
        return files
    if path.suffix == ".py" or "/" in wanted:
        raise InputError(f"there is no {door.noun} file or folder '{wanted}'; check the path.")
    known = [*own_names(door), *strangers(door)]
    raise UnknownNameError(door.noun, wanted, known, lister=f"clipkstar {door.noun}s" if door is not FAMILIES else "")


def _by_name(door: Door[Noun], name: str) -> Noun:
    if name in own_names(door):
        return _own(door, name)
    entry = strangers(door)[name]
    where = f"the entry point '{name}' ({entry.value})"
    try:
        noun = entry.load()
    except (Exception, SystemExit) as error:  # another package's code: whatever it raises is said in one sentence
        raise InputError(f"{where} cannot be imported ({_reason(error)}); repair or remove its package.") from error
    return _named(door, _checked(door, noun, where), name, where)


def _entry_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def _own(door: Door[Noun], name: str) -> Noun:
    module = importlib.import_module(f"{door.package}.{name}")
    return _named(door, _attribute(door, module, f"{name}.py"), name, f"{name}.py")


def _from_file(door: Door[Noun], path: Path) -> Noun:
    spec = importlib.util.spec_from_file_location(f"clipkstar_path_{door.noun}_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} cannot be imported as Python; it needs to be a module that holds {door.attribute}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the file is the user's: whatever it raises is said in one sentence
        raise InputError(f"{path} cannot be imported ({_reason(error)}); correct the file.") from error
    noun = _named(door, _attribute(door, module, str(path)), path.stem, str(path))
    refuse_duplicates(door, [*own_names(door), *strangers(door), noun.name])
    return noun


def _reason(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _attribute(door: Door[Noun], module: ModuleType, where: str) -> Noun:
    return _checked(door, getattr(module, door.attribute, None), where)


def _checked(door: Door[Noun], noun: object, where: str) -> Noun:
    if not isinstance(noun, door.kind):
        raise InputError(f"{where} holds no {door.attribute} made by clipkstar's {door.kind.__name__}; add one.")
    return noun


def _named(door: Door[Noun], noun: Noun, name: str, where: str) -> Noun:
    if noun.name != name:
        raise InputError(f"{where} holds {door.attribute} named '{noun.name}'; both names must be the same.")
    return noun


def refuse_duplicates(door: Door[Noun], names: Iterable[str]) -> None:
    """Raise InputError if a name is there twice."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(f"there are two different {door.noun} entries named '{repeated[0]}'; rename one.")
