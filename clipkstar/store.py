"""Runs on disk: RUNS/<task>/<family>--<model>--<pretrained>/<run_id>/{classes.parquet, images.parquet, run.json}.

All writing of results happens here. run.json is written last, each file under another name first: a run exists when its
run.json does, and what exists is whole. A pair that failed leaves RUNS/<task>/<checkpoint>/failed.json, until it
succeeds.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clipkstar.errors import InputError
from clipkstar.interrupts import held_interrupts
from clipkstar.run import Evaluation, FailedRun, Run, from_json, to_json

TABLES = ("images.parquet", "classes.parquet")

PARQUET_MARK = b"PAR1"
"""First and last bytes of a parquet file. Source: https://parquet.apache.org/docs/file-format/."""

LEAST_ROOM = 64 * 1024
"""Bytes that the runs folder must have room for to be worth computing for."""

ABANDONED_SECONDS = 3600.0
"""An unfinished file that nobody wrote to for so long belongs to a process that was killed."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """A folder of runs; it need not exist before the first run is written."""

    root: Path


def check_writable(store: Store) -> None:
    """Raise InputError if runs cannot be written there; nothing is created."""
    if ":/" in str(store.root):
        raise InputError(f"the runs folder '{store.root}' is an address; it needs to be a folder of this machine.")
    try:
        try_to_write(store.root, n_bytes=LEAST_ROOM)
    except OSError as error:
        raise InputError(f"the runs folder '{store.root}' cannot be written; choose another with --runs.") from error


def try_to_write(folder: Path, *, n_bytes: int = 0) -> None:
    """Raise OSError if no file of that size can be made in a folder or, where it is missing, above it; none stays."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    with tempfile.TemporaryFile(dir=place) as file:
        file.write(bytes(n_bytes))


def folder(store: Store, *, task: str, checkpoint_title: str, run_id: str) -> Path:
    """Return the folder of one run, whether it exists or not."""
    return store.root / safe_name(task) / safe_name(checkpoint_title) / run_id


def folder_of(store: Store, run: Run) -> Path:
    """Return the folder of a run."""
    return folder(store, task=run.task.name, checkpoint_title=run.checkpoint.title, run_id=run.run_id)


def run_folders(store: Store) -> Iterator[Path]:
    """Yield the folder of every run of a store, by task and checkpoint."""
    for record in sorted(store.root.glob("*/*/*/run.json")):
        yield record.parent


def read_run(place: Path) -> Run | None:
    """Return the record of the run in a folder without its tables; None if there is none or it lacks a whole table.

    Raises InputError if it is damaged or of another schema.
    """
    record = place / "run.json"
    try:
        text = record.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{record} cannot be read ({error.strerror}); make it readable.") from error
    run = from_json(text, where=str(record))
    return run if all(_is_whole_parquet(place / table) for table in TABLES) else None


def read(place: Path) -> Evaluation | None:
    """Return the run in a folder, None if there is none; raises InputError if it is damaged."""
    import polars as pl

    record = place / "run.json"
    if not record.is_file():
        return None
    run = from_json(record.read_bytes(), where=str(record))
    try:
        tables = [pl.read_parquet(place / name, glob=False) for name in TABLES]
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"the tables of {place} cannot be read ({error}); repeat the run with --force.") from error
    if (tables[0].height, tables[1].height) != (run.task.n_images, run.task.n_classes):
        raise InputError(f"the tables of {place} are not those of its run.json; repeat the run with --force.")
    return Evaluation(run=run, images=tables[0], classes=tables[1])


def _is_whole_parquet(path: Path) -> bool:
    """Whether a file begins and ends as a parquet file does; what lies between is not read."""
    try:
        with path.open("rb") as file:
            start = file.read(len(PARQUET_MARK))
            file.seek(-len(PARQUET_MARK), os.SEEK_END)
            return start == file.read() == PARQUET_MARK
    except OSError:  # also for one that is shorter than its mark
        return False


def write(store: Store, evaluation: Evaluation) -> Path:
    """Write or replace a run, file by file, run.json last; no file is ever seen in part. Returns its folder."""
    import polars as pl

    place = folder_of(store, evaluation.run)
    try:
        with held_interrupts():
            place.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(place)
            _replace(place / "classes.parquet", evaluation.classes.write_parquet)
            _replace(place / "images.parquet", evaluation.images.write_parquet)
            _replace(place / "run.json", lambda path: _write_last(store, path, evaluation.run))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"the runs folder '{store.root}' cannot be written ({error}); choose another.") from error
    return place


def write_failure(store: Store, failed: FailedRun) -> None:
    """Record a pair that failed, instead of its earlier failure; raises InputError if that cannot be written."""
    path = _failure_file(store, failed.task, failed.checkpoint)
    try:
        with held_interrupts():
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(path.parent)
            _replace(path, lambda unfinished: _write_json(unfinished, failed))
    except OSError as error:
        raise InputError(f"the runs folder '{store.root}' cannot be written ({error}); choose another.") from error


def forget_failure(store: Store, *, task: str, checkpoint: str) -> None:
    """Remove the failure of a pair whose run is there; checkpoint: as in its FailedRun."""
    with suppress(OSError):
        _failure_file(store, task, checkpoint).unlink(missing_ok=True)


def has_failed(store: Store, *, task: str, checkpoint: str) -> bool:
    """Whether a pair failed the last time; checkpoint: as in its FailedRun."""
    return _failure_file(store, task, checkpoint).is_file()


def _failure_file(store: Store, task: str, checkpoint: str) -> Path:
    return store.root / safe_name(task) / safe_name(checkpoint) / "failed.json"


def safe_name(name: str) -> str:
    """Return a folder name of [A-Za-z0-9._-]; a changed name carries a short hash of the true one."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    if cleaned == name and name.strip("."):
        return name
    return f"{cleaned}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _write_last(store: Store, path: Path, run: Run) -> None:
    """Write run.json under its unfinished name, and let the pair's failure go before the run exists.

    Whoever is killed between the two leaves a pair that is to be run; the other way round, one that is done would keep
    its failure for ever.
    """
    _write_json(path, run)
    _failure_file(store, run.task.name, run.checkpoint.title).unlink(missing_ok=True)


def _write_json(path: Path, record: Run | FailedRun) -> None:
    path.write_text(to_json(record) + "\n", encoding="utf-8")


def _replace(path: Path, write_to: Callable[[Path], object]) -> None:
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        write_to(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _remove_abandoned(place: Path) -> None:
    """Remove unfinished files that killed processes left in a folder."""
    for unfinished in place.glob(".*.*"):
        with suppress(OSError):
            if time.time() - unfinished.stat().st_mtime > ABANDONED_SECONDS:
                unfinished.unlink()
