"""What Γ′ and kstar_mean would be if labels said nothing: labels permuted over the same embeddings, class sizes kept.

Under random labels the first impostor is almost always among the first few neighbours, so one list of nearest images
serves every permutation. Source: permutation tests, Good, "Permutation, Parametric and Bootstrap Tests", 3rd ed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clipkstar.skewness import class_statistics, mean_defined

if TYPE_CHECKING:
    from clipkstar.neighbors.nearest import Nearest

N_PERMUTATIONS = 200
PERMUTATION_SEED = 0
MOST_EXHAUSTED = 0.01
"""Share of images whose whole list may be of their own class; above it the null is undefined."""
FIRST_LOOK = 8
"""Neighbours looked at for every image; the others only for images that met no impostor among these."""


@dataclass(frozen=True, kw_only=True)
class PermutationNull:
    """Γ′ and kstar_mean under permuted labels; None where undefined.

    gamma_approx: mean over permutations; gamma_approx_sd: their standard deviation (n - 1).
    reason: a sentence that says why something is None.
    """

    gamma_approx: float | None
    gamma_approx_sd: float | None
    kstar_mean: float | None
    reason: str | None = None


def permutation_null(
    nearest: Nearest, labels: NDArray[np.int64], *, images: NDArray[np.int64], n_permutations: int = N_PERMUTATIONS
) -> PermutationNull:
    """Permute the labels and average.

    nearest: lists of the `images` (positions, in that order) over all images. labels: (n_images,) of all images.
    Undefined where over MOST_EXHAUSTED of the images find their own class only in their list, and Γ′ also where more
    than half of the classes of two images or more have no γ.
    """
    draws = np.random.default_rng(PERMUTATION_SEED)
    before = _strictly_nearer(nearest.squared_distances)
    sizes = np.bincount(labels)
    gammas, kstar_means, undefined, n_exhausted = [], [], 0.0, 0
    for _ in range(n_permutations):
        permuted = draws.permutation(labels)
        kstar, exhausted = _kstar(permuted, images, nearest.positions, before)
        n_exhausted += exhausted
        classes = class_statistics(kstar, permuted[images], sizes)
        gammas.append(mean_defined(classes.gamma))
        kstar_means.append(mean_defined(classes.mean))
        undefined += float(np.isnan(classes.gamma[sizes >= 2]).mean()) if (sizes >= 2).any() else 1.0
    share = n_exhausted / (n_permutations * len(images))
    if share > MOST_EXHAUSTED:
        reason = (
            f"the permutation null is null: {100 * share:.1f} % of the images find nobody of another class among their "
            f"{nearest.positions.shape[1]} nearest when labels are permuted."
        )
        return PermutationNull(gamma_approx=None, gamma_approx_sd=None, kstar_mean=None, reason=reason)
    known = [value for value in gammas if value is not None]
    if undefined / n_permutations > 0.5 or len(known) < n_permutations:
        reason = (
            f"gamma_approx_null is null: with permuted labels {100 * undefined / n_permutations:.0f} % of the classes "
            "have no γ."
        )
        return PermutationNull(
            gamma_approx=None, gamma_approx_sd=None, kstar_mean=mean_defined(kstar_means), reason=reason
        )
    return PermutationNull(
        gamma_approx=float(np.mean(known)),
        gamma_approx_sd=float(np.std(known, ddof=1)),
        kstar_mean=mean_defined(kstar_means),
    )


def _strictly_nearer(squared_distances: NDArray[np.float32]) -> NDArray[np.int16]:
    """Count, for every entry of ascending lists, the entries that are nearer: its ties are not."""
    places = np.arange(squared_distances.shape[1], dtype=np.int16)
    starts = np.zeros(squared_distances.shape, dtype=np.int16)
    rises = squared_distances[:, 1:] > squared_distances[:, :-1]
    starts[:, 1:] = np.where(rises, places[1:], 0)
    return np.asarray(np.maximum.accumulate(starts, axis=1))


def _kstar(
    labels: NDArray[np.int64], images: NDArray[np.int64], lists: NDArray[np.int64], before: NDArray[np.int16]
) -> tuple[NDArray[np.int64], int]:
    """Return k* of the images by their lists, and how many met no impostor there (k* = length of the list + 1)."""
    own = labels[images]
    first = (labels[lists[:, :FIRST_LOOK]] != own[:, None]).argmax(axis=1)
    unmet = np.flatnonzero((first == 0) & (labels[lists[:, 0]] == own))
    impostors = labels[lists[unmet]] != own[unmet, None]
    first[unmet] = impostors.argmax(axis=1)
    exhausted = unmet[~impostors.any(axis=1)]
    kstar = 1 + np.take_along_axis(before, first[:, None], axis=1)[:, 0].astype(np.int64)
    kstar[exhausted] = 1 + lists.shape[1]
    return kstar, len(exhausted)
