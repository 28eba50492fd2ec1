"""What every way of reading a data set gives: labels at hand, images on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.task import Task


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set that was found.

    labels, subgroups: (n_images,) int64; subgroups None = the task names none.
    label_names: names of the label column's ClassLabel, () = it has none.
    folder: where the files of the task's repository lie; None for local data. revision: its resolved commit.
    images: row numbers (n,) int64, ascending → the encoded image of each, read as they are asked for; raises InputError
        for a row without one.
    digests: sha256 of every image, (n_images, 32) uint8, where they are known without reading the images.
    named_files: files outside the task's own that hold images, as its rows name them.
    """

    labels: NDArray[np.int64]
    subgroups: NDArray[np.int64] | None
    label_names: tuple[str, ...]
    folder: Path | None
    revision: str | None
    images: Callable[[NDArray[np.int64]], Iterator[bytes]]
    digests: NDArray[np.uint8] | None = None
    named_files: tuple[Path, ...] = ()


def pick_columns(task: Task, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a data set that a task uses: image, label, and subgroups where it has them.

    Raises InputError where one is not there, and where none or several of the alternatives for the image are.
    """
    alternatives = (task.image_column,) if isinstance(task.image_column, str) else task.image_column
    there = [column for column in alternatives if column in columns]
    found = ", ".join(column for column in columns if not column.startswith("__"))
    if len(there) != 1:
        wanted = " or ".join(f"'{column}'" for column in alternatives)
        what = f"has {found}" if not there else f"has {' and '.join(there)} of them"
        raise InputError(
            f"task '{task.name}' names the column {wanted}, its data set {what}; correct image_column or label_column."
        )
    others = [task.label_column] + ([task.subgroups.column] if task.subgroups else [])
    for column in others:
        if column not in columns:
            raise InputError(
                f"task '{task.name}' names the column '{column}', its data set has {found}; "
                "correct image_column or label_column."
            )
    if there[0] == task.label_column:
        raise InputError(f"task '{task.name}' names one column, '{there[0]}', for image and label; it has two.")
    return (there[0], *others)


def encoded_image(task: Task, cell: object, row: int) -> bytes:
    """Return the bytes of an image cell: bytes, or bytes or a file's path in a dict. InputError if there are none."""
    if isinstance(cell, bytes):
        return cell
    content = cell.get("bytes") if isinstance(cell, dict) else None
    if isinstance(content, bytes):
        return content
    path = named_file(cell)
    if path is None:
        raise InputError(f"task '{task.name}': row {row} holds no image; repair or remove it.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"task '{task.name}': row {row} names the file '{path}', which cannot be read; restore it."
        ) from error


def named_file(cell: object) -> Path | None:
    """Return the file that an image cell names instead of holding the image; None = it names none."""
    if not isinstance(cell, dict) or isinstance(cell.get("bytes"), bytes) or not cell.get("path"):
        return None
    return Path(str(cell["path"]))


def label_numbers(task: Task, cells: Sequence[object], label_type: str) -> NDArray[np.int64]:
    """Return the labels (n_images,) of a label column; raises InputError unless each is one whole number.

    label_type: of the column, for the message.
    """
    import numpy as np

    missing = next((row for row, cell in enumerate(cells) if cell is None), None)
    if missing is not None:
        raise InputError(f"task '{task.name}': row {missing} has no label; repair or remove it.")
    if isinstance(cells[0], list | tuple):
        raise InputError(
            f"task '{task.name}' has a list of labels for each image (column of type {label_type}); k* needs one class "
            "for each image, so data sets of several labels cannot be evaluated."
        )
    labels = np.asarray(cells)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError(
            f"task '{task.name}' has labels of type {label_type}; "
            "it needs one whole number per image, 0 for the first class."
        )
    return labels.astype(np.int64)


def subgroup_numbers(task: Task, cells: Sequence[object]) -> NDArray[np.int64]:
    """Return the subgroup (n_images,) of each image; raises InputError where a cell does not give a whole number."""
    import numpy as np

    if task.subgroups is None:
        raise TypeError("the task names no subgroups")
    try:
        found = np.asarray(cells)
        numbers = found if found.ndim == 1 else found.reshape(len(found), -1)[:, task.subgroups.index]
        whole = numbers.astype(np.int64)
        usable = bool((whole == numbers).all())
    except (ValueError, TypeError, IndexError):
        usable = False
    if not usable:
        raise InputError(
            f"task '{task.name}': the column '{task.subgroups.column}' does not give a {task.subgroups.meaning} for "
            f"each image; it needs a whole number, or an array with one at {task.subgroups.index}."
        )
    return whole


def natural_order(path: str) -> list[tuple[bool, int, str]]:
    """Key that sorts 2.tar before 10.tar."""
    import re

    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", path)]
