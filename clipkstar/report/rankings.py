"""Which latent score ranks models by accuracy best, and how much better than Γ′."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal

from clipkstar.report.pooled import pool, spearman_of_scores
from clipkstar.report.rank_correlation import Floats
from clipkstar.report.record import PRIMARY, Ranking
from clipkstar.report.resampling import N_RESAMPLES, Resamples
from clipkstar.report.samples import Sample, samples

if TYPE_CHECKING:
    import polars as pl

Direction = Literal["higher", "lower"]
"""Which end of a score is the better structure."""


def _turned(sample: Sample, resamples: Resamples, *, directions: Mapping[str, Direction]) -> dict[str, Floats]:
    """Spearman of accuracy with each score, 1 = best structure, best accuracy; NaN also where that of Γ′ is."""
    found = spearman_of_scores(sample, resamples)
    turned = {score: values if directions[score] == "higher" else -values for score, values in found.items()}
    return {score: values + 0 * turned[PRIMARY] for score, values in turned.items()}


def _differences(sample: Sample, resamples: Resamples, *, directions: Mapping[str, Direction]) -> dict[str, Floats]:
    """Turned correlations less that of Γ′, of the same resamples."""
    turned = _turned(sample, resamples, directions=directions)
    return {score: values - turned[PRIMARY] for score, values in turned.items()}


def rankings(
    table: pl.DataFrame, directions: Mapping[str, Direction], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[Ranking, ...]:
    """Rank the scores (columns of a table as `samples` takes it, by direction), the best first, undefined ones last.

    Each score is compared with Γ′ over the models that have both. Nothing where Γ′ is not a column.
    """
    if PRIMARY not in directions or PRIMARY not in table.columns:
        return ()
    found = samples(table, list(directions), also=[PRIMARY])
    values = pool(found, partial(_turned, directions=directions), n_resamples=1)
    differences = pool(found, partial(_differences, directions=directions), n_resamples=n_resamples, seed=seed)
    ranked = []
    for score in directions:
        if score not in values:
            continue
        value, difference = values[score].value, differences[score]
        same = score == PRIMARY
        ranked.append(
            Ranking(
                score=score,
                value=value,
                difference=None if same else difference.value,
                low=difference.low,
                high=difference.high,
                n_data_sets=difference.n_data_sets,
                reason="the others are compared with it" if same and value is not None else difference.reason,
            )
        )
    return tuple(sorted(ranked, key=lambda one: (one.value is None, -(one.value or 0.0))))
