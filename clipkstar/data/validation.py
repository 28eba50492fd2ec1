"""What a task's data set is like, and what would be wrong with an evaluation on it."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.data.row_checks import check_revision, count_problem, label_problem, single_class_problem
from clipkstar.data.tables import open_table
from clipkstar.data.word_checks import WordFindings, check_words
from clipkstar.errors import InputError, UnreachableError
from clipkstar.pixels import decode

if TYPE_CHECKING:
    from clipkstar.data.source import Source
    from clipkstar.task import Task

MOST_NAMED = 5
"""Cases of one kind that a sentence names; the record has all."""


@dataclass(frozen=True, kw_only=True)
class ClassSize:
    """One class. name: None = no class name for this label."""

    label: int
    name: str | None
    n_images: int


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Rows whose images are the same file, byte for byte, and the distinct labels they have."""

    rows: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A row that cannot be evaluated, and why, in one sentence."""

    row: int
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """What a sample of pictures, evenly spaced over the rows, is like.

    n_images: decoded. sizes: "width×height" → pictures; modes: PIL's, as stored → pictures. faults: those that do not
    decode.
    """

    n_images: int
    sizes: Mapping[str, int]
    modes: Mapping[str, int]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What was found; None, and empty, where a problem kept it from being found.

    classes: in label order, those without an image included. without_image: rows that hold none. copies: files that
    several rows share. problems: what keeps the task from being evaluated; remarks: what the reader may want to mend.
    """

    task: str
    dataset: str
    revision: str | None = None
    n_images: int | None = None
    n_classes: int | None = None
    classes: tuple[ClassSize, ...] = ()
    words: WordFindings | None = None
    without_image: tuple[Fault, ...] = ()
    decoded: Decoded | None = None
    copies: tuple[Copies, ...] = ()
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def validate(task: Task, *, sample: int = 64, revision: str | None = None) -> Validation:
    """Open a task's data set, read every image, decode a sample, and collect what is wrong.

    sample: pictures to decode. revision: overrides the task's own. Raises InputError for a sample below 1 and for a
    revision of local files, UnreachableError for data that are neither cached nor reachable; all else that is wrong is
    among the problems.
    """
    if sample < 1:
        raise InputError(f"the sample of task '{task.name}' to decode is {sample}; it needs at least 1.")
    check_revision(task, revision)
    try:
        source = open_table(task, revision)
    except UnreachableError:
        raise
    except InputError as error:
        return Validation(task=task.name, dataset=task.dataset.title, problems=(str(error),))
    words = check_words(task, label_names=source.label_names, folder=source.folder)
    classes = _class_sizes(source, words.class_names)
    without_image, decoded, copies = _look(task, source, sample)
    return Validation(
        task=task.name,
        dataset=task.dataset.title,
        revision=source.revision,
        n_images=len(source.labels),
        n_classes=len(words.class_names) or None,
        classes=classes,
        words=words,
        without_image=without_image,
        decoded=decoded,
        copies=copies,
        problems=(*_row_problems(task, source, words), *_faults(without_image), *_faults(decoded.faults)),
        remarks=_remarks(words, classes, copies),
    )


def summary_row(validation: Validation) -> dict[str, str | int | None]:
    """Return the line of a table that says what one task is like."""
    sizes = [size.n_images for size in validation.classes]
    across = [copies for copies in validation.copies if len(copies.labels) > 1]
    decoded = validation.decoded
    return {
        "task": validation.task,
        "images": validation.n_images,
        "classes": validation.n_classes,
        "smallest class": min(sizes, default=None),
        "largest class": max(sizes, default=None),
        "prompts": validation.words.n_prompts if validation.words else None,
        "decoded": None if decoded is None else f"{decoded.n_images} of {decoded.n_images + len(decoded.faults)}",
        "copies": len(validation.copies) - len(across),
        "copies across classes": len(across),
        "problems": len(validation.problems),
    }


def class_rows(validation: Validation) -> list[dict[str, str | int | None]]:
    """Return the lines of a table of one task's classes, largest first."""
    ordered = sorted(validation.classes, key=lambda size: -size.n_images)
    return [{"class": size.label, "name": size.name, "images": size.n_images} for size in ordered]


def _row_problems(task: Task, source: Source, words: WordFindings) -> tuple[str, ...]:
    names = words.class_names
    found = [
        count_problem(task, len(source.labels)),
        *words.problems,
        label_problem(task, source.labels, len(names)) if names else None,
        single_class_problem(task, source.labels, None),
    ]
    return tuple(problem for problem in found if problem is not None)


def _class_sizes(source: Source, names: Sequence[str]) -> tuple[ClassSize, ...]:
    counts = Counter(source.labels.tolist())
    return tuple(
        ClassSize(label=label, name=names[label] if 0 <= label < len(names) else None, n_images=counts[label])
        for label in sorted({*counts, *range(len(names))})
    )


