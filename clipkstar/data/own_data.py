"""A task without a task file: from a folder of pictures, a set of data files, or a repository of the hub.

What it is told by    its classes are
a folder              the subfolders, in the order of their names; named by them, or by a names file that maps them
FILE or GLOB of       what the label column calls them, or the lines of classnames.txt beside the files
  .parquet .tar .arrow
hub:org/name[/GLOB]   what the label column calls them, or for .tar the lines of the repository's classnames.txt
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from glob import has_magic
from os.path import commonpath
from pathlib import Path, PurePath

from clipkstar.data.class_name_files import WORDNET_ID, class_names_of, read_class_names
from clipkstar.data.image_folder import content, images_by_class, is_image
from clipkstar.data.source import natural_order
from clipkstar.data.tables import SUFFIX_BUILDERS
from clipkstar.data.text_lines import read_lines
from clipkstar.errors import InputError
from clipkstar.task import HubDataset, RepositoryFile, Task

HUB = re.compile(r"hub:([\w.-]+/[\w.-]+)(?:/(.+))?")

SHARD_COLUMNS: tuple[tuple[str, ...], str] = (("webp", "png", "jpg", "jpeg"), "cls")
"""Image and label members of webdataset shards, as CLIP_benchmark writes them."""

NAME_FILES = ("classnames.txt", "classnames.json")
TEMPLATE_FILE = "zeroshot_classification_templates.txt"
"""Names of CLIP_benchmark's repositories, but for the .json."""

