"""The folder of a report: looked at before anything is computed, filled at the end, file by file.

A report is made in a hidden folder inside its own; what is there already stays whole until the new one is finished.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clipkstar.errors import InputError
from clipkstar.interrupts import held_interrupts
from clipkstar.store import ABANDONED_SECONDS, try_to_write

RECORD = "report.json"
FILES = ("index.html", "summary.md", RECORD)
KINDS = {"tables": (".csv", ".parquet"), "figures": (".svg", ".png"), "runs": (".html",)}
"""Folder of a report → what lies in it."""

UNFINISHED = ".unfinished-"


def check_folder(folder: Path) -> None:
    """Raise InputError if no report can go there: it may be new, empty, or hold an earlier report and nothing else."""
    if ":/" in str(folder):
        raise InputError(f"the folder '{folder}' is an address; --out needs a folder of this machine.")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"'{folder}' is a file; choose a folder with --out.")
    try:
        try_to_write(folder)
    except OSError as error:
        raise InputError(f"the folder '{folder}' cannot be written; choose another with --out.") from error
    for name in _others(folder):
        raise InputError(f"the folder '{folder}' holds '{name}', which is of no earlier report; choose another.")


def _others(folder: Path) -> Iterator[str]:
    """Yield the names in a folder that no report has put there."""
    entries = [] if not folder.exists() else sorted(folder.iterdir())
    entries = [entry for entry in entries if not entry.name.startswith(UNFINISHED)]
    has_record = any(entry.name == RECORD for entry in entries)
    for entry in entries:
        if not has_record or entry.name not in (*FILES, *KINDS):
            yield entry.name
        elif entry.name in KINDS:
            yield from (
                f"{entry.name}/{inner.name}"
                for inner in sorted(entry.iterdir())
                if inner.suffix not in KINDS[entry.name]
            )


@contextmanager
def report_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write a report into; when the block ends well, the report takes the place of the one before.

    Raises InputError as `check_folder`, and where the disk does not take the files.
    """
    check_folder(folder)
    was_there = folder.exists()
    unfinished = folder / f"{UNFINISHED}{os.getpid()}"
    try:
        _remove_abandoned(folder)
        for name in ("", *KINDS):
            (unfinished / name).mkdir(parents=True, exist_ok=True)
        yield unfinished
        with held_interrupts():
            _take_place(folder, unfinished)
    except OSError as error:
        raise InputError(f"the folder '{folder}' cannot be written ({error}); choose another with --out.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not was_there:
            with suppress(OSError):  # it holds the report
                folder.rmdir()


def _take_place(folder: Path, unfinished: Path) -> None:
    made = {path.relative_to(unfinished) for path in unfinished.rglob("*") if path.is_file()}
    for name in sorted(made, key=lambda name: (name.name == RECORD, name)):
        (folder / name).parent.mkdir(exist_ok=True)
        (unfinished / name).replace(folder / name)
    for kind in KINDS:
        for old in (folder / kind).glob("*"):
            if old.relative_to(folder) not in made:
                old.unlink()
        if (folder / kind).is_dir() and not any((folder / kind).iterdir()):
            (folder / kind).rmdir()


def _remove_abandoned(folder: Path) -> None:
    """Remove what reports left behind that were killed."""
    for unfinished in folder.glob(f"{UNFINISHED}*"):
        if time.time() - unfinished.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(unfinished, ignore_errors=True)
