"""What `clipkstar kstar` leaves on disk: FOLDER/{classes.parquet, images.parquet, kstar.json}, and a picture.

Every file is written under another name first and kstar.json gets its own name last: what exists is whole.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from clipkstar.errors import InputError
from clipkstar.run import to_json
from clipkstar.store import try_to_write

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from clipkstar.api import KstarResult

FILES = ("classes.parquet", "images.parquet", "kstar.json")
PICTURES = (".png", ".svg", ".html")


@dataclass(frozen=True, kw_only=True)
class KstarRecord:
    """What stands in kstar.json.

    scores: name → number, None = undefined. intervals: name → (low, high), 95 %.
    queries: number of images whose k* was found; None = all n_images.
    """

    scores: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float]]
    n_images: int
    n_classes: int
    queries: int | None


def record_of(result: KstarResult) -> KstarRecord:
    """Return what kstar.json says of a result."""
    return KstarRecord(
        scores=result.scores,
        intervals=result.intervals,
        n_images=int(result.classes["n_images"].sum()),
        n_classes=result.classes.height,
        queries=result.queries,
    )


def check_places(folder: Path | None, picture: Path | None) -> None:
    """Raise InputError if results cannot go there; nothing is created. None = that output is not wanted.

    folder: may be new, empty, or hold the earlier output of `write` and nothing else.
    picture: .png, .svg or .html, outside the folder; an earlier one is replaced.
    """
    if folder is not None:
        _check_folder(folder)
    if picture is not None:
        _check_picture(picture)
    if folder is not None and picture is not None and picture.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"the picture '{picture}' would lie in the --out folder, which holds {', '.join(FILES)} only; "
            "give --plot another place."
        )


def write(folder: Path, result: KstarResult) -> None:
    """Write or replace the tables and the record; raises InputError as `check_places`, and then nothing is replaced."""
    _check_folder(folder)
    writers: dict[str, Callable[[Path], object]] = {
        "classes.parquet": lambda path: path.write_bytes(_parquet(result.classes)),
        "images.parquet": lambda path: path.write_bytes(_parquet(result.images)),
        "kstar.json": lambda path: path.write_text(to_json(record_of(result)) + "\n", encoding="utf-8"),
    }
    _write_whole(folder, writers)


def _parquet(table: pl.DataFrame) -> bytes:
    """Make the file in memory: polars says of a full disk something else than the system does."""
    file = io.BytesIO()
    table.write_parquet(file)
    return file.getvalue()


def draw(picture: Path, result: KstarResult) -> None:
    """Write or replace the picture of a result; raises InputError as `check_places`. HTML needs no network."""
    _check_picture(picture)
    kind = cast(Literal["png", "svg", "html"], picture.suffix.lower().removeprefix("."))
    chart = result.plot()

    def save(path: Path) -> None:
        chart.save(path, format=kind, inline=kind == "html", json_kwds={"cls": _InScript})

    _write_whole(picture.parent, {picture.name: save})


class _InScript(json.JSONEncoder):
    """JSON that may stand in a <script>: no class name can close it."""

    def encode(self, o: object) -> str:
        return super().encode(o).replace("<", "\\u003c")


def _check_folder(folder: Path) -> None:
    _require_writable(folder, "--out")
    if not folder.exists():
        return
    names = sorted(entry.name for entry in folder.iterdir())
    unfinished = re.compile(rf"\.({'|'.join(map(re.escape, FILES))})\.[0-9]+")
    others = [name for name in names if name not in FILES and not unfinished.fullmatch(name)]
    if "kstar.json" not in names:  # tables of the same name, but not of ours
        others += [name for name in names if name in FILES]
    if others:
        raise InputError(
            f"the folder '{folder}' holds '{others[0]}', which is no earlier output of kstar; "
            "choose another with --out."
        )


def _check_picture(picture: Path) -> None:
    if picture.suffix.lower() not in PICTURES:
        raise InputError(f"the picture '{picture}' is of no known kind; --plot needs one of {', '.join(PICTURES)}.")
    if picture.is_dir():
        raise InputError(f"the picture '{picture}' is a folder; choose another with --plot.")
    _require_writable(picture.parent, "--plot")


def _require_writable(folder: Path, option: str) -> None:
    if ":/" in str(folder):
        raise InputError(f"the folder '{folder}' is an address; {option} needs a folder of this machine.")
    try:
        try_to_write(folder)
    except OSError as error:
        raise InputError(f"the folder '{folder}' cannot be written; choose another with {option}.") from error


def _write_whole(folder: Path, writers: Mapping[str, Callable[[Path], object]]) -> None:
    """Write files of a folder, all or none, the last of them last."""
    import polars as pl

    unfinished = {name: folder / f".{name}.{os.getpid()}" for name in writers}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in unfinished.items():
            writers[name](path)
        for name, path in unfinished.items():
            path.replace(folder / name)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"the folder '{folder}' cannot be written ({error}); choose another.") from error
    finally:
        for path in unfinished.values():
            path.unlink(missing_ok=True)
