"""Scores of many runs as columns of one table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

ENDS = ("low", "high")


class Scored(Protocol):
    """What has scores, and 95 % intervals of some of them."""

    @property
    def scores(self) -> Mapping[str, float | None]:
        """Name → number, None = undefined."""

    @property
    def intervals(self) -> Mapping[str, tuple[float, float]]:
        """Name → (low, high)."""


def score_columns(rows: Sequence[Scored], taken: Collection[str]) -> tuple[dict[str, list[float | None]], list[str]]:
    """Return a column per score by name, then `<score>_low` and `<score>_high` of those with an interval.

    A cell is None where the score is undefined or was not measured. taken: columns that the table has besides. Also
    returns the scores that are left out because a column has their name.
    """
    with_interval = sorted({name for row in rows for name in row.intervals})
    reserved = {*taken, *(f"{name}_{end}" for name in with_interval for end in ENDS)}
    names = sorted({name for row in rows for name in row.scores})
    columns = {name: [row.scores.get(name) for row in rows] for name in names if name not in reserved}
    for name in with_interval:
        for number, end in enumerate(ENDS):
            limits = [row.intervals.get(name) for row in rows]
            columns[f"{name}_{end}"] = [None if of is None else of[number] for of in limits]
    return columns, [name for name in names if name in reserved]
