"""Open a task: its labels and class names at once, its image bytes on demand."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.errors import InputError, UnreachableError
from clipkstar.prompts import distinct_prompts
from clipkstar.task import HubDataset, Task

if TYPE_CHECKING:
    import datasets
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_SEED = 0
"""Seed of the stratified sample of `--limit`, so that every encoder sees the same images."""

SUFFIX_BUILDERS = {".parquet": "parquet", ".tar": "webdataset", ".arrow": "arrow"}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """An opened task.

    labels: (n_images,) int64. row_numbers: (n_images,) int64, ascending, in the whole data set.
    limit: the size of the sample asked for; None = all images.
    fingerprint: hex digest of images, labels, order, class names, prompts and limit.
    seconds: wall-clock time of opening and fingerprinting.
    revision: resolved commit of a hub repository; None for local files.
    notices: sentences for the reader, such as class names that occur twice.
    """

    task: Task
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    row_numbers: NDArray[np.int64]
    limit: int | None
    fingerprint: str
    seconds: float
    revision: str | None
    notices: tuple[str, ...]
    _table: datasets.Dataset

    @property
    def n_images(self) -> int:
        """Number of images to evaluate."""
        return len(self.labels)

    def where(self, position: int) -> str:
        """Name one image in an error message."""
        return f"task '{self.task.name}': row {int(self.row_numbers[position])}"

    def image_bytes(self, positions: Sequence[int]) -> list[bytes]:
        """Encoded images at the positions; raises InputError for a row without one."""
        return _image_bytes(self.task, self._table, self.row_numbers, positions)


def open_rows(task: Task, *, limit: int | None = None, revision: str | None = None) -> Rows:
    """Open a task's data set and check it against what the task says.

    limit: evaluate a seeded, class-stratified sample of that many images. revision: overrides the task's own.
    Raises InputError for missing columns, no image, a wrong number of images, labels outside the class names, blank
    class names, one class only; UnreachableError where the data set is neither cached nor reachable.
    """
    import numpy as np

    if limit is not None and limit < 1:
        raise InputError(f"the limit of task '{task.name}' is {limit}; it needs at least 1.")
    if revision is not None and task.dataset.is_local:
        raise InputError(f"task '{task.name}' reads local files, which have no revision; leave --revision out.")
    started = time.perf_counter()
    table, resolved = _load(task, revision)
    if task.image_column == task.label_column:
        raise InputError(
            f"task '{task.name}' names one column, '{task.image_column}', for image and label; it has two."
        )
    for column in (task.image_column, task.label_column):
        if column not in table.column_names:
            raise InputError(
                f"task '{task.name}' names the column '{column}', its data set has {', '.join(table.column_names)}; "
                "correct image_column or label_column."
            )
    if task.n_images is not None and len(table) != task.n_images:
        raise InputError(
            f"task '{task.name}' should have {task.n_images} images, its data set has {len(table)}; "
            "this is another split or copy of the data."
        )
    table = table.select_columns([task.image_column, task.label_column])
    labels = _labels(task, table)
    class_names, notices = _class_names(task, table, labels)
    distinct_prompts(class_names, task.templates)  # says now what would be wrong with the templates
    if limit is not None and limit < len(labels):
        row_numbers = stratified_sample(labels, limit)
        table, labels = table.select(row_numbers), labels[row_numbers]
    else:
        row_numbers, limit = np.arange(len(labels)), None
    if (labels == labels[0]).all():
        cause = "has" if limit is None else f"has, in a sample of {limit},"
        raise InputError(f"task '{task.name}' {cause} images of one class only; it needs at least two classes.")
    fingerprint = _fingerprint(task, class_names, labels, table, row_numbers)
    return Rows(
        task=task,
        class_names=class_names,
        labels=labels,
        row_numbers=row_numbers,
        limit=limit,
        fingerprint=fingerprint,
        seconds=time.perf_counter() - started,
        revision=resolved,
        notices=notices,
        _table=table,
    )


def stratified_sample(labels: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Ascending positions of a seeded sample of `size` images in which every class keeps its share.

    Shares are rounded down and the images still missing go to the largest remainders, first class first.
    """
    import numpy as np

    counts = np.bincount(labels)
    exact = counts * (size / len(labels))
    quota = np.floor(exact).astype(np.int64)
    missing = size - int(quota.sum())
    quota[np.argsort(quota - exact, kind="stable")[:missing]] += 1
    shuffled = np.random.default_rng(SAMPLE_SEED).permutation(len(labels))
    chosen = [shuffled[labels[shuffled] == label][:n] for label, n in enumerate(quota)]
    return np.sort(np.concatenate(chosen))


def _load(task: Task, revision: str | None) -> tuple[datasets.Dataset, str | None]:
    """Return the table with undecoded images, and the resolved commit."""
    import datasets

    datasets.disable_progress_bars()
    dataset, resolved = task.dataset, None
    empty = InputError(f"task '{task.name}' has no images at all; check its data_files and split.")
    try:
        if dataset.is_local:
            table = datasets.load_dataset(dataset.path, data_files=dataset.data_files, split="train")
        else:
            folder = _snapshot(task, revision)
            resolved = folder.name
            table = _load_snapshot(folder, dataset)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        if "corresponds to no data" in str(error):  # what `datasets` says of a file without rows
            raise empty from error
        raise InputError(
            f"task '{task.name}' cannot read its data ({_first_line(error)}); check its dataset and the files."
        ) from error
    if len(table) == 0:
        raise empty
    if isinstance(table.features.get(task.image_column), datasets.Image):
        table = table.cast_column(task.image_column, datasets.Image(decode=False))
    return table, resolved


