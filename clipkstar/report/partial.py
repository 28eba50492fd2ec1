"""What Γ′ says about accuracy beyond other latent scores: the partial Spearman correlation.

Ranks are taken to depend linearly on ranks. Where accuracy and Γ′ both follow the given scores closely in another way,
such as through their plain sum, a rest of that dependence stays and looks like something beyond.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

import numpy as np

from clipkstar.report.intervals import LEAST_CLUSTERS, expanded_percentile, or_none, why_no_interval
from clipkstar.report.pooled import Pool, pool
from clipkstar.report.rank_correlation import Floats, spearman
from clipkstar.report.record import PRIMARY, Partial
from clipkstar.report.resampling import N_RESAMPLES, Resamples, bootstrap, everything
from clipkstar.report.samples import Sample, samples, too_few_models

if TYPE_CHECKING:
    import polars as pl

GIVEN = ("nn1_accuracy", "kstar_mean")
"""Simpler readings of the same neighbours; the question is what the skewness adds to them."""
LEAST_FOR_PARTIAL = 12
"""Two scores held fixed leave few degrees of freedom among fewer models."""
COLLINEAR = 1e-6
"""A column that the others explain but for this share of its variance is explained."""


def partial_spearman(sample: Sample, resamples: Resamples) -> dict[str, Floats]:
    """Correlate ranks of accuracy and of the first score, both less what the ranks of the other scores explain.

    NaN below 12 models, where a column is constant, and where the other scores explain one of the two or each other.
    """
    first = sample.scores[0]
    if sample.n_models < LEAST_FOR_PARTIAL:
        return {first: np.full(len(resamples.draws), np.nan)}
    columns = np.column_stack([sample.accuracy, sample.values])
    size = columns.shape[1]
    matrix = np.ones((size, size, len(resamples.draws)))
    for row in range(size - 1):
        pairs = spearman(columns[:, row], columns[:, row + 1 :], resamples).T
        matrix[row, row + 1 :] = matrix[row + 1 :, row] = pairs
    for fixed in range(size - 1, 1, -1):
        matrix = _without(matrix, fixed)
    return {first: matrix[0, 1]}


def _without(matrix: Floats, fixed: int) -> Floats:
    """Correlations, (size, size, n_resamples), of all columns before `fixed` when it is held fixed."""
    explained = matrix[:fixed, fixed]
    rest = 1 - explained**2
    left = np.sqrt(np.where(rest > COLLINEAR, rest, np.nan))
    found = (matrix[:fixed, :fixed] - explained[:, None] * explained[None]) / (left[:, None] * left[None])
    return np.asarray(np.clip(found, -1.0, 1.0))


def partial(
    table: pl.DataFrame, *, uncounted: Container[str] = (), n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[Partial, ...]:
    """Partial correlation of accuracy and Γ′ given 1-NN accuracy and mean k*/n: each data set, then pooled ("").

    table: as `samples` takes it. uncounted: data sets that are not pooled. Nothing where one of the three scores is
    not a column.
    """
    if not {PRIMARY, *GIVEN} <= set(table.columns):
        return ()
    found = samples(table, [PRIMARY], also=GIVEN)
    pooling = [sample for sample in found if sample.data_set not in uncounted]
    pools = pool(pooling, partial_spearman, n_resamples=n_resamples, seed=seed)
    apart = [_of_sample(sample, n_resamples=n_resamples, seed=seed) for sample in found]
    return (*apart, *(_over_all(one) for one in pools.values()))


def _over_all(one: Pool) -> Partial:
    """The pooled partial correlation."""
    return Partial(
        data_set="",
        score=PRIMARY,
        given=GIVEN,
        value=one.value,
        low=one.low,
        high=one.high,
        n_models=one.n_models,
        n_lineages=one.n_lineages,
        reason=one.reason if one.n_data_sets else f"no data set has {LEAST_FOR_PARTIAL} models that define it",
    )


def _of_sample(sample: Sample, *, n_resamples: int, seed: int) -> Partial:
    """The partial correlation in one data set."""
    (value,) = partial_spearman(sample, everything(sample.n_models))[PRIMARY]
    low = high = np.nan
    if not np.isnan(value) and sample.n_lineages >= LEAST_CLUSTERS:
        drawn = bootstrap(sample.lineages, n_resamples=n_resamples, seed=seed)
        low, high = expanded_percentile(partial_spearman(sample, drawn)[PRIMARY][:, None], sample.n_lineages)[:, 0]
    return Partial(
        data_set=sample.data_set,
        score=PRIMARY,
        given=GIVEN,
        value=or_none(value),
        low=or_none(low),
        high=or_none(high),
        n_models=sample.n_models,
        n_lineages=sample.n_lineages,
        reason=_reason(sample, defined=not np.isnan(value), has_interval=not np.isnan(low)),
    )


def _reason(sample: Sample, *, defined: bool, has_interval: bool) -> str:
    if sample.n_models < LEAST_FOR_PARTIAL:
        return too_few_models(sample, "all numbers", least=LEAST_FOR_PARTIAL, of="a partial correlation")
    if not defined:
        return "accuracy or a score is constant, or the scores explain each other"
    return why_no_interval(sample.n_lineages, has_interval=has_interval)
