"""The least standard error of a difference in a k* score: that of images whose k* are independent.

One image is many images' impostor, so k* values hang together and the true error is larger; the jackknife measures it.
But where few images differ, its 20 values may by chance hardly vary, and then a single image would pass for proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clipkstar.regression.image_bootstrap import class_mean_standard_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


def of_nearest(candidate: Integers, baseline: Integers) -> float:
    """Of the share of images whose nearest neighbour has their label; candidate, baseline: (n_images,) k*."""
    differences = (candidate > 1).astype(np.float64) - (baseline > 1)
    return float(np.std(differences, ddof=1) / np.sqrt(len(differences)))


def of_means(labels: Integers, candidate: Integers, baseline: Integers) -> float:
    """Of the mean over classes of mean k*/n_c, in units of it; labels, candidate, baseline: (n_images,) of k*."""
    sizes = np.bincount(labels)[labels]
    return _of_class_means(labels, (candidate - baseline) / sizes)


def of_gammas(labels: Integers, candidate: Integers, baseline: Integers) -> float:
    """Of the mean over classes of γ; labels, candidate, baseline: (n_images,) of k*, of classes whose γ are defined."""
    return _of_class_means(labels, _influences(labels, candidate) - _influences(labels, baseline))


def _influences(labels: Integers, kstar: Integers) -> Floats:
    """How much γ of its class each image moves, (n_images,): z³ - 3z - γ - 3/2 γ (z² - 1), z = standardised k*."""
    sizes = np.bincount(labels)

    def means(values: Floats) -> Floats:
        of_images: Floats = (np.bincount(labels, weights=values) / np.maximum(sizes, 1))[labels]
        return of_images

    deviations = kstar - means(kstar.astype(np.float64))
    z = deviations / np.sqrt(means(deviations**2))
    gamma = means(z**3)
    moved: Floats = z**3 - 3 * z - gamma - 1.5 * gamma * (z**2 - 1)
    return moved


def _of_class_means(labels: Integers, differences: Floats) -> float:
    return class_mean_standard_error(labels, differences) if differences.any() else 0.0
