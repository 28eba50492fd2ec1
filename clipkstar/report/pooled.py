"""Rank correlations over several data sets: ranks within each data set, since Γ′ is not comparable across them.

The bootstrap has two ways: lineages are drawn once for all data sets, because the same models meet in them, and data
sets are drawn too. It is known to be wide; in simulations the interval covers 99 %. Source: Owen, "The pigeonhole
bootstrap", Annals of Applied Statistics 1 (2007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipkstar.report.intervals import LEAST_CLUSTERS, expanded_percentile, or_none, why_no_interval
from clipkstar.report.rank_correlation import Floats, spearman
from clipkstar.report.record import Pooled
from clipkstar.report.resampling import N_RESAMPLES, Resamples, draws, everything
from clipkstar.report.samples import LEAST_MODELS, Sample, samples

if TYPE_CHECKING:
    import polars as pl

Measure = Callable[[Sample, Resamples], dict[str, Floats]]
"""Statistics of a sample by name, each (n_resamples,); NaN = undefined."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One statistic over data sets, as record.Pooled has it. n_models: different models in any of the data sets."""

    value: float | None
    low: float | None
    high: float | None
    n_data_sets: int
    n_models: int
    n_lineages: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A statistic in one data set: its value, its resamples (n_resamples,), and the models it weighs by."""

    sample: Sample
    value: float
    resampled: Floats


def pool(
    found: Sequence[Sample], measure: Measure, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> dict[str, Pool]:
    """Mean over data sets of each statistic that `measure` gives, weighted by n_models, with its interval.

    A data set in which a statistic is undefined does not count for it. Returns a Pool for each name that measure gave.
    """
    names = sorted({name for sample in found for name in sample.lineages})
    drawn = draws(max(len(names), 1), n_resamples=n_resamples, seed=seed)
    parts: dict[str, list[_Part]] = {}
    for sample in found:
        both = Resamples(draws=drawn, codes=np.searchsorted(names, sample.lineages))
        values, resampled = measure(sample, everything(sample.n_models)), measure(sample, both)
        for name, (value,) in values.items():
            members = parts.setdefault(name, [])
            if not np.isnan(value):
                members.append(_Part(sample=sample, value=float(value), resampled=resampled[name]))
    return {name: _pool(members, seed=seed) for name, members in parts.items()}


def _pool(parts: Sequence[_Part], *, seed: int) -> Pool:
    """Weigh one statistic's data sets, as they are and drawn."""
    if not parts:
        return Pool(
            value=None, low=None, high=None, n_data_sets=0, n_models=0, n_lineages=0, reason="no data set defines it"
        )
    values = np.array([part.value for part in parts])
    weights = np.array([part.sample.n_models for part in parts], dtype=np.float64)
    resampled = np.column_stack([part.resampled for part in parts])
    n_lineages = len({name for part in parts for name in part.sample.lineages})
    drawn = draws(len(parts), n_resamples=len(resampled), seed=seed + 1) * weights
    low = high = np.nan
    if n_lineages >= LEAST_CLUSTERS:
        spreads = _variance(_means(resampled, weights)), _variance(_means(values, drawn))
        n_clusters = _effective_clusters(spreads, (n_lineages, len(parts)))
        low, high = expanded_percentile(_means(resampled, drawn)[:, None], n_clusters)[:, 0]
    return Pool(
        value=float(_means(values, weights)),
        low=or_none(low),
        high=or_none(high),
        n_data_sets=len(parts),
        n_models=len({name for part in parts for name in part.sample.models}),
        n_lineages=n_lineages,
        reason=_reason(len(parts), n_lineages, has_interval=not np.isnan(low)),
    )


def _means(values: Floats, weights: Floats) -> Floats:
    """Weighted means over the last axis, which is that of the data sets, leaving NaN out; NaN where nothing is left."""
    kept = np.where(np.isnan(values), 0.0, weights)
    total = kept.sum(axis=-1)
    sums = (kept * np.nan_to_num(values)).sum(axis=-1)
    return np.where(total > 0, sums / np.where(total > 0, total, 1.0), np.nan)


def _variance(values: Floats) -> float:
    """Variance of the values that are defined; 0 where none is."""
    defined = values[~np.isnan(values)]
    return float(defined.var()) if len(defined) else 0.0


def _effective_clusters(spreads: tuple[float, float], numbers: tuple[int, int]) -> float:
    """How many clusters the interval rests on: of lineages, of data sets, or between, by which of them spreads more.

    spreads: variance when only lineages, only data sets are drawn. numbers: of lineages, of data sets. Source: the
    degrees of freedom of Satterthwaite, Biometrics Bulletin 2 (1946), plus one.
    """
    shares = [(spread, number - 1) for spread, number in zip(spreads, numbers, strict=True)]
    shares = [(spread, freedom) for spread, freedom in shares if spread > 0 and freedom > 0]
    if not shares:
        return min(numbers)
    return 1 + sum(spread for spread, _ in shares) ** 2 / sum(spread**2 / freedom for spread, freedom in shares)


def _reason(n_data_sets: int, n_lineages: int, *, has_interval: bool) -> str:
    missing = why_no_interval(n_lineages, has_interval=has_interval)
    return missing or ("one data set: the interval says nothing about others" if n_data_sets == 1 else "")


def spearman_of_scores(sample: Sample, resamples: Resamples) -> dict[str, Floats]:
    """Spearman of accuracy with every score of a sample; undefined below 3 models."""
    if sample.n_models < LEAST_MODELS:
        return {score: np.full(len(resamples.draws), np.nan) for score in sample.scores}
    return dict(zip(sample.scores, spearman(sample.accuracy, sample.values, resamples).T, strict=True))


def pooled(
    table: pl.DataFrame, scores: Sequence[str], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[Pooled, ...]:
    """Pool the Spearman correlation of accuracy with each score over the data sets of a table (see `samples`)."""
    pools = pool(samples(table, scores), spearman_of_scores, n_resamples=n_resamples, seed=seed)
    return tuple(Pooled(score=score, **asdict(pools[score])) for score in scores if score in pools)
