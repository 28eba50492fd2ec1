"""Accuracy against each latent score over the models of each data set: three coefficients with interval and p-value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipkstar.report.intervals import LEAST_CLUSTERS, expanded_percentile, or_none, why_no_interval
from clipkstar.report.rank_correlation import PERMUTED, RESAMPLED, p_values
from clipkstar.report.record import Coefficient, Correlation
from clipkstar.report.resampling import N_RESAMPLES, block_permutations, bootstrap, everything
from clipkstar.report.samples import LEAST_MODELS, Sample, samples, too_few_models

if TYPE_CHECKING:
    import polars as pl


def correlations(
    table: pl.DataFrame, scores: Sequence[str], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[Correlation, ...]:
    """Correlate accuracy with each score in each data set of a table as `samples` takes it.

    n_resamples: of the bootstrap, and permutations for the p-values. Order: data sets as in the table, then scores,
    then coefficients.
    """
    found = [
        correlation
        for sample in samples(table, scores)
        for coefficient in RESAMPLED
        for correlation in _of_sample(sample, coefficient, n_resamples=n_resamples, seed=seed)
    ]
    data_sets = {name: place for place, name in enumerate(table["data_set"].unique(maintain_order=True))}
    places = {score: place for place, score in enumerate(scores)}
    return tuple(sorted(found, key=lambda one: (data_sets[one.data_set], places[one.score])))


def _of_sample(sample: Sample, coefficient: Coefficient, *, n_resamples: int, seed: int) -> list[Correlation]:
    """One coefficient of accuracy with every score of a sample."""
    nothing = np.full(len(sample.scores), np.nan)
    values, (lows, highs), chances = nothing, (nothing, nothing), nothing
    if sample.n_models >= LEAST_MODELS:
        correlate = RESAMPLED[coefficient]
        values = correlate(sample.accuracy, sample.values, everything(sample.n_models))[0]
    if sample.n_models >= LEAST_MODELS and sample.n_lineages > 1:
        orders = block_permutations(sample.lineages, n_permutations=n_resamples, seed=seed)
        chances = p_values(values, PERMUTED[coefficient](sample.accuracy, sample.values, orders))
    if sample.n_models >= LEAST_MODELS and sample.n_lineages >= LEAST_CLUSTERS:
        drawn = bootstrap(sample.lineages, n_resamples=n_resamples, seed=seed)
        lows, highs = expanded_percentile(correlate(sample.accuracy, sample.values, drawn), sample.n_lineages)
    return [
        Correlation(
            data_set=sample.data_set,
            score=score,
            coefficient=coefficient,
            value=or_none(values[column]),
            low=None if np.isnan(values[column]) else or_none(lows[column]),
            high=None if np.isnan(values[column]) else or_none(highs[column]),
            p_value=or_none(chances[column]),
            n_models=sample.n_models,
            n_lineages=sample.n_lineages,
            reason=_reason(sample, column, has_interval=not np.isnan(lows[column])),
        )
        for column, score in enumerate(sample.scores)
    ]


def _reason(sample: Sample, column: int, *, has_interval: bool) -> str:
    """Why a value, an interval or a p-value is missing; "" where none is."""
    if sample.n_models < LEAST_MODELS:
        return too_few_models(sample, "both numbers", least=LEAST_MODELS, of="a correlation")
    for name, values in (("accuracy", sample.accuracy), (sample.scores[column], sample.values[:, column])):
        if np.ptp(values) == 0:
            return f"{name} is the same for all {sample.n_models} models"
    if sample.n_lineages == 1:
        return f"the models are of one lineage; a p-value needs two, an interval {LEAST_CLUSTERS}"
    return why_no_interval(sample.n_lineages, has_interval=has_interval)
