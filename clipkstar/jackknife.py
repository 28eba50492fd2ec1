"""95 % intervals for numbers that depend on neighbours: the delete-group jackknife with k* recomputed.

One image is many images' impostor, so k* values are not independent and resampling them as if they were is wrong (the
interval comes out too narrow, or beside its own estimate). Here whole groups of images are left out and every k* is
found again without them. Source: Kott, Journal of Official Statistics 17 (2001), for the delete-a-group jackknife.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

N_GROUPS = 20
GROUP_SEED = 0
CONFIDENCE = 0.95


def class_groups(labels: NDArray[np.int64], sample: NDArray[np.int64] | None = None) -> NDArray[np.int64] | None:
    """Deal the images of each class, shuffled with a fixed seed, to N_GROUPS groups in turn.

    labels: (n_images,). sample: positions of the images whose k* is wanted; they are dealt first, then all others, so
    that every group holds its share of both. Returns (n_images,) int64 group numbers; None where there are fewer images
    (of the sample) than groups.
    """
    if len(labels if sample is None else sample) < N_GROUPS:
        return None
    shuffled = np.random.default_rng(GROUP_SEED).permutation(len(labels))
    rest = np.ones(len(labels), dtype=bool)
    rest[slice(None) if sample is None else sample] = False
    by_class = shuffled[np.lexsort((labels[shuffled], rest[shuffled]))]
    groups = np.empty(len(labels), dtype=np.int64)
    groups[by_class] = np.arange(len(labels)) % N_GROUPS
    return groups


def interval(
    estimate: float | None, replicates: Sequence[float | None], *, low: float = -np.inf, high: float = np.inf
) -> tuple[float, float] | None:
    """T interval around an estimate from its values without each group in turn, cut to the score's range.

    None where the estimate or one of the replicates is undefined, or where there are none.
    """
    from scipy.special import stdtrit

    defined = [value for value in replicates if value is not None]
    if estimate is None or not replicates or len(defined) < len(replicates):
        return None
    half_width = float(stdtrit(len(defined) - 1, (1 + CONFIDENCE) / 2)) * standard_error(np.array(defined))
    return max(low, estimate - half_width), min(high, estimate + half_width)


def standard_error(replicates: NDArray[np.float64]) -> float:
    """Standard error of an estimate; replicates: (n_groups,), its values without each group in turn."""
    n_groups = len(replicates)
    return float(np.sqrt((n_groups - 1) / n_groups * np.sum((replicates - np.mean(replicates)) ** 2)))