def _look(task: Task, source: Source, sample: int) -> tuple[tuple[Fault, ...], Decoded, tuple[Copies, ...]]:
    """Read every image once."""
    import numpy as np

    n_images = len(source.labels)
    to_decode = set(np.linspace(0, n_images - 1, min(sample, n_images)).astype(np.int64).tolist())
    without_image, undecodable = [], []
    pictures: list[tuple[str, str]] = []
    rows_of: dict[bytes, list[int]] = {}
    for row, image in _images(source):
        if isinstance(image, InputError):
            without_image.append(Fault(row=row, sentence=str(image)))
            continue
        rows_of.setdefault(hashlib.sha256(image).digest(), []).append(row)
        if row in to_decode:
            try:
                pictures.append(_size_and_mode(image, where=f"task '{task.name}': row {row}"))
            except InputError as error:
                undecodable.append(Fault(row=row, sentence=str(error)))
    decoded = Decoded(
        n_images=len(pictures),
        sizes=dict(Counter(size for size, _ in pictures).most_common()),
        modes=dict(Counter(mode for _, mode in pictures).most_common()),
        faults=tuple(undecodable),
    )
    copies = [
        Copies(rows=tuple(rows), labels=tuple(sorted({int(source.labels[row]) for row in rows})))
        for rows in rows_of.values()
        if len(rows) > 1
    ]
    return tuple(without_image), decoded, tuple(copies)


def _images(source: Source) -> Iterator[tuple[int, bytes | InputError]]:
    """Yield every row with its encoded image, or with why it has none."""
    import numpy as np

    row, n_images = 0, len(source.labels)
    while row < n_images:
        try:
            for image in source.images(np.arange(row, n_images)):
                yield row, image
                row += 1
        except InputError as error:
            yield row, error
            row += 1


def _size_and_mode(image: bytes, *, where: str) -> tuple[str, str]:
    """Return the size of a picture and the mode it is stored in; InputError if it does not decode in full."""
    from PIL import Image

    picture = decode(image, where=where)
    with Image.open(io.BytesIO(image)) as stored:
        return f"{picture.width}×{picture.height}", stored.mode


def _faults(faults: Sequence[Fault]) -> Iterator[str]:
    yield from (fault.sentence for fault in faults[:MOST_NAMED])
    if len(faults) > MOST_NAMED:
        rows = ", ".join(str(fault.row) for fault in faults[MOST_NAMED : 2 * MOST_NAMED])
        more = len(faults) - MOST_NAMED
        yield f"more rows with such a fault: {more} ({rows}{', …' if more > MOST_NAMED else ''})."


def _remarks(words: WordFindings, classes: Sequence[ClassSize], copies: Sequence[Copies]) -> tuple[str, ...]:
    found: list[str] = []
    empty = [f"'{size.name}'" for size in classes if size.n_images == 0]
    if empty:
        found.append(f"{len(empty)} of {len(classes)} classes have no image: {_some(empty)}.")
    if words.repeated_names:
        repeated = _some([f"'{name}'" for name in words.repeated_names])
        found.append(f"class names that occur more than once: {repeated}; their classes tie and the first one wins.")
    found += [*words.odd_names[:MOST_NAMED], *words.odd_templates[:MOST_NAMED]]
    if len(words.odd_names) > MOST_NAMED:
        found.append(f"more class names that are odd in such a way: {len(words.odd_names) - MOST_NAMED}.")
    return (*found, *_copy_remarks(copies, {size.label: size.name for size in classes}))


def _copy_remarks(copies: Sequence[Copies], name_of: Mapping[int, str | None]) -> Iterator[str]:
    """One sentence for each of the first images that several classes share, one for all that one class repeats."""
    across = [same for same in copies if len(same.labels) > 1]
    for same in across[:MOST_NAMED]:
        names = " and ".join(f"'{name_of[label] or label}'" for label in same.labels)
        rows = ", ".join(map(str, same.rows[:MOST_NAMED])) + (", …" if len(same.rows) > MOST_NAMED else "")
        yield f"rows {rows} are one file in the classes {names}; no encoder can tell them apart."
    if len(across) > MOST_NAMED:
        yield f"more files that stand in several classes: {len(across) - MOST_NAMED}."
    within = [f"{same.rows[0]} = {same.rows[1]}" for same in copies if len(same.labels) == 1]
    if within:
        yield f"files that stand in one class more than once: {len(within)} (rows {_some(within)}); this flatters k*."


def _some(cases: Sequence[str]) -> str:
    return ", ".join(cases[:MOST_NAMED]) + (f" and {len(cases) - MOST_NAMED} more" if len(cases) > MOST_NAMED else "")
