"""The leaderboard: a row for each model, its results on every data set, and where it stands among the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.report.latent import column
from clipkstar.report.record import PRIMARY
from clipkstar.report.sparkline import Sparkline, sparkline, standings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    Interval = tuple[float, float]

BOUNDS = (f"{PRIMARY}_low", f"{PRIMARY}_high")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One model on one data set: accuracy 0 … 1 and Γ′ with their 95 % intervals; None = undefined.

    counted: enters the statistics. why_not: why it does not, else "". run_id: of the run shown.
    """

    accuracy: float | None
    accuracy_interval: Interval | None
    gamma: float | None
    gamma_interval: Interval | None
    counted: bool
    why_not: str
    run_id: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One model. results: one for each data set, in their order; None = not evaluated.

    accuracy, structure: standing, the mean over data sets of the share of other models that count which have a lower
    accuracy, a higher Γ′; 1 = best everywhere, None = nothing to compare with. sparkline: the same for each data set.
    why_not: why the model counts nowhere, else "".
    """

    name: str
    family: str
    lineage: str
    why_not: str
    accuracy: float | None
    structure: float | None
    sparkline: Sparkline
    results: tuple[Result | None, ...]


def leaderboard(table: pl.DataFrame, data_sets: Sequence[str], *, accuracy: str) -> tuple[Row, ...]:
    """Return a row for each model of Points.table, the best standing in accuracy first.

    Of several runs of one model on one data set, the one that counts is shown.
    """
    results = _results(table, accuracy=accuracy)
    ups, downs = _standings(results, data_sets)
    who = {name: (family, lineage) for name, family, lineage in table.select("model", "family", "lineage").iter_rows()}
    rows = [
        Row(
            name=name,
            family=who[name][0],
            lineage=who[name][1],
            why_not=_why_not(list(found.values())),
            accuracy=_mean(up),
            structure=_mean(down),
            sparkline=sparkline(up, down),
            results=tuple(found.get(data_set) for data_set in data_sets),
        )
        for (name, found), up, down in zip(results.items(), ups, downs, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (row.accuracy is None, -(row.accuracy or 0.0), row.name)))


def _results(table: pl.DataFrame, *, accuracy: str) -> dict[str, dict[str, Result]]:
    """Return model → data set → result; a run that counts goes before one that does not."""
    results: dict[str, dict[str, Result]] = {}
    for model, data_set, counted, why_not, run_id, value, low, high, gamma, own, gamma_low, gamma_high in (
        _needed(table, accuracy).sort("counted", descending=True, maintain_order=True).iter_rows()
    ):
        result = Result(
            accuracy=value,
            accuracy_interval=_interval(low, high),
            gamma=gamma,
            # Over fewer classes, Γ′ is another number than the one that the run has an interval for.
            gamma_interval=_interval(gamma_low, gamma_high) if gamma == own else None,
            counted=counted,
            why_not=why_not,
            run_id=run_id,
        )
        results.setdefault(model, {}).setdefault(data_set, result)
    return results


def _needed(table: pl.DataFrame, accuracy: str) -> pl.DataFrame:
    """Return what a result is made of, null where no run of the table has it."""
    import polars as pl

    scores = (accuracy, f"{accuracy}_low", f"{accuracy}_high", column(PRIMARY), PRIMARY, *BOUNDS)
    there = [pl.col(name) if name in table.columns else pl.lit(None, pl.Float64).alias(name) for name in scores]
    return table.select("model", "data_set", "counted", "why_not", "run_id", *there)


def _interval(low: float | None, high: float | None) -> Interval | None:
    return None if low is None or high is None else (low, high)


def _standings(
    results: Mapping[str, Mapping[str, Result]], data_sets: Sequence[str]
) -> tuple[list[list[float | None]], list[list[float | None]]]:
    """Return, for accuracy and for Γ′, a list for each model of its standing on each data set."""
    ups, downs = [], []
    for data_set in data_sets:
        found = [of_model.get(data_set) for of_model in results.values()]
        counted = [one is not None and one.counted for one in found]
        ups.append(standings([None if one is None else one.accuracy for one in found], counted))
        downs.append(standings([None if one is None or one.gamma is None else -one.gamma for one in found], counted))
    return [list(of_model) for of_model in zip(*ups, strict=True)], [list(one) for one in zip(*downs, strict=True)]


def _why_not(results: Sequence[Result]) -> str:
    return "" if any(result.counted for result in results) else results[0].why_not


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
