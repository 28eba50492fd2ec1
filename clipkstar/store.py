"""Runs on disk: RUNS/<task>/<family>--<model>--<pretrained>/<run_id>/{classes.parquet, images.parquet, run.json}.

All writing of results happens here. run.json is written last, each file under another name first: a run exists when its
run.json does, and what exists is whole.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clipkstar.errors import InputError
from clipkstar.run import Evaluation, Run, from_json, to_json


@dataclass(frozen=True, kw_only=True)
class Store:
    """A folder of runs; it need not exist before the first run is written."""

    root: Path


def check_writable(store: Store) -> None:
    """Raise InputError if runs cannot be written there; nothing is created."""
    if ":/" in str(store.root):
        raise InputError(f"the runs folder '{store.root}' is an address; it needs to be a folder of this machine.")
    try:
        try_to_write(store.root)
    except OSError as error:
        raise InputError(f"the runs folder '{store.root}' cannot be written; choose another with --runs.") from error


def try_to_write(folder: Path) -> None:
    """Raise OSError if no file can be made in a folder, or in the nearest one above it that exists; none stays."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    tempfile.TemporaryFile(dir=place).close()


def folder(store: Store, *, task: str, checkpoint_title: str, run_id: str) -> Path:
    """Return the folder of one run, whether it exists or not."""
    return store.root / safe_name(task) / safe_name(checkpoint_title) / run_id


def folder_of(store: Store, run: Run) -> Path:
    """Return the folder of a run."""
    return folder(store, task=run.task.name, checkpoint_title=run.checkpoint.title, run_id=run.run_id)


def read(place: Path) -> Evaluation | None:
    """Return the run in a folder, None if there is none; raises InputError if it is damaged."""
    import polars as pl

    record = place / "run.json"
    if not record.is_file():
        return None
    run = from_json(record.read_bytes(), where=str(record))
    try:
        tables = [pl.read_parquet(place / name) for name in ("images.parquet", "classes.parquet")]
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"the tables of {place} cannot be read ({error}); repeat the run with --force.") from error
    if (tables[0].height, tables[1].height) != (run.task.n_images, run.task.n_classes):
        raise InputError(f"the tables of {place} are not those of its run.json; repeat the run with --force.")
    return Evaluation(run=run, images=tables[0], classes=tables[1])


def write(store: Store, evaluation: Evaluation) -> Path:
    """Write or replace a run, file by file, run.json last; no file is ever seen in part. Returns its folder."""
    import polars as pl

    place = folder_of(store, evaluation.run)
    try:
        place.mkdir(parents=True, exist_ok=True)
        _replace(place / "classes.parquet", evaluation.classes.write_parquet)
        _replace(place / "images.parquet", evaluation.images.write_parquet)
        _replace(place / "run.json", lambda path: path.write_text(to_json(evaluation.run) + "\n", encoding="utf-8"))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"the runs folder '{store.root}' cannot be written ({error}); choose another.") from error
    return place


def safe_name(name: str) -> str:
    """Return a folder name of [A-Za-z0-9._-]; a changed name carries a short hash of the true one."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    if cleaned == name and name.strip("."):
        return name
    return f"{cleaned}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _replace(path: Path, write_to: Callable[[Path], object]) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_to(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