def _snapshot(task: Task, revision: str | None) -> Path:
    """Download what is not cached of a hub repository; the folder is named after the resolved commit."""
    from huggingface_hub import errors, snapshot_download

    dataset = task.dataset
    try:
        return Path(
            snapshot_download(
                dataset.path,
                repo_type="dataset",
                revision=revision or dataset.revision,
                allow_patterns=dataset.data_files,
            )
        )
    except errors.RevisionNotFoundError as error:
        raise InputError(f"'{dataset.path}' has no revision '{revision or dataset.revision}'; correct it.") from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            f"the hub has no data set '{dataset.path}' for task '{task.name}', or it is private; "
            "correct the name or log in with 'hf auth login'."
        ) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, errors.HfHubHTTPError, OSError) as error:
        reason = "offline mode is on" if os.environ.get("HF_HUB_OFFLINE") else "no connection, or the hub refused it"
        raise UnreachableError(
            f"task '{task.name}' needs the data set '{dataset.path}', which is not cached and cannot be reached "
            f"({reason}); connect once."
        ) from error


def _load_snapshot(folder: Path, dataset: HubDataset) -> datasets.Dataset:
    import datasets

    if dataset.data_files is None:
        return datasets.load_dataset(str(folder), split=dataset.split)
    files = sorted(str(file) for file in folder.glob(dataset.data_files))
    if not files:
        raise FileNotFoundError(f"'{dataset.path}' has no file {dataset.data_files}.")
    suffix = Path(files[0]).suffix
    if suffix not in SUFFIX_BUILDERS:
        raise ValueError(f"{suffix} files cannot be read; it needs one of {', '.join(SUFFIX_BUILDERS)}.")
    return datasets.load_dataset(SUFFIX_BUILDERS[suffix], data_files=files, split="train")


def _labels(task: Task, table: datasets.Dataset) -> NDArray[np.int64]:
    import numpy as np

    given = table[task.label_column][:]
    if None in given:
        raise InputError(f"task '{task.name}': row {given.index(None)} has no label; repair or remove it.")
    try:
        labels = np.asarray(given)
    except ValueError:  # lists of different lengths
        labels = np.empty((0, 0))
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError(
            f"task '{task.name}' has labels of type {table.features[task.label_column]}; "
            "it needs one whole number per image, 0 for the first class."
        )
    return labels.astype(np.int64)


def _class_names(
    task: Task, table: datasets.Dataset, labels: NDArray[np.int64]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the checked class names, and what is to be said about them."""
    names = task.class_names or tuple(getattr(table.features[task.label_column], "names", ()))
    if not names:
        raise InputError(f"task '{task.name}' has no class names and its label column has none; give class_names.")
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"task '{task.name}' has the class names {task.class_names!r}; they need to be a tuple of strings, such as "
            "('cat', 'dog')."
        )
    if labels.min() < 0 or labels.max() >= len(names):
        raise InputError(
            f"task '{task.name}' has labels from {labels.min()} to {labels.max()} but {len(names)} class names; "
            "each label needs a name (0 is the first)."
        )
    blank = [index for index, name in enumerate(names) if not name.strip()]
    if blank:
        raise InputError(f"task '{task.name}' has a blank class name for label {blank[0]}; each class needs a name.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if not repeated:
        return names, ()
    return names, (
        f"task '{task.name}': the class names {', '.join(map(repr, repeated))} occur more than once; "
        "their classes tie and the first one wins.",
    )


def _image_bytes(
    task: Task, table: datasets.Dataset, row_numbers: NDArray[np.int64], positions: Sequence[int]
) -> list[bytes]:
    found = []
    for position, cell in zip(positions, table[list(positions)][task.image_column], strict=True):
        if isinstance(cell, bytes):
            found.append(cell)
            continue
        if not isinstance(cell, dict) or (cell.get("bytes") is None and not cell.get("path")):
            raise InputError(f"task '{task.name}': row {row_numbers[position]} holds no image; repair or remove it.")
        try:
            found.append(cell["bytes"] if cell.get("bytes") is not None else Path(cell["path"]).read_bytes())
        except OSError as error:
            raise InputError(
                f"task '{task.name}': row {row_numbers[position]} names the file '{cell['path']}', "
                "which cannot be read; restore it."
            ) from error
    return found


def _fingerprint(
    task: Task,
    class_names: tuple[str, ...],
    labels: NDArray[np.int64],
    table: datasets.Dataset,
    row_numbers: NDArray[np.int64],
) -> str:
    """Digest all that the embeddings and predictions of a task depend on; reads every image once."""
    digest = hashlib.sha256(repr((tuple(class_names), tuple(task.templates))).encode())
    digest.update(row_numbers.tobytes() + labels.tobytes())
    for start in range(0, len(labels), 256):
        for content in _image_bytes(task, table, row_numbers, range(start, min(start + 256, len(labels)))):
            digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or ['no reason given'])[0]}"
