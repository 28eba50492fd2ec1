"""A task's data set as one table of Hugging Face `datasets`, with undecoded images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar import hub
from clipkstar.data.image_folder import open_image_folder
from clipkstar.data.shard_files import UNREADABLE, check_whole, unreadable
from clipkstar.data.source import Source, encoded_image, label_numbers, natural_order, pick_columns, subgroup_numbers
from clipkstar.data.words import repository_files
from clipkstar.errors import InputError
from clipkstar.task import HubDataset, Task

if TYPE_CHECKING:
    import datasets
    import numpy as np
    from numpy.typing import NDArray

SUFFIX_BUILDERS = {".parquet": "parquet", ".tar": "webdataset", ".arrow": "arrow"}

ROWS_AT_ONCE = 256
"""Rows that are read from the table together."""


def open_table(task: Task, revision: str | None) -> Source:
    """Open a task's data set; a repository of the hub is downloaded where it is not cached.

    revision: overrides the task's own. Raises InputError for what cannot be read, UnreachableError for what is neither
    cached nor reachable.
    """
    import datasets

    datasets.disable_progress_bars()
    dataset, folder = task.dataset, None
    if not dataset.is_local:
        patterns = None if dataset.data_files is None else [dataset.data_files, *repository_files(task)]
        folder = hub.snapshot(
            dataset.path,
            revision=revision or dataset.revision,
            patterns=patterns,
            needed_by=f"task '{task.name}'",
        )
    files: list[Path] = []
    try:
        files = _files(task, folder)
        table = _load(task, folder, files)
    except (*UNREADABLE, datasets.exceptions.DatasetsError) as error:
        raise unreadable(task, files, error) from error
    if len(table) == 0:
        raise InputError(f"task '{task.name}' has no images at all; check its data_files and split.")
    image_column, *others = pick_columns(task, table.column_names)
    if isinstance(table.features[image_column], datasets.Image):
        table = table.cast_column(image_column, datasets.Image(decode=False))
    images = table.select_columns([image_column])

    def read(row_numbers: NDArray[np.int64]) -> Iterator[bytes]:
        for start in range(0, len(row_numbers), ROWS_AT_ONCE):
            chosen = row_numbers[start : start + ROWS_AT_ONCE]
            for row, cell in zip(chosen, images[chosen][image_column], strict=True):
                yield encoded_image(task, cell, int(row))

    return Source(
        labels=label_numbers(task, table[others[0]][:], str(table.features[others[0]])),
        subgroups=subgroup_numbers(task, table[others[1]][:]) if task.subgroups else None,
        label_names=tuple(getattr(table.features[others[0]], "names", ())),
        folder=folder,
        revision=None if folder is None else folder.name,
        images=read,
        named_files=() if dataset.path == "imagefolder" else _named_files(images, image_column),
    )


def _named_files(images: datasets.Dataset, column: str) -> tuple[Path, ...]:
    """Files that a column of images names where it holds no bytes, each once."""
    import datasets

    if not isinstance(images.features[column], datasets.Image | dict):
        return ()
    cells = images.data.column(column)
    parts = dict(zip((field.name for field in cells.type), cells.flatten(), strict=True))
    if "path" not in parts:
        return ()
    paths = parts["path"].filter(parts["bytes"].is_null()) if "bytes" in parts else parts["path"]
    return tuple(Path(path) for path in dict.fromkeys(paths.to_pylist()) if path)


def _files(task: Task, folder: Path | None) -> list[Path]:
    """Files that hold a task's rows, in natural order; [] = what they are is left to `datasets`."""
    dataset = task.dataset
    if folder is None:
        return [] if dataset.path == "imagefolder" else local_files(dataset)
    if dataset.data_files is None:
        return []
    files = sorted(folder.glob(dataset.data_files), key=lambda file: natural_order(str(file)))
    if not files:
        raise FileNotFoundError(f"'{dataset.path}' has no file {dataset.data_files}")
    for file in files:
        hub.check_cached(file, f"file '{file.name}' of task '{task.name}'")
    return files


def _load(task: Task, folder: Path | None, files: Sequence[Path]) -> datasets.Dataset:
    import datasets

    dataset = task.dataset
    if folder is not None and not files:
        return datasets.load_dataset(str(folder), split=dataset.split)
    if folder is None and not files:
        return open_image_folder(Path(dataset.data_files or ""))
    builder = dataset.path if folder is None else SUFFIX_BUILDERS.get(files[0].suffix)
    if builder is None:
        raise ValueError(f"{files[0].suffix} files cannot be read; it needs one of {', '.join(SUFFIX_BUILDERS)}.")
    if builder == "webdataset":
        for file in files:
            check_whole(task, file)
    paths = [escape(str(file)) for file in files]  # `datasets` takes every path for a glob
    try:
        return datasets.load_dataset(builder, data_files=paths, split="train")
    except datasets.exceptions.DatasetsError:
        raise
    except (OSError, ValueError):  # the table that was made of the files before is damaged, or the files are
        return datasets.load_dataset(builder, data_files=paths, split="train", download_mode="force_redownload")


def local_files(dataset: HubDataset) -> list[Path]:
    """Files of this machine that a data set names, in natural order; FileNotFoundError if there are none."""
    pattern = Path(dataset.data_files or "")
    if pattern.is_file():
        return [pattern]
    found = Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
    files = sorted(found, key=lambda file: natural_order(str(file)))
    if not files:
        raise FileNotFoundError(f"there is no file {dataset.data_files}")
    return files
