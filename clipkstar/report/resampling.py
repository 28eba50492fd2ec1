"""Resamples and permutations of whole lineages: models of one lineage are not independent, lineages are taken to be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

N_RESAMPLES = 2000
N_PERMUTATIONS = 2000


def lineage_codes(lineages: Sequence[str]) -> NDArray[np.int64]:
    """Number the lineages in the order of their names; returns (n_models,) int64."""
    numbers = {name: number for number, name in enumerate(sorted(set(lineages)))}
    return np.array([numbers[name] for name in lineages], dtype=np.int64)


@lru_cache(maxsize=8)
def draws(n_units: int, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> NDArray[np.float32]:
    """Bootstrap n_units units: how often each is drawn, (n_resamples, n_units), read-only; a row sums to n_units."""
    random = np.random.default_rng(seed)
    found = random.multinomial(n_units, np.full(n_units, 1 / n_units), size=n_resamples).astype(np.float32)
    found.flags.writeable = False  # the cache hands the same array to everybody
    return found


@dataclass(frozen=True, kw_only=True)
class Resamples:
    """How often each cluster is in each resample: all of its models, or none, as often.

    draws: (n_resamples, n_clusters) float32 or float64. codes: (n_models,) int64, the cluster of each model.
    """

    draws: NDArray[np.float32] | NDArray[np.float64]
    codes: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.floating]:
        """How often each model is in each resample: (n_resamples, n_models)."""
        return self.draws.take(self.codes, axis=1)

    def sums(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Sum values, (n_models, ...), over the models of each cluster: (n_clusters, ...), of the type of draws."""
        members = self.codes == np.arange(self.draws.shape[1])[:, None]
        flat = members.astype(self.draws.dtype) @ values.reshape(len(values), -1).astype(self.draws.dtype)
        return np.asarray(flat.reshape(len(members), *values.shape[1:]))


def everything(n_models: int) -> Resamples:
    """The one resample that is the data themselves, in float64."""
    return Resamples(draws=np.ones((1, 1)), codes=np.zeros(n_models, dtype=np.int64))


def bootstrap(lineages: Sequence[str], *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Resamples:
    """Bootstrap of whole lineages; with unequal ones the number of models in a resample varies."""
    codes = lineage_codes(lineages)
    return Resamples(draws=draws(int(codes.max()) + 1, n_resamples=n_resamples, seed=seed), codes=codes)


def _orders(n_lineages: int, n_permutations: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Orders of the lineages, the given one first: all of them where that is fewer than asked for."""
    if math.factorial(min(n_lineages, 20)) <= n_permutations:
        return np.array(list(itertools.permutations(range(n_lineages))), dtype=np.int64)
    given = np.arange(n_lineages)
    return np.vstack([given, random.permuted(np.tile(given, (n_permutations, 1)), axis=1)])


@lru_cache(maxsize=4)
def block_permutations(
    lineages: tuple[str, ...], *, n_permutations: int = N_PERMUTATIONS, seed: int = 0
) -> NDArray[np.int64]:
    """Whose value each model takes when lineages exchange their values as blocks: (n_orders, n_models), read-only.

    The first row changes nothing; n_orders is n_permutations + 1, or the number of all orders where that is smaller.
    A lineage keeps its size: from a larger one it takes a systematic sample of the values (in order, evenly spaced from
    a random start), the values of a smaller one it takes repeatedly, each equally often up to one.
    """
    codes = lineage_codes(lineages)
    random = np.random.default_rng(seed)
    by_lineage = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    places = np.empty(len(codes), dtype=np.int64)
    places[by_lineage] = np.arange(len(codes)) - np.repeat(starts, sizes)
    orders = _orders(len(sizes), n_permutations, random)
    offsets = random.random(orders.shape)[:, codes]
    sources = orders[:, codes]
    taken = np.floor((places + offsets) * sizes[sources] / sizes[codes]).astype(np.int64)
    found = np.asarray(by_lineage[starts[sources] + np.minimum(taken, sizes[sources] - 1)])
    found.flags.writeable = False
    return found
