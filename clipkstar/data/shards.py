"""A task's data set read one shard at a time, for data that do not fit this machine's disk (`--stream`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from glob import escape
from itertools import pairwise
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from clipkstar import hub
from clipkstar.caching import arrays as cache
from clipkstar.data.shard_files import UNREADABLE, check_whole, unreadable
from clipkstar.data.source import (
    Source,
    encoded_image,
    label_numbers,
    named_file,
    natural_order,
    pick_columns,
    subgroup_numbers,
)
from clipkstar.data.tables import SUFFIX_BUILDERS, local_files
from clipkstar.data.words import repository_files
from clipkstar.errors import InputError
from clipkstar.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Shard = Callable[[], AbstractContextManager[Path]]
"""Within the context the shard is a file of this machine."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """What one pass over a data set finds. labels, subgroups: (n_images,) int64. digests: (n_images, 32) uint8 sha256.

    n_images: of each shard. label_names: of the label column's ClassLabel, () = it has none. named_files: as in Source,
        known after the pass itself only.
    """

    labels: NDArray[np.int64]
    subgroups: NDArray[np.int64] | None
    digests: NDArray[np.uint8]
    n_images: NDArray[np.int64]
    label_names: tuple[str, ...]
    named_files: tuple[Path, ...] = ()


def open_stream(task: Task, revision: str | None) -> Source:
    """Open a task's data set without keeping it: each shard is fetched, read, and removed before the next.

    The first time, one pass over the data finds labels and hashes, which are remembered for the commit; images are
    fetched again when they are encoded. Raises what `open_table` raises.
    """
    import datasets

    datasets.disable_progress_bars()
    commit, folder, names, shards = _find(task, revision)
    if not names:
        raise InputError(f"task '{task.name}' cannot be streamed: its data_files name no file; correct them.")
    suffix = Path(names[0]).suffix
    if suffix not in SUFFIX_BUILDERS:
        raise InputError(
            f"task '{task.name}' cannot be streamed from {suffix or 'folders of'} files; it needs one of "
            f"{', '.join(SUFFIX_BUILDERS)}."
        )
    index = _recall(task, commit)
    if index is None:
        index = _pass_over(task, shards)
        _remember(task, commit, index)
    starts = [0, *index.n_images.cumsum().tolist()]

    def read(row_numbers: NDArray[np.int64]) -> Iterator[bytes]:
        for shard, (first, end) in zip(shards, pairwise(starts), strict=True):
            wanted = set(row_numbers[(row_numbers >= first) & (row_numbers < end)].tolist())
            if not wanted:
                continue
            with shard() as path:
                for row, cells in enumerate(_open_shard(task, path).cells, start=first):
                    if row in wanted:
                        yield encoded_image(task, cells[0], row)

    return Source(
        labels=index.labels,
        subgroups=index.subgroups,
        label_names=index.label_names,
        folder=folder,
        revision=commit,
        images=read,
        digests=index.digests,
        named_files=index.named_files,
    )


def _find(task: Task, revision: str | None) -> tuple[str | None, Path | None, list[str], list[Shard]]:
    """Return the commit, the folder of the words, and the shards with their names."""
    dataset = task.dataset
    if dataset.is_local:
        try:
            files = local_files(dataset)
        except FileNotFoundError as error:
            raise unreadable(task, [], error) from error
        return None, None, [file.name for file in files], [_kept(file) for file in files]
    if dataset.data_files is None:
        return None, None, [], []
    commit, listed = hub.list_files(
        dataset.path, revision=revision or dataset.revision, needed_by=f"task '{task.name}'"
    )
    if "**" in dataset.data_files:
        raise InputError(
            f"task '{task.name}' cannot be streamed from '{dataset.data_files}'; name its files without '**'."
        )
    # From the root, as in the folder of a snapshot.
    matching = (name for name in listed if PurePosixPath("/", name).match(f"/{dataset.data_files}"))
    names = sorted(matching, key=natural_order)
    words = repository_files(task)
    folder = None
    if words:
        folder = hub.snapshot(dataset.path, revision=commit, patterns=words, needed_by=f"task '{task.name}'")
    return commit, folder, names, [_fetched(dataset.path, name, commit) for name in names]


def _kept(file: Path) -> Shard:
    return lambda: nullcontext(file)


def _fetched(repository: str, name: str, commit: str) -> Shard:
    @contextmanager
    def fetch() -> Iterator[Path]:
        with TemporaryDirectory(prefix="clipkstar-shard-") as folder:
            yield hub.fetch_file(repository, name, revision=commit, folder=Path(folder))

    return fetch


@dataclass(frozen=True, kw_only=True)
class OpenShard:
    """cells: image, label and subgroup of each row, read as they are asked for. label_names: as in Index."""

    cells: Iterator[tuple[object, ...]]
    label_names: tuple[str, ...]


def _open_shard(task: Task, path: Path) -> OpenShard:
    import datasets

    check_whole(task, path)
    faults = (*UNREADABLE, datasets.exceptions.DatasetsError)
    try:
        table = datasets.load_dataset(
            SUFFIX_BUILDERS[path.suffix], data_files=[escape(str(path))], split="train", streaming=True
        )
        columns = pick_columns(task, table.column_names or [])
        features = table.features or {}
        if isinstance(features.get(columns[0]), datasets.Image):
            table = table.cast_column(columns[0], datasets.Image(decode=False))
    except faults as error:
        raise unreadable(task, [path], error) from error

    def cells() -> Iterator[tuple[object, ...]]:
        try:
            for row in table:
                yield tuple(row[column] for column in columns)
        except faults as error:
            raise unreadable(task, [path], error) from error

    return OpenShard(cells=cells(), label_names=tuple(getattr(features.get(columns[1]), "names", ())))


def _pass_over(task: Task, shards: Sequence[Shard]) -> Index:
    import numpy as np

    labels: list[object] = []
    subgroups: list[object] = []
    digests: list[bytes] = []
    named: dict[Path | None, None] = {}
    n_images = []
    label_names: tuple[str, ...] = ()
    for shard in shards:
        before = len(labels)
        with shard() as path:
            opened = _open_shard(task, path)
            label_names = label_names or opened.label_names
            for cells in opened.cells:
                named[named_file(cells[0])] = None
                digests.append(hashlib.sha256(encoded_image(task, cells[0], len(labels))).digest())
                labels.append(cells[1])
                subgroups += cells[2:]
        n_images.append(len(labels) - before)
    if not labels:
        raise InputError(f"task '{task.name}' has no images at all; check its data_files and split.")
    return Index(
        labels=label_numbers(task, labels, type(labels[0]).__name__),
        subgroups=subgroup_numbers(task, subgroups) if task.subgroups else None,
        digests=np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 32),
        n_images=np.array(n_images, dtype=np.int64),
        label_names=label_names,
        named_files=tuple(file for file in named if file is not None),
    )


def _key(task: Task, commit: str) -> str:
    dataset = task.dataset
    subgroups = None if task.subgroups is None else (task.subgroups.column, task.subgroups.index)
    content = repr((dataset.path, commit, dataset.data_files, task.image_column, task.label_column, subgroups))
    return hashlib.sha256(content.encode()).hexdigest()


def _recall(task: Task, commit: str | None) -> Index | None:
    """Return what an earlier pass over the same commit found; None where there was none or its file is damaged."""
    found = None if commit is None else cache.recall("indexes", _key(task, commit))
    if found is None:
        return None
    return Index(
        labels=found["labels"],
        subgroups=found.get("subgroups"),
        digests=found["digests"],
        n_images=found["n_images"],
        label_names=tuple(json.loads(found["label_names"].tobytes())),
    )


def _remember(task: Task, commit: str | None, index: Index) -> None:
    import numpy as np

    if commit is None:
        return
    names = np.frombuffer(json.dumps(index.label_names).encode(), dtype=np.uint8)
    arrays: dict[str, NDArray[Any]] = {
        "labels": index.labels,
        "digests": index.digests,
        "n_images": index.n_images,
        "label_names": names,
    }
    if index.subgroups is not None:
        arrays["subgroups"] = index.subgroups
    cache.remember("indexes", _key(task, commit), arrays)
