"""Spearman, Pearson and Kendall of accuracy with many scores, in many resamples or permutations at once.

A resample says how often each model is in it, counts. With S[i, j] = sign(x_i - x_j), the mid-rank of model i in a
resample less the mean rank is ½ Σ_j counts_j S[i, j], and Kendall's concordant less discordant pairs are
½ Σ_ij counts_i counts_j S_x S_y: matrix products, ties included, with no loop over resamples. Models of one cluster
have one count, so S is summed over clusters first.
Every coefficient is NaN where one of its two columns is constant among the models of a resample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from clipkstar.report.record import Coefficient
from clipkstar.report.resampling import Resamples, everything

Floats = NDArray[np.float64]

LEAST_VARIANCE = 1e-12
"""Of a column of variance 1; less is what rounding leaves of a constant."""


def signs(values: Floats) -> NDArray[np.float32]:
    """Compare all pairs of values, (n, n): 1 where row > column, -1 where smaller, 0 at ties."""
    return np.greater.outer(values, values).astype(np.float32) - np.less.outer(values, values)


def _ratio(products: Floats, squares_x: Floats, squares_y: Floats, *, least: float) -> Floats:
    """Products over the root of both squares, in -1 … 1; NaN where one of the squares is not above `least`."""
    defined = (squares_x > least) & (squares_y > least)
    scale = np.sqrt(np.where(defined, squares_x, 1.0) * np.where(defined, squares_y, 1.0))
    return np.where(defined, np.clip(products / scale, -1.0, 1.0), np.nan)


def centred_ranks(values: Floats, resamples: Resamples) -> NDArray[np.floating]:
    """Mid-ranks of each model in each resample, less their mean in the resample: (n_resamples, n_models).

    Models that are not in a resample have the rank that they would take between the others. Exact in float32.
    """
    return resamples.draws @ (resamples.sums(signs(values).T) / 2)


def standardized(columns: Floats) -> Floats:
    """Shift and scale columns, (n, n_columns), to mean 0 and variance 1; a constant column becomes 0."""
    largest = np.abs(columns).max(axis=0)
    scaled = columns / np.where(largest > 0, largest, 1.0)
    centred = np.where(np.ptp(scaled, axis=0) > 0, scaled - scaled.mean(axis=0), 0.0)
    spread = np.sqrt((centred**2).mean(axis=0))
    return np.asarray(centred / np.where(spread > 0, spread, 1.0))


def spearman(accuracy: Floats, scores: Floats, resamples: Resamples) -> Floats:
    """Spearman of accuracy, (n_models,), with each column of scores, (n_models, n_scores), in each resample.

    Returns (n_resamples, n_scores) float64 in -1 … 1.
    """
    counts, ranks = resamples.counts, centred_ranks(accuracy, resamples)
    weighted = counts * ranks
    squares = np.einsum("rn,rn->r", weighted, ranks)
    found = np.empty((len(counts), scores.shape[1]))
    for column, score in enumerate(scores.T):
        others = centred_ranks(score, resamples)
        products = np.einsum("rn,rn->r", weighted, others)
        own = np.einsum("rn,rn,rn->r", counts, others, others)
        found[:, column] = _ratio(*(sums.astype(np.float64) for sums in (products, squares, own)), least=0.0)
    return found


def pearson(accuracy: Floats, scores: Floats, resamples: Resamples) -> Floats:
    """Pearson, as `spearman`."""
    x, y = standardized(accuracy[:, None]), standardized(scores)
    draws = resamples.draws.astype(np.float64)
    exact = Resamples(draws=draws, codes=resamples.codes)
    sums = draws @ exact.sums(np.hstack([np.ones_like(x), x, x**2, y, y**2, x * y]))
    sizes, mean_x, square_x, rest = np.split(sums, [1, 2, 3], axis=1)
    mean_y, square_y, products = np.split(rest / sizes, 3, axis=1)
    mean_x, square_x = mean_x / sizes, square_x / sizes
    return _ratio(products - mean_x * mean_y, square_x - mean_x**2, square_y - mean_y**2, least=LEAST_VARIANCE)


def kendall(accuracy: Floats, scores: Floats, resamples: Resamples) -> Floats:
    """Kendall's tau-b, as `spearman`."""
    n_scores = scores.shape[1]
    theirs, ours = np.stack([signs(score) for score in scores.T], axis=2), signs(accuracy)[:, :, None]
    pairs = np.concatenate([theirs * ours, theirs**2, ours**2], axis=2)
    sums = resamples.sums(resamples.sums(pairs).swapaxes(0, 1))
    draws = resamples.draws
    totals = np.zeros((len(draws), 2 * n_scores + 1))
    for cluster, others in enumerate(sums):
        totals += draws[:, cluster, None] * draws @ others / 2
    return _ratio(totals[:, :n_scores], totals[:, -1:], totals[:, n_scores:-1], least=0.0)


