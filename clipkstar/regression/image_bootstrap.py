"""Paired bootstrap over images: standard errors of differences in mean class recall and calibration error.

Classes keep their sizes, and each image is drawn for candidate and baseline at once. From a class of n images n - 1 are
drawn, each of which counts n / (n - 1) times: that makes the variance of a class mean unbiased, which drawing n makes
(n - 1) / n of what it is. Source: Rao and Wu, JASA 83 (1988), 231-241. Classes of so few images that these may all
change alike by chance are taken together as one, which makes their spread rather too large (collapsed strata: Cochran,
Sampling Techniques, 1977, section 5A.12).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipkstar.metrics.zero_shot import ECE_BINS, confidence_bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Integers = NDArray[np.int64]

N_DRAWS = 1000
"""The standard error is then itself known to about 2 %."""
SEED = 0
FEWEST = 10
"""Images of a stratum: of two that differ half the time, both would fall one time in sixteen, and show no spread."""
DRAWN_AT_ONCE = 1 << 20
"""Images drawn before they are counted, which bounds the memory."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one encoder made of the images. correct: (n_images,) bool. confidences: (n_images,) float64 in 0 … 1."""

    correct: Bools
    confidences: Floats


def recall_standard_error(labels: Integers, differences: Floats) -> float:
    """Standard error of the mean over classes of the mean difference in the class.

    labels: (n_images,). differences: (n_images,), such as baseline right - candidate right, -1, 0 or 1.
    Where all images differ alike, or none does, it is 1 / n_images, what one that does otherwise would give on average:
    to see none does not tell that there are none.
    """
    if (differences == differences[0]).all():
        return 1 / len(labels)
    return class_mean_standard_error(labels, differences)


def class_mean_standard_error(labels: Integers, differences: Floats) -> float:
    """Standard error of the mean over classes of the mean of `differences`, (n_images,), in the class.

    Nothing is drawn: for a mean of class means the variance of the bootstrap has a closed form. Of the small classes it
    is taken about 0 instead of about their mean, which so few images do not tell; that is what it is where candidate
    and baseline are equal, and larger where they are not.
    """
    strata, sizes, has_small = _strata(labels)
    n_classes = len(np.unique(labels))
    of_class = np.bincount(labels)[labels]
    # Each image's part in the score; within a class they differ only by the difference.
    parts = differences / of_class / n_classes
    means = np.bincount(strata, weights=parts) / sizes
    factors = sizes / np.maximum(sizes - 1, 1)
    if has_small:
        means[0], factors[0] = 0.0, 1.0
    squares = np.bincount(strata, weights=(parts - means[strata]) ** 2)
    return float(np.sqrt(np.sum(squares * factors)))


def ece_standard_error(labels: Integers, candidate: Side, baseline: Side) -> float:
    """Standard error of the difference of the expected calibration errors; labels: (n_images,).

    Noise in its bins makes a calibration error larger the fewer images there are. For encoders whose confidences spread
    alike that is the same on both sides; what is compared is the calibration error to be expected of so many images.
    """
    strata, sizes, _ = _strata(labels)
    order = np.argsort(strata, kind="stable")
    starts = np.cumsum(sizes) - sizes
    n_drawn = np.where(sizes > 1, sizes - 1, 1)
    pools = np.repeat(np.arange(len(sizes)), n_drawn)
    counts_as = np.repeat(sizes / n_drawn, n_drawn)
    random = np.random.default_rng(SEED)
    differences = []
    at_once = max(1, DRAWN_AT_ONCE // len(pools))
    for first in range(0, N_DRAWS, at_once):
        shape = (min(at_once, N_DRAWS - first), len(pools))
        places = (random.random(shape) * sizes[pools]).astype(np.int64)
        drawn = order[starts[pools] + places]
        differences.append(_drawn_ece(candidate, drawn, counts_as) - _drawn_ece(baseline, drawn, counts_as))
    return float(np.std(np.concatenate(differences), ddof=1))


def _drawn_ece(side: Side, drawn: Integers, counts_as: Floats) -> Floats:
    """Expected calibration error of each draw, (n_draws,); drawn: (n_draws, n) images, each counting as so many."""
    n_draws = len(drawn)
    cells = confidence_bins(side.confidences)[drawn] + ECE_BINS * np.arange(n_draws)[:, None]
    gaps = (side.correct - side.confidences)[drawn] * counts_as
    of_bins = np.bincount(cells.ravel(), weights=gaps.ravel(), minlength=n_draws * ECE_BINS)
    sums: Floats = np.abs(of_bins).reshape(n_draws, ECE_BINS).sum(axis=1)
    return sums / len(side.correct)


def _strata(labels: Integers) -> tuple[Integers, Integers, bool]:
    """Number of each image's stratum (n_images,), and their sizes: classes, the small ones taken together.

    Also whether there are small ones; they are then stratum 0. Where these have fewer than FEWEST images in all, the
    smallest other class joins them.
    """
    sizes = np.bincount(labels)
    is_small = (sizes > 0) & (sizes < FEWEST)
    if 0 < sizes[is_small].sum() < FEWEST and not is_small[sizes > 0].all():
        is_small[int(np.argmin(np.where(is_small | (sizes == 0), sizes.max() + 1, sizes)))] = True
    merged = np.where(is_small, -1, np.arange(len(sizes)))
    strata = np.unique(merged[labels], return_inverse=True)[1].reshape(-1)
    return strata, np.bincount(strata), bool(is_small.any())
