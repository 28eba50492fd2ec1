"""From k* values to γ of a class and Γ of a latent space.

Definitions: Kotyan, Ueda, Vargas, arXiv 2312.04024 (γ, patterns) and Kotyan, Chen, Vargas, arXiv 2408.09065 (Γ, Γ′).
Which variant of γ the second paper used is not known; both are here, under different names. Our reading.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class ClassStatistics:
    """k*/n_c of every class: arrays (n_classes,) in label order, float64 but for the integers named.

    n_images: int64, n_c. n_measured: int64, images whose k* is known: all, or those of a sample.
    lowest, highest: int64, smallest and largest k* of the class.
    mean, std (biased), nn1_accuracy, gamma_anchored: NaN for a class of one image or none, or none measured.
    gamma: NaN for these and for a class whose k* are all equal.
    """

    n_images: NDArray[np.int64]
    n_measured: NDArray[np.int64]
    lowest: NDArray[np.int64]
    highest: NDArray[np.int64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    nn1_accuracy: NDArray[np.float64]
    gamma: NDArray[np.float64]
    gamma_anchored: NDArray[np.float64]


def class_statistics(
    kstar: NDArray[np.integer], labels: NDArray[np.int64], sizes: NDArray[np.int64]
) -> ClassStatistics:
    """Describe k*/n_c of every class.

    kstar, labels: (n_measured,), labels 0 … n_classes - 1. sizes: (n_classes,), n_c of all images among which k* was
    found, those that were not measured included.
    """
    n_classes = len(sizes)

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(labels, weights=values, minlength=n_classes).astype(np.float64)

    measured = np.bincount(labels, minlength=n_classes)
    lowest, highest = np.full(n_classes, np.iinfo(np.int64).max), np.zeros(n_classes, dtype=np.int64)
    np.minimum.at(lowest, labels, kstar)
    np.maximum.at(highest, labels, kstar)
    fractions = kstar / sizes[labels]
    n = np.where((sizes >= 2) & (measured >= 1), measured, np.nan)
    mean = total(fractions) / n
    deviations = fractions - mean[labels]
    m2, m3 = total(deviations**2) / n, total(deviations**3) / n
    anchored_mean = (total(fractions) + 1) / (n + 2)
    deviations = fractions - anchored_mean[labels]
    anchored_m2 = (total(deviations**2) + anchored_mean**2 + (1 - anchored_mean) ** 2) / (n + 2)
    anchored_m3 = (total(deviations**3) - anchored_mean**3 + (1 - anchored_mean) ** 3) / (n + 2)
    return ClassStatistics(
        n_images=sizes,
        n_measured=measured,
        lowest=lowest,
        highest=highest,
        mean=mean,
        std=np.sqrt(m2),
        nn1_accuracy=total((kstar > 1).astype(np.float64)) / n,
        gamma=m3 / np.where(lowest < highest, m2, np.nan) ** 1.5,
        gamma_anchored=anchored_m3 / anchored_m2**1.5,
    )


def gamma(kstar: NDArray[np.int64]) -> float | None:
    """Skewness γ of one class: biased g1 = m3 / m2^1.5 of k*/n_c (the division by n_c does not change it).

    kstar: (n_c,) k* of every image of the class. |γ| <= (n_c - 2) / sqrt(n_c - 1). Lower is better.
    None for a class of one image and for a class whose k* are all equal.
    """
    return defined(_one_class(kstar).gamma)[0]


def gamma_anchored(kstar: NDArray[np.int64]) -> float | None:
    """γ after appending the two values 0 and 1 to k*/n_c, as the papers' figures have it; feels the level as well.

    kstar: (n_c,) k* of every image of the class. Lower is better. None for a class of one image only.
    """
    return defined(_one_class(kstar).gamma_anchored)[0]


def pattern(kstar: NDArray[np.int64]) -> Pattern | None:
    """Name of one class's k* distribution, as `patterns`; kstar: (n_c,) k* of every image of the class."""
    return patterns(_one_class(kstar))[0]


def patterns(classes: ClassStatistics) -> list[Pattern | None]:
    """Name every class's k* distribution by its plain γ; a class of equal k* goes by its level.

    None for a class of fewer than two images, or of which fewer than two were measured.

    All images at k* = n_c is clustered, all at k* = 1 is fractured, all at another equal value is overlapped.
    """
    names: list[Pattern | None] = []
    columns = (classes.n_measured, classes.n_images, classes.lowest, classes.highest, classes.gamma)
    for n_measured, n, low, high, skew in zip(*columns, strict=True):
        if n_measured < 2:
            names.append(None)
        elif skew > FRACTURED_ABOVE or high == 1:
            names.append("fractured")
        elif skew < CLUSTERED_BELOW or low == n:
            names.append("clustered")
        else:
            names.append("overlapped")
    return names


def notebook_gammas(classes: ClassStatistics) -> list[float | None]:
    """γ of every class as the authors' notebook has it, for comparison only; None below two images.

    A class whose images all lie inside their own class (k* = n_c) gets the smallest γ of the other classes, one whose
    nearest neighbours are all impostors (k* = 1) gets 0; both reward noise. None where there is no other class with a
    γ, and for a class of equal k* in between.
    """
    plain = defined(classes.gamma)
    smallest = min((value for value in plain if value is not None), default=None)
    return [
        smallest if value is None and n >= 2 and low == n else 0.0 if value is None and n >= 2 and high == 1 else value
        for value, n, low, high in zip(plain, classes.n_images, classes.lowest, classes.highest, strict=True)
    ]


def skewness(values: NDArray[np.float64]) -> float | None:
    """Biased skewness m3 / m2^1.5 of any values; None where all are equal."""
    if (values == values[0]).all():
        return None
    deviations = values - values.mean()
    squares = deviations * deviations
    return float((squares * deviations).mean() / squares.mean() ** 1.5)


def mean_defined(values: Iterable[float | None]) -> float | None:
    """Unweighted mean of the values that are defined, neither None nor NaN; None if none is."""
    there = [value for value in values if value is not None and not math.isnan(value)]
    return float(np.mean(there)) if there else None


def defined(values: NDArray[np.float64]) -> list[float | None]:
    """Return the values as floats, None for NaN."""
    return [None if math.isnan(value) else float(value) for value in values]


def _one_class(kstar: NDArray[np.int64]) -> ClassStatistics:
    return class_statistics(kstar, np.zeros(len(kstar), dtype=np.int64), np.array([len(kstar)]))
