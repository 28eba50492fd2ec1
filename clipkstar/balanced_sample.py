"""Class-balanced draws: Γ′ at one class size, for looking across data sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PER_CLASS = 50
N_DRAWS = 5
DRAW_SEED = 0


def balanced_draws(
    labels: NDArray[np.int64], *, per_class: int = PER_CLASS, n_draws: int = N_DRAWS
) -> list[NDArray[np.int64]]:
    """Draw `per_class` images of every class that has so many, without replacement, seeded.

    labels: (n_images,). Returns ascending positions of each draw; one draw where all would be the same, none where
    fewer than two classes are large enough.
    """
    sizes = np.bincount(labels)
    large = np.flatnonzero(sizes >= per_class)
    if len(large) < 2:
        return []
    eligible = np.flatnonzero(np.isin(labels, large))
    if (sizes[large] == per_class).all():
        return [eligible]
    random = np.random.default_rng(DRAW_SEED)
    draws = []
    for _ in range(n_draws):
        shuffled = random.permutation(eligible)
        by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
        starts = np.repeat(np.cumsum(sizes[large]) - sizes[large], sizes[large])
        draws.append(np.sort(by_class[np.arange(len(by_class)) - starts < per_class]))
    return draws
