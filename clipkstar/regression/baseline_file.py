"""A baseline in one small file, to be committed: what a check needs of a checkpoint's runs, without its weights.

One parquet file, one row for each evaluation: the run's record as JSON text, and the columns of its tables as lists.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.causes import first_line
from clipkstar.errors import InputError
from clipkstar.jackknife import N_GROUPS
from clipkstar.run import SCHEMA as RUN_SCHEMA
from clipkstar.run import Evaluation, from_json
from clipkstar.whole_files import write_whole

if TYPE_CHECKING:
    import polars as pl

SCHEMA = 1
"""Raised when a reader of older baseline files would misread newer ones."""

MARKS = {"baseline_schema": SCHEMA, "run_schema": RUN_SCHEMA}
"""Columns that tell a baseline file from any other, and what they hold in those that this clipkstar reads."""

COMPRESSION_LEVEL = 19
"""Of zstd: a baseline is written seldom and lies in a repository for ever."""

AGAIN = "save it again with 'clipkstar baseline save'"


def image_columns() -> Mapping[str, pl.DataType]:
    """Return the columns of images.parquet that a check reads, and their types in it."""
    import polars as pl

    return {"label": pl.Int32(), "prediction": pl.Int32(), "confidence": pl.Float32(), "kstar": pl.Int32()}


def class_columns() -> Mapping[str, pl.DataType]:
    """Return the columns of classes.parquet that a check reads, and their types in it."""
    import polars as pl

    values = ("recall", "gamma", "kstar_mean", "nn1_accuracy")
    without = ("gamma_without", "kstar_mean_without", "nn1_accuracy_without")
    return (
        {"class": pl.Int32(), "name": pl.String(), "n_images": pl.Int32()}
        | dict.fromkeys(values, pl.Float64())
        | dict.fromkeys(without, pl.Array(pl.Float32(), N_GROUPS))
    )


def condensed(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation with the columns that a check reads, in a baseline file's precision.

    Both sides of a check go through it, so that an encoder differs from its own baseline file by exactly 0. Columns
    that the evaluation lacks stay absent; what is condensed already stays as it is.
    """
    return Evaluation(
        run=evaluation.run,
        images=_cast(evaluation.images, image_columns()),
        classes=_cast(evaluation.classes, class_columns()),
    )


