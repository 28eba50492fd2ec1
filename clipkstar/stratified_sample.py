"""A class-stratified sample, the same for every encoder: `--limit` and `--queries`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLE_SEED = 0
"""Seed of the sample, so that every encoder sees the same images."""


def stratified_sample(labels: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Ascending positions of a seeded sample of `size` images in which every class keeps its share.

    Shares are rounded down and the images still missing go to the largest remainders, first class first.
    """
    counts = np.bincount(labels)
    exact = counts * (size / len(labels))
    quota = np.floor(exact).astype(np.int64)
    missing = size - int(quota.sum())
    quota[np.argsort(quota - exact, kind="stable")[:missing]] += 1
    shuffled = np.random.default_rng(SAMPLE_SEED).permutation(len(labels))
    chosen = [shuffled[labels[shuffled] == label][:n] for label, n in enumerate(quota)]
    return np.sort(np.concatenate(chosen))
