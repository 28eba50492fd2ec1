"""Which latent score ranks models by accuracy best, and how much better than Γ′."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal

from clipkstar.report.pooled import pool, pooled, spearman_of_scores
from clipkstar.report.rank_correlation import Floats
from clipkstar.report.record import PRIMARY, Ranking
from clipkstar.report.resampling import N_RESAMPLES, Resamples
from clipkstar.report.samples import Sample, samples

if TYPE_CHECKING:
    import polars as pl

Direction = Literal["higher", "lower"]
"""Which end of a score is the better structure."""


def _turned(sample: Sample, resamples: Resamples, *, directions: Mapping[str, Direction]) -> dict[str, Floats]:
    """Spearman of accuracy with each score, 1 = best structure, best accuracy."""
    found = spearman_of_scores(sample, resamples)
    return {score: values if directions[score] == "higher" else -values for score, values in found.items()}


def _values(sample: Sample, resamples: Resamples, *, directions: Mapping[str, Direction]) -> dict[str, Floats]:
    """Turned correlations of all scores but Γ′, NaN where that of Γ′ is.

    Γ′ stands in every sample of a data set, each time over the models that have another score, too.
    """
    turned = _turned(sample, resamples, directions=directions)
    primary = turned.pop(PRIMARY)
    return {score: values + 0 * primary for score, values in turned.items()}


def _differences(sample: Sample, resamples: Resamples, *, directions: Mapping[str, Direction]) -> dict[str, Floats]:
    """Turned correlations of all scores but Γ′ less that of Γ′, of the same resamples."""
    turned = _turned(sample, resamples, directions=directions)
    primary = turned.pop(PRIMARY)
    return {score: values - primary for score, values in turned.items()}


def _of_primary(table: pl.DataFrame, better: Direction) -> list[Ranking]:
    """Γ′ over all models that have it, as it is pooled elsewhere; nothing where there is no data set."""
    return [
        Ranking(
            score=PRIMARY,
            value=one.value if one.value is None or better == "higher" else -one.value,
            difference=None,
            low=None,
            high=None,
            n_data_sets=one.n_data_sets,
            reason=one.reason if one.value is None else "the others are compared with it",
        )
        for one in pooled(table, [PRIMARY], n_resamples=2)
    ]


def rankings(
    table: pl.DataFrame, directions: Mapping[str, Direction], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[Ranking, ...]:
    """Rank the scores (columns of a table as `samples` takes it, by direction), the best first, undefined ones last.

    Each score is compared with Γ′ over the models that have both. Nothing where Γ′ is not a column.
    """
    if PRIMARY not in directions or PRIMARY not in table.columns:
        return ()
    found = samples(table, [score for score in directions if score != PRIMARY], also=[PRIMARY])
    values = pool(found, partial(_values, directions=directions), n_resamples=1)
    differences = pool(found, partial(_differences, directions=directions), n_resamples=n_resamples, seed=seed)
    ranked = _of_primary(table, directions[PRIMARY])
    ranked += [
        Ranking(
            score=score,
            value=values[score].value,
            difference=difference.value,
            low=difference.low,
            high=difference.high,
            n_data_sets=difference.n_data_sets,
            reason=difference.reason,
        )
        for score, difference in differences.items()
    ]
    return tuple(sorted(ranked, key=lambda one: (one.value is None, -(one.value or 0.0))))