def _permuted_products(accuracy: Floats, scores: Floats, permutations: NDArray[np.int64]) -> Floats:
    """Pearson of permuted accuracy with scores: (n_permutations, n_scores)."""
    x, y = standardized(accuracy[:, None])[:, 0][permutations], standardized(scores)
    x -= x.mean(axis=1, keepdims=True)
    squares = (x**2).mean(axis=1, keepdims=True)
    return _ratio(x @ y / len(y), squares, (y**2).mean(axis=0, keepdims=True), least=LEAST_VARIANCE)


def permuted_spearman(accuracy: Floats, scores: Floats, permutations: NDArray[np.int64]) -> Floats:
    """Spearman with accuracy's ranks permuted: row p gives model i the rank of model permutations[p, i].

    The ranks are those among all models, also where a row repeats a model. Returns (n_permutations, n_scores).
    """
    once = everything(len(accuracy))
    ranks = np.column_stack([centred_ranks(column, once)[0] for column in (accuracy, *scores.T)])
    return _permuted_products(ranks[:, 0], ranks[:, 1:], permutations)


def permuted_pearson(accuracy: Floats, scores: Floats, permutations: NDArray[np.int64]) -> Floats:
    """Pearson with accuracy permuted, as `permuted_spearman`."""
    return _permuted_products(accuracy, scores, permutations)


def permuted_kendall(accuracy: Floats, scores: Floats, permutations: NDArray[np.int64]) -> Floats:
    """Kendall's tau-b with accuracy permuted, as `permuted_spearman`."""
    n_models, n_scores = scores.shape
    order = np.unique(accuracy, return_inverse=True)[1].astype(np.float32)[permutations]
    orders = np.stack([signs(score) for score in scores.T], axis=2)
    products, squares = np.zeros((len(permutations), n_scores)), np.zeros((len(permutations), 1))
    for first in range(n_models - 1):
        rest = slice(first + 1, None)
        ours = np.clip(order[:, first : first + 1] - order[:, rest], -1, 1)
        products += ours @ orders[first, rest]
        squares += np.abs(ours).sum(axis=1, keepdims=True)
    pairs = (orders**2).sum(axis=(0, 1), dtype=np.float64)[None] / 2
    return _ratio(products, squares, pairs, least=0.0)


Correlate = Callable[[Floats, Floats, Resamples], Floats]
Permute = Callable[[Floats, Floats, NDArray[np.int64]], Floats]
RESAMPLED: Mapping[Coefficient, Correlate] = {"spearman": spearman, "pearson": pearson, "kendall": kendall}
PERMUTED: Mapping[Coefficient, Permute] = {
    "spearman": permuted_spearman,
    "pearson": permuted_pearson,
    "kendall": permuted_kendall,
}


def p_values(observed: Floats, permuted: Floats) -> Floats:
    """Two-sided p-values, (n_scores,): the share of permutations, (n_permutations, n_scores), at least as far from 0.

    The first permutation is the data themselves, so no p-value is 0. A permutation that leaves a coefficient undefined
    counts as far. NaN where the observed value is.
    """
    far = ~(np.abs(permuted) < np.abs(observed) - 1e-9)
    return np.where(np.isnan(observed), np.nan, far.mean(axis=0))
