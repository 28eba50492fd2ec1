"""Exact k* search: for every image the rank of its first neighbour of another class, and which image that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clipkstar.errors import InputError

Distance = Literal["euclidean", "cosine"]
DISTANCES: tuple[Distance, ...] = ("euclidean", "cosine")

BLOCK_BYTES = 64 * 2**20
"""Memory of one block of distances; the whole search needs a few of these beside the embeddings."""


@dataclass(frozen=True, kw_only=True)
class Impostors:
    """k* of every image, in the order of the embeddings.

    kstar: (n_images,) int64, 1 … size of the image's class. high = deep inside its class.
    positions: (n_images,) int64, position of the nearest image of another class; the first one if several tie.
    kstar_without: (n_groups, n_images) int64, k* with one group of images left out at a time (an image's entry for its
        own group means nothing); None where no groups were given.
    """

    kstar: NDArray[np.int64]
    positions: NDArray[np.int64]
    kstar_without: NDArray[np.int64] | None = None


def search_impostors(
    image_embeddings: NDArray[np.floating],
    labels: NDArray[np.int64],
    distance: Distance = "euclidean",
    *,
    groups: NDArray[np.int64] | None = None,
) -> Impostors:
    """Find k* of every image exactly: `1 + #{j of the same class, j != i: d_ij < d_i}`, d_i = nearest other class.

    image_embeddings: (n_images, dim) float16, float32 or float64. labels: (n_images,) integers.
    groups: (n_images,) integers from 0; k* is then also found without each group in turn.
    The order of distances is the one that float64 gives: Euclidean by squared differences of the embeddings as stored,
    cosine by squared differences of the embeddings brought to unit length in float64. Ties go to the impostor.
    Raises InputError for shapes that do not match, no image, one class only, values that are not finite, and (cosine)
    embeddings of length zero; row numbers in messages are positions in `image_embeddings`.
    Source: Kotyan, Ueda, Vargas, arXiv 2312.04024.
    """
    points = _checked_points(image_embeddings, labels, distance)
    squared_norms = np.einsum("ij,ij->i", points, points)
    kstar = np.empty(len(points), dtype=np.int64)
    positions = np.empty(len(points), dtype=np.int64)
    membership = None if groups is None else np.eye(groups.max() + 1, dtype=np.float32)[groups]
    without = None if membership is None else np.empty((membership.shape[1], len(points)), dtype=np.int64)
    block_size = max(1, BLOCK_BYTES // (8 * len(points)))
    for start in range(0, len(points), block_size):
        block = np.arange(start, min(start + block_size, len(points)))
        to_impostor, to_own = _search_block(points, squared_norms, labels, block)
        positions[block] = to_impostor.argmin(axis=1)
        within = to_own < to_impostor.min(axis=1, keepdims=True)
        kstar[block] = 1 + within.sum(axis=1)
        if membership is not None and without is not None:
            without[:, block] = _without_groups(to_impostor, to_own, within, membership)
    return Impostors(kstar=kstar, positions=positions, kstar_without=without)


def _checked_points(
    image_embeddings: NDArray[np.floating], labels: NDArray[np.int64], distance: Distance
) -> NDArray[np.float64]:
    if image_embeddings.ndim != 2 or labels.shape != image_embeddings.shape[:1] or image_embeddings.shape[1] == 0:
        raise InputError(
            f"k* got embeddings of shape {image_embeddings.shape} and labels of shape {labels.shape}; "
            "it needs (n_images, dim), dim at least 1, and (n_images,)."
        )
    if len(labels) == 0:
        raise InputError("k* got no image at all; it needs images of at least two classes.")
    points = image_embeddings.astype(np.float64)
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        raise InputError(
            f"the embedding of row {int(np.argmin(finite))} holds NaN or infinity ({int((~finite).sum())} of "
            f"{len(points)} rows do); k* needs finite embeddings, try --precision fp32."
        )
    if (labels == labels[0]).all():
        raise InputError("all images have one and the same label; k* needs images of at least two classes.")
    if distance == "cosine":
        # Dividing by the largest entry first keeps the squares of huge and tiny embeddings in range.
        peaks = np.abs(points).max(axis=1, keepdims=True)
        if not peaks.all():
            raise InputError(
                f"the embedding of row {int(np.argmin(peaks))} is zero; the cosine distance needs a direction."
            )
        points /= peaks
        points /= np.sqrt(np.einsum("ij,ij->i", points, points))[:, None]
        return points
    # A power of two changes no order and keeps the squares of huge and tiny embeddings in range.
    return np.ldexp(points, -int(np.frexp(np.abs(points).max())[1]))


def _search_block(
    points: NDArray[np.float64], squared_norms: NDArray[np.float64], labels: NDArray[np.int64], block: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared distances (len(block), n_images) to impostors and to the own class, infinite elsewhere.

    A matrix product proposes; what decides the nearest impostor and the order around it is settled by differences.
    """
    squared = points[block] @ points.T
    squared *= -2
    squared += squared_norms
    squared += squared_norms[block, None]
    # With u the unit roundoff and m the largest squared norm: the product of dim terms errs by at most dim·u·m and
    # counts twice, each norm by dim·u·m, the two additions by 2u·4m. All of it stays under 4·(dim + 4)·u·m, and as
    # much again covers the rounding of the differences that settle.
    error = 8 * (points.shape[1] + 4) * (np.finfo(np.float64).eps / 2) * float(squared_norms.max())
    same_class = labels[block, None] == labels[None, :]
    to_impostor = np.where(same_class, np.inf, squared)
    _settle(to_impostor, to_impostor <= to_impostor.min(axis=1, keepdims=True) + 2 * error, points, block)
    same_class[np.arange(len(block)), block] = False
    to_own = np.where(same_class, squared, np.inf)
    _settle(to_own, np.abs(to_own - to_impostor.min(axis=1, keepdims=True)) <= 2 * error, points, block)
    return to_impostor, to_own


def _without_groups(
    to_impostor: NDArray[np.float64],
    to_own: NDArray[np.float64],
    within: NDArray[np.bool_],
    membership: NDArray[np.float32],
) -> NDArray[np.int64]:
    """k* (n_groups, len(block)) of the block's images without each group, from distances to all images.

    Leaving out a group moves the radius only where it holds the nearest impostor; elsewhere k* loses the group's own
    images inside the same radius. (Distances that are not settled here are off by rounding only.)
    """
    n_groups = membership.shape[1]
    nearest = np.stack([to_impostor[:, membership[:, group] > 0].min(axis=1) for group in range(n_groups)])
    home = nearest.argmin(axis=0)
    images = np.arange(len(home))
    kstar_without: NDArray[np.float32] = 1 + within.sum(axis=1) - (within.astype(np.float32) @ membership).T
    nearest[home, images] = np.inf
    wider = (to_own < nearest.min(axis=0)[:, None]).astype(np.float32) @ membership
    kstar_without[home, images] = 1 + wider.sum(axis=1) - wider[images, home]
    return kstar_without.astype(np.int64)


def _settle(
    squared: NDArray[np.float64], unclear: NDArray[np.bool_], points: NDArray[np.float64], block: NDArray[np.int64]
) -> None:
    """Overwrite the unclear entries of `squared` by the sum of squared differences."""
    rows, columns = np.nonzero(unclear)
    chunk = max(1, BLOCK_BYTES // (8 * points.shape[1]))
    for start in range(0, len(rows), chunk):
        pairs = slice(start, start + chunk)
        differences = points[block[rows[pairs]]] - points[columns[pairs]]
        squared[rows[pairs], columns[pairs]] = (differences * differences).sum(axis=1)