DEFAULT_TEMPLATES = ("a photo of a {}.",)


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the user says about own data; None = the usual: image and label (shards: webp, png, jpg or jpeg, and cls).

    split: of a hub repository, "test" unless said otherwise.
    """

    image: str | None = None
    label: str | None = None
    split: str | None = None


def task_from(wanted: str, columns: Columns) -> Task | None:
    """Return the task of a folder, of data files, or of a hub repository; None where `wanted` is none of these.

    A folder of task files is none of them, and the names of known tasks are for the caller to try first. Reads names
    files and lists folders; opens no image and asks no network. Raises InputError for what is one of these and unfit.
    """
    if wanted.startswith("hub:"):
        return _of_repository(wanted, columns)
    try:
        path = Path(wanted).expanduser()
        if wanted.strip() and path.is_dir():
            return None if _holds_tasks_only(path) else _of_folder(path.resolve(), columns)
        is_file = path.is_file()
    except (OSError, RuntimeError):  # a name that no file can have, a home that nobody has
        return None
    if path.suffix == ".py":
        return None
    if is_file or path.suffix in SUFFIX_BUILDERS or (has_magic(wanted) and "/" in wanted):
        return _of_files(path, columns)
    return None


def _holds_tasks_only(folder: Path) -> bool:
    """Whether a folder holds task files; raises InputError if there are pictures, too, in it or in its subfolders."""
    tasks = sorted(folder.glob("[!_.]*.py"))
    if not tasks:
        return False
    places = [folder, *(entry for entry in content(folder) if entry.is_dir() and not entry.name.startswith("_"))]
    image = next((entry for place in places for entry in content(place) if is_image(entry)), None)
    if image is not None:
        raise InputError(
            f"the folder '{folder}' holds a task file, '{tasks[0].name}', and an image, "
            f"'{image.relative_to(folder)}'; name the .py files, or keep the images apart from them."
        )
    return True


def _of_folder(folder: Path, columns: Columns) -> Task:
    _refuse(f"the folder '{folder}'", {"--image-column": columns.image, "--label-column": columns.label})
    _refuse(f"the folder '{folder}'", {"--split": columns.split})
    entries = content(folder)
    if not entries:
        raise InputError(f"the folder '{folder}' is empty; it needs one subfolder of images for each class.")
    data = _data_file(entries)
    if data is not None:
        raise InputError(
            f"the folder '{folder}' holds the data file '{data.relative_to(folder)}'; name such files themselves, as "
            f"in --task '{data.with_name('*' + data.suffix)}'."
        )
    subfolders = tuple(images_by_class(folder))
    if not subfolders:
        raise InputError(
            f"the folder '{folder}' has no subfolders; it needs one of images for each class, or task files (.py)."
        )
    names_file = _nearest([folder, folder.parent], NAME_FILES)
    templates_file = _nearest([folder, folder.parent], (TEMPLATE_FILE,))
    return Task(
        name=folder.name,
        summary=f"images in {len(subfolders)} subfolders" + (f", named by {names_file.name}" if names_file else ""),
        dataset=HubDataset(path="imagefolder", data_files=str(folder), split="all"),
        class_names=_names_of_subfolders(subfolders, names_file),
        templates=_templates(templates_file),
    )


def _data_file(entries: list[Path]) -> Path | None:
    """Return a data file among what a folder holds, or in its subfolders where it has some."""
    places = [content(entry) for entry in entries if entry.is_dir()] or [entries]
    return next((file for place in places for file in place if file.suffix in SUFFIX_BUILDERS), None)


def _names_of_subfolders(subfolders: tuple[str, ...], names_file: Path | None) -> tuple[str, ...]:
    """Return class names in the order of the subfolders; () where these are bare WordNet ids."""
    if names_file is None:
        if all(WORDNET_ID.fullmatch(name) for name in subfolders):
            return ()
        return tuple(name.replace("_", " ") for name in subfolders)
    if isinstance(read_class_names(names_file), tuple):
        raise InputError(
            f"'{names_file}' lists class names without saying whose; each line needs a subfolder, a tab and its class "
            "name."
        )
    return class_names_of(names_file, subfolders)


def _of_files(path: Path, columns: Columns) -> Task:
    _refuse(f"'{path}'", {"--split": columns.split})
    files = _matches(path)
    suffixes = sorted({file.suffix for file in files})
    if len(suffixes) > 1:
        raise InputError(f"'{path}' matches files of several kinds, {' and '.join(suffixes)}; name those of one kind.")
    if suffixes[0] not in SUFFIX_BUILDERS:
        raise InputError(
            f"the file '{files[0]}' is no data that can be read; --task needs {', '.join(SUFFIX_BUILDERS)} files, a "
            "folder of class subfolders, or a task."
        )
    folder = Path(commonpath([file.resolve().parent for file in files]))
    is_split = folder.name == "test"
    places = [folder, folder.parent] if is_split else [folder]
    names_file = _nearest(places, NAME_FILES)
    image_column, label_column = _columns(suffixes[0], columns)
    return Task(
        name=path.stem if path.is_file() else folder.parent.name if is_split else folder.name,
        summary=f"{len(files)} {suffixes[0]} file{'s' * (len(files) > 1)}",
        dataset=HubDataset(path=SUFFIX_BUILDERS[suffixes[0]], data_files=str(path), split="all"),
        image_column=image_column,
        label_column=label_column,
        class_names=None if names_file is None else class_names_of(names_file, ()),
        templates=_templates(_nearest(places, (TEMPLATE_FILE,))),
    )


def _matches(path: Path) -> list[Path]:
    """Return the files of a path or of a glob, in natural order."""
    if path.is_file():
        return [path]
    if not has_magic(str(path)):
        raise InputError(f"there is no file '{path}'; check the path.")
    found = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    files = sorted(found, key=lambda file: natural_order(str(file)))
    if not files:
        raise InputError(f"no file matches '{path}'; check the path, and quote it so that the shell leaves it alone.")
    return files


def _of_repository(wanted: str, columns: Columns) -> Task:
    parts = HUB.fullmatch(wanted)
    if parts is None:
        raise InputError(
            f"'{wanted}' names no repository of the hub; it needs hub:org/name, or hub:org/name/FILES such as "
            "hub:org/name/test/*.tar."
        )
    repository, files = parts[1], parts[2]
    suffix = PurePath(files or "").suffix
    image_column, label_column = _columns(suffix, columns)
    is_webdataset = suffix == ".tar"  # whose labels have no names of their own
    return Task(
        name=repository.replace("/", "--"),
        summary=f"{repository} on the hub",
        dataset=HubDataset(path=repository, data_files=files, split=columns.split or "test"),
        image_column=image_column,
        label_column=label_column,
        class_names=RepositoryFile(path=NAME_FILES[0]) if is_webdataset else None,
        templates=RepositoryFile(path=TEMPLATE_FILE) if is_webdataset else DEFAULT_TEMPLATES,
    )


def _columns(suffix: str, columns: Columns) -> tuple[str | tuple[str, ...], str]:
    image, label = SHARD_COLUMNS if suffix == ".tar" else ("image", "label")
    return columns.image or image, columns.label or label


def _refuse(whose: str, options: Mapping[str, str | None]) -> None:
    given = [option for option, value in options.items() if value is not None]
    if given:
        what = "is the split itself" if given == ["--split"] else "has no columns"
        raise InputError(f"{whose} {what}; leave {' and '.join(given)} out.")


def _nearest(places: list[Path], names: tuple[str, ...]) -> Path | None:
    """Return the file of one of these names in the first place that has one; InputError where a place has two."""
    for place in places:
        found = [place / name for name in names if (place / name).is_file()]
        if len(found) > 1:
            raise InputError(f"both '{found[0]}' and '{found[1].name}' beside it name the classes; remove one.")
        if found:
            return found[0]
    return None


def _templates(file: Path | None) -> tuple[str, ...]:
    if file is None:
        return DEFAULT_TEMPLATES
    return read_lines(file, "templates")
