"""Open a task: its labels and words at once, its image bytes on demand."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from clipkstar.data.openings import Asked, Opening, remember_opening, states_before
from clipkstar.data.row_checks import check_revision, count_problem, label_problem, single_class_problem
from clipkstar.data.shards import open_stream
from clipkstar.data.source import Source
from clipkstar.data.tables import open_table
from clipkstar.data.words import PromptChoice, Wording, word
from clipkstar.errors import InputError
from clipkstar.stratified_sample import stratified_sample
from clipkstar.task import Task

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Rows:
    """An opened task.

    words: class names and prompts. labels: (n_images,) int64. row_numbers: (n_images,) int64, ascending, in the whole
        data set.
    subgroups: (n_images,) int64, the part of the population that each image comes from; None = not known.
    limit: the size of the sample asked for; None = all images.
    fingerprint: hex digest of images, labels, order, class names, prompts and limit.
    images_digest: hex digest of row numbers and image bytes alone, which decide pixels and image embeddings.
    seconds: wall-clock time of opening and fingerprinting.
    revision: resolved commit of a hub repository; None for local files.
    notices: sentences for the reader, such as class names that occur twice.
    """

    task: Task
    words: Wording
    labels: NDArray[np.int64]
    row_numbers: NDArray[np.int64]
    subgroups: NDArray[np.int64] | None
    limit: int | None
    fingerprint: str
    images_digest: str
    seconds: float
    revision: str | None
    notices: tuple[str, ...]
    _source: Source

    @property
    def n_images(self) -> int:
        """Number of images to evaluate."""
        return len(self.labels)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each class, in label order."""
        return self.words.class_names

    @property
    def opening(self) -> Opening:
        """What is known of the task without its rows."""
        return Opening(
            fingerprint=self.fingerprint,
            images_digest=self.images_digest,
            n_images=self.n_images,
            n_classes=len(self.class_names),
            revision=self.revision,
        )

    @property
    def named_files(self) -> tuple[Path, ...]:
        """Image files of this machine that the rows name, instead of holding the images."""
        return self._source.named_files

    def where(self, position: int) -> str:
        """Name one image in an error message."""
        return f"task '{self.task.name}': row {int(self.row_numbers[position])}"

    def image_bytes(self, positions: Sequence[int]) -> list[bytes]:
        """Encoded images at ascending positions; raises InputError for a row without one."""
        import numpy as np

        return list(self._source.images(self.row_numbers[np.asarray(positions, dtype=np.int64)]))

    def image_batches(self, size: int) -> Iterator[list[bytes]]:
        """Yield all encoded images in row order, `size` at a time, each read once."""
        images = self._source.images(self.row_numbers)
        while batch := list(islice(images, size)):
            yield batch


def open_rows(
    task: Task,
    *,
    limit: int | None = None,
    revision: str | None = None,
    prompts: PromptChoice | None = None,
    stream: bool = False,
) -> Rows:
    """Open a task's data set and check it against what the task says.

    limit: evaluate a seeded, class-stratified sample of that many images. revision: overrides the task's own.
    prompts: what the user gave instead of the task's own words. stream: keep one shard at a time on this machine's disk
    instead of the whole data set.
    Raises InputError for missing columns, no image, a wrong number of images or classes, labels outside the class
    names, blank class names, one class only; UnreachableError where the data set is neither cached nor reachable.
    """
    import numpy as np

    if limit is not None and limit < 1:
        raise InputError(f"the limit of task '{task.name}' is {limit}; it needs at least 1.")
    check_revision(task, revision)
    started = time.perf_counter()
    asked = Asked(task=task, limit=limit, revision=revision, prompts=prompts or PromptChoice(), stream=stream)
    before = states_before(asked)
    source = open_stream(task, revision) if stream else open_table(task, revision)
    _refuse(count_problem(task, len(source.labels)))
    words = word(task, asked.prompts, label_names=source.label_names, folder=source.folder)
    labels, subgroups = source.labels, source.subgroups
    _refuse(label_problem(task, labels, len(words.class_names)))
    if limit is not None and limit < len(labels):
        row_numbers = stratified_sample(labels, limit)
        labels = labels[row_numbers]
        subgroups = None if subgroups is None else subgroups[row_numbers]
    else:
        row_numbers, limit = np.arange(len(labels)), None
    _refuse(single_class_problem(task, labels, limit))
    fingerprint, images_digest = _digests(words, labels, row_numbers, source)
    opened = Rows(
        task=task,
        words=words,
        labels=labels,
        row_numbers=row_numbers,
        subgroups=subgroups,
        limit=limit,
        fingerprint=fingerprint,
        images_digest=images_digest,
        seconds=time.perf_counter() - started,
        revision=source.revision,
        notices=(*_repeated(task, words), *_without_image(task, words, source)),
        _source=source,
    )
    remember_opening(asked, opened.opening, before=before, named=source.named_files)
    return opened


def _refuse(problem: str | None) -> None:
    if problem is not None:
        raise InputError(problem)


def _repeated(task: Task, words: Wording) -> tuple[str, ...]:
    names = words.class_names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if not repeated:
        return ()
    return (
        f"task '{task.name}': the class names {', '.join(map(repr, repeated))} occur more than once; "
        "their classes tie and the first one wins.",
    )


def _without_image(task: Task, words: Wording, source: Source) -> tuple[str, ...]:
    import numpy as np

    counts = np.bincount(source.labels, minlength=len(words.class_names))
    empty = [name for name, count in zip(words.class_names, counts, strict=True) if count == 0]
    if not empty:
        return ()
    return (
        f"task '{task.name}': {len(empty)} of {len(words.class_names)} classes have no image, '{empty[0]}' the first; "
        "are the class names those of this data set?",
    )


def _digests(
    words: Wording, labels: NDArray[np.int64], row_numbers: NDArray[np.int64], source: Source
) -> tuple[str, str]:
    """Return fingerprint and images_digest as in Rows; where the source knows no hashes, every image is read once."""
    if source.digests is not None:
        images = source.digests[row_numbers].tobytes()
    else:
        images = b"".join(hashlib.sha256(content).digest() for content in source.images(row_numbers))
    all_of_it = hashlib.sha256(repr((words.class_names, words.templates or words.prompts)).encode())
    all_of_it.update(row_numbers.tobytes() + labels.tobytes())
    if source.subgroups is not None:
        all_of_it.update(source.subgroups[row_numbers].tobytes())
    all_of_it.update(images)
    return all_of_it.hexdigest(), hashlib.sha256(row_numbers.tobytes() + images).hexdigest()
