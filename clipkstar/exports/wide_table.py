"""All there is in one table, one row per result: CSV for reading anywhere, parquet with types.

Columns: those of COLUMNS, one for each score by name, then `<score>_low` and `<score>_high` of each 95 % interval.
Null (nothing between two commas) = undefined, not measured, or not said by the source; numbers have all their digits.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from clipkstar.exports.files import begins_with
from clipkstar.exports.result import Exported, Result
from clipkstar.exports.spreadsheets import formula_notices
from clipkstar.score_columns import score_columns

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

COLUMNS = (
    "data_set", "task", "family", "model", "pretrained", "lineage", "precision", "space", "prompt_set", "limit",
    "n_images", "n_classes", "dataset", "split", "revision", "fingerprint", "run_id", "source", "seconds_total",
    "weights_sha256", "clipkstar", "metric_versions",
)  # fmt: skip
"""Before the scores; fields of Result, which says what they mean."""

WHOLE_NUMBERS = ("limit", "n_images", "n_classes")


def as_csv(results: Sequence[Result]) -> Exported:
    """Return the table as CSV (RFC 4180, UTF-8, a header, lines ending with a line feed). Names are written as is."""
    table, notices = wide_table(results)
    cells = chain(table.columns, *table.iter_rows())
    return Exported(content=table.write_csv().encode(), notices=(*notices, *formula_notices(cells)))


def as_parquet(results: Sequence[Result]) -> Exported:
    """Return the table as parquet: strings, Int64 for counts, Float64 for the rest."""
    table, notices = wide_table(results)
    file = io.BytesIO()
    table.write_parquet(file)
    return Exported(content=file.getvalue(), notices=tuple(notices))


def wide_table(results: Sequence[Result]) -> tuple[pl.DataFrame, list[str]]:
    """Return one row per result, in the order given, and sentences on the scores that have no column."""
    import polars as pl

    scores, left_out = score_columns(results, COLUMNS)
    own = {name: [getattr(result, name) for result in results] for name in COLUMNS}
    types: dict[str, type[pl.DataType]] = dict.fromkeys(COLUMNS, pl.String)
    types |= dict.fromkeys(WHOLE_NUMBERS, pl.Int64) | {"seconds_total": pl.Float64} | dict.fromkeys(scores, pl.Float64)
    return pl.DataFrame(own | scores, schema=types), [
        f"the score '{name}' is left out: the table has a column of that name already; rename it in its metric."
        for name in left_out
    ]


def is_own_csv(path: Path) -> bool:
    """Whether a file begins as the table does; what cannot be read does not."""
    return begins_with(path, ",".join(COLUMNS).encode())


def is_own_parquet(path: Path) -> bool:
    """Whether a file has the columns of the table; what cannot be read has not."""
    import polars as pl

    try:
        return tuple(pl.read_parquet_schema(path))[: len(COLUMNS)] == COLUMNS
    except (OSError, pl.exceptions.PolarsError):
        return False