def write_baseline(path: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write or replace a baseline file; it is never seen in part.

    Raises InputError where something else than a baseline lies there, and where it cannot be written.
    """
    import polars as pl

    check_place(path)
    table = pl.concat([_row(condensed(evaluation)) for evaluation in evaluations])
    write_to = partial(table.write_parquet, compression="zstd", compression_level=COMPRESSION_LEVEL)
    with _said(path):
        write_whole(path, write_to)


def check_place(path: Path) -> None:
    """Raise InputError where no baseline may be written since something else is there."""
    with _said(path):
        is_folder, is_there = path.is_dir(), path.exists()
    if is_folder:
        raise InputError(f"'{path}' is a folder; --out needs a file, such as baseline.parquet.")
    if is_there and not _marks_of(path):
        raise InputError(f"'{path}' is there and is no baseline file; choose another with --out.")


def read_baseline(path: Path) -> tuple[Evaluation, ...]:
    """Read a baseline file; raises InputError where it is none, of another schema, or damaged."""
    import polars as pl

    try:
        is_there = path.is_file()
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror}); check the path.") from error
    if not is_there:
        raise InputError(f"there is no file '{path}'; check the path.")
    _refuse_others(path)
    try:
        table = pl.read_parquet(path, glob=False)
        _check_columns(table)
        return tuple(_evaluation(row) for row in table.iter_slices(1))
    except InputError as error:
        raise InputError(f"the baseline file '{path}' is damaged ({str(error).rstrip('.')}); {AGAIN}.") from error
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise InputError(f"the baseline file '{path}' is damaged ({first_line(error)}); {AGAIN}.") from error


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Turn what the system says of a file that is to be written into a sentence."""
    try:
        yield
    except OSError as error:
        why = error.strerror or first_line(error)
        raise InputError(f"the baseline file '{path}' cannot be written ({why}); choose another with --out.") from error


def _refuse_others(path: Path) -> None:
    """Raise InputError for what is no baseline file, or has a row of another schema."""
    marks = _marks_of(path)
    if not marks:
        raise InputError(f"'{path}' is no baseline file; 'clipkstar baseline save RUNS --out FILE' writes one.")
    for name, wanted in MARKS.items():
        for found in marks[name]:
            if found != wanted:
                what = name.replace("_", " ")
                raise InputError(
                    f"the baseline file '{path}' has {what} {found}, this clipkstar reads {wanted}; {AGAIN}."
                )


def _marks_of(path: Path) -> dict[str, list[int]]:
    """Return the schemas that a baseline file says its rows have; {} = it is none."""
    import polars as pl

    try:
        found = pl.read_parquet(path, columns=list(MARKS), glob=False)
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return {}
    are_whole = all(column.dtype.is_integer() and not column.null_count() for column in found)
    return found.to_dict(as_series=False) if found.height and are_whole else {}


def _check_columns(table: pl.DataFrame) -> None:
    """Raise InputError, without the name of the file, where its columns are not those of a baseline file."""
    import polars as pl

    texts = dict.fromkeys(("run", "sha256"), pl.String())
    image_lists = {f"image_{name}": pl.List(dtype) for name, dtype in image_columns().items()}
    class_lists = {f"class_{name}": pl.List(dtype) for name, dtype in class_columns().items()}
    for name, wanted in (texts | image_lists | class_lists).items():
        if name not in table.columns:
            raise InputError(f'"{name}" not found')
        if table[name].dtype != wanted:
            raise InputError(f'"{name}" is {table[name].dtype} instead of {wanted}')
        if name in texts and table[name].null_count():
            raise InputError(f'"{name}" is empty')


def _cast(table: pl.DataFrame, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    return table.select(table[name].cast(dtype) for name, dtype in columns.items() if name in table.columns)


def _row(evaluation: Evaluation) -> pl.DataFrame:
    """Put an evaluation into one row; null where it lacks a column."""
    import msgspec
    import polars as pl

    cells = [pl.Series(name, [number], dtype=pl.Int32) for name, number in MARKS.items()]
    text = msgspec.json.encode(evaluation.run).decode()
    cells.append(pl.Series("run", [text], dtype=pl.String))
    cells.append(pl.Series("sha256", [_digest(text, evaluation)], dtype=pl.String))
    for prefix, table, columns in _tables(evaluation):
        cells += [
            pl.Series(prefix + name, [table[name] if name in table.columns else None], dtype=pl.List(dtype))
            for name, dtype in columns.items()
        ]
    return pl.DataFrame(cells)


def _tables(evaluation: Evaluation) -> tuple[tuple[str, pl.DataFrame, Mapping[str, pl.DataType]], ...]:
    return ("image_", evaluation.images, image_columns()), ("class_", evaluation.classes, class_columns())


def _evaluation(row: pl.DataFrame) -> Evaluation:
    """Take an evaluation out of its row; raises InputError, without the name of the file, where it is not as it was."""
    text = row["run"][0]
    run = from_json(text.encode(), where="its record")
    found = Evaluation(
        run=run,
        images=_table(row, "image_", image_columns()),
        classes=_table(row, "class_", class_columns()),
    )
    if row["sha256"][0] != _digest(text, found):
        raise InputError(f"{run.task.name} is not as it was saved")
    return found


def _table(row: pl.DataFrame, prefix: str, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    import polars as pl

    found = {name: row[prefix + name][0] for name in columns}
    return _cast(pl.DataFrame({name: values for name, values in found.items() if values is not None}), columns)


def _digest(text: str, condensed_one: Evaluation) -> str:
    """Hash the record and every value of the tables; parquet itself would let a changed byte pass."""
    import polars as pl

    found = hashlib.sha256(text.encode())
    for prefix, table, _ in _tables(condensed_one):
        for column in table:
            found.update(f"{prefix}{column.name} {column.len()}".encode())
            if column.dtype == pl.String:
                found.update(json.dumps(column.to_list()).encode())
            else:
                values = column.explode() if isinstance(column.dtype, pl.Array) else column
                found.update(values.fill_null(0).to_numpy().tobytes() + values.is_null().to_numpy().tobytes())
    return found.hexdigest()
