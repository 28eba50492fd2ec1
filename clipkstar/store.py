"""Runs on disk: RUNS/<task>/<family>--<model>--<pretrained>/<run_id>/{classes.parquet, images.parquet, run.json}.

All writing of results happens here. run.json is written last, each file under another name first: a run exists when its
run.json does, and what exists is whole.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
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
    place = store.root
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise InputError(f"the runs folder '{store.root}' cannot be written; choose another with --runs.")


def folder(store: Store, *, task: str, checkpoint_title: str, run_id: str) -> Path:
    """Return the folder of one run, whether it exists or not."""
    return store.root / safe_name(task) / safe_name(checkpoint_title) / run_id


def folder_of(store: Store, run: Run) -> Path:
    """Return the folder of a run."""
    checkpoint = run.checkpoint
    title = f"{checkpoint.family}--{checkpoint.model}--{checkpoint.pretrained}"
    return folder(store, task=run.task.name, checkpoint_title=title, run_id=run.run_id)


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
    return Evaluation(run=run, images=tables[0], classes=tables[1])


def read_all(store: Store) -> Iterator[Run]:
    """Yield the record of every finished run, by folder."""
    for record in sorted(store.root.glob("*/*/*/run.json")):
        yield from_json(record.read_bytes(), where=str(record))


def write(store: Store, evaluation: Evaluation) -> Path:
    """Write or replace a run; readers see the old one or the new one, never a part. Returns its folder."""
    place = folder_of(store, evaluation.run)
    try:
        place.mkdir(parents=True, exist_ok=True)
        _replace(place / "classes.parquet", evaluation.classes.write_parquet)
        _replace(place / "images.parquet", evaluation.images.write_parquet)
        _replace(place / "run.json", lambda path: path.write_text(to_json(evaluation.run) + "\n"))
    except OSError as error:
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
