"""The numbers of a report as tables: one per kind of record, as CSV and parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from types import NoneType, UnionType
from typing import TYPE_CHECKING, get_args, get_origin, get_type_hints

from clipkstar.report.record import (
    ClassCorrelation,
    Correlation,
    DataSet,
    Partial,
    Pooled,
    Ranking,
    Statistics,
    Verdict,
)

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

Record = DataSet | Correlation | Verdict | Pooled | Partial | Ranking | ClassCorrelation

KINDS: dict[str, type[Record]] = {
    "data_sets": DataSet,
    "correlations": Correlation,
    "verdicts": Verdict,
    "pooled": Pooled,
    "partial": Partial,
    "rankings": Ranking,
    "classes": ClassCorrelation,
}
"""Table → what a row of it is."""


def tables(statistics: Statistics, classes: Sequence[ClassCorrelation]) -> dict[str, pl.DataFrame]:
    """Return one table for each kind of record, with the columns of its fields; what is undefined is null."""
    rows: Mapping[str, Sequence[Record]] = {
        "data_sets": statistics.data_sets,
        "correlations": statistics.correlations,
        "verdicts": statistics.verdicts,
        "pooled": statistics.pooled,
        "partial": statistics.partial,
        "rankings": statistics.rankings,
        "classes": classes,
    }
    return {name: table(kind, rows[name]) for name, kind in KINDS.items()}


def table(kind: type[Record], records: Sequence[Record]) -> pl.DataFrame:
    """Return records of one kind as a table; a tuple of names becomes one cell, separated by commas."""
    import polars as pl

    hints = get_type_hints(kind)
    schema = {field.name: _column_type(hints[field.name]) for field in fields(kind)}
    cells = [
        {name: ", ".join(value) if isinstance(value, tuple) else value for name, value in asdict(record).items()}
        for record in records
    ]
    return pl.DataFrame(cells, schema=schema)


def _column_type(annotation: object) -> type[pl.DataType]:
    import polars as pl

    parts = [part for part in get_args(annotation) if part is not NoneType]
    only = parts[0] if get_origin(annotation) is UnionType else annotation
    return pl.Float64 if only is float else pl.Int64 if only is int else pl.String


def write_table(folder: Path, name: str, rows: pl.DataFrame) -> None:
    """Write NAME.csv and NAME.parquet."""
    rows.write_csv(folder / f"{name}.csv")
    rows.write_parquet(folder / f"{name}.parquet")
