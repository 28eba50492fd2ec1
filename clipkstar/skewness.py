"""From k* values to γ of a class and Γ of a latent space.

Definitions: Kotyan, Ueda, Vargas, arXiv 2312.04024 (γ, patterns) and Kotyan, Chen, Vargas, arXiv 2408.09065 (Γ, Γ′).
Which variant of γ the second paper used is not known; both are here, under different names. Our reading.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pattern = Literal["fractured", "overlapped", "clustered"]

FRACTURED_ABOVE = 0.5
"""γ above it: fractured (arXiv 2312.04024)."""
CLUSTERED_BELOW = -0.5
"""γ below it: clustered (arXiv 2312.04024)."""
FEW_IMAGES = 20
"""Below this many images a class's γ is mostly noise."""


def gamma(kstar: NDArray[np.int64]) -> float | None:
    """Skewness γ of one class: biased g1 = m3 / m2^1.5 of k*/n_c (the division by n_c does not change it).

    kstar: (n_c,) k* of every image of the class. |γ| <= (n_c - 2) / sqrt(n_c - 1). Lower is better.
    None for a class of one image and for a class whose k* are all equal.
    """
    if len(kstar) < 2 or (kstar == kstar[0]).all():
        return None
    return skewness(kstar / len(kstar))


def gamma_anchored(kstar: NDArray[np.int64]) -> float | None:
    """γ after appending the two values 0 and 1 to k*/n_c, as the papers' figures have it; feels the level as well.

    kstar: (n_c,) k* of every image of the class. Lower is better. None for a class of one image only.
    """
    if len(kstar) < 2:
        return None
    return skewness(np.append(kstar / len(kstar), (0.0, 1.0)))


def pattern(kstar: NDArray[np.int64]) -> Pattern | None:
    """Name of a class's k* distribution by its plain γ; a class of equal k* goes by its level. None for one image.

    All images at k* = n_c is clustered, all at k* = 1 is fractured, all at another equal value is overlapped.
    """
    if len(kstar) < 2:
        return None
    skew = gamma(kstar)
    if skew is None:
        levels: dict[int, Pattern] = {1: "fractured", len(kstar): "clustered"}
        return levels.get(int(kstar[0]), "overlapped")
    if skew > FRACTURED_ABOVE:
        return "fractured"
    return "clustered" if skew < CLUSTERED_BELOW else "overlapped"


def skewness(values: NDArray[np.float64]) -> float | None:
    """Biased skewness m3 / m2^1.5 of any values; None where all are equal."""
    from scipy.stats import skew

    if (values == values[0]).all():
        return None
    return float(skew(values))


def mean_defined(values: list[float | None]) -> float | None:
    """Unweighted mean of the values that are defined; None if none is."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
