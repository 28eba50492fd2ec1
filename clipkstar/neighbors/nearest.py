"""The nearest images of every image, whatever their class, found by faiss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from clipkstar.neighbors.points import Distance

LIST_LENGTH = 64
"""Neighbours kept per image: what the permutation null needs; knn20_accuracy and hubness read the first of them."""


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """The nearest images of every image, nearest first; the image itself is left out by its number.

    positions: (n_images, k) int64, k = LIST_LENGTH or all other images if there are fewer.
    squared_distances: (n_images, k) float32, ascending; under cosine those of unit-length embeddings, 2 - 2·cos.
    The order is float32's: near-ties may stand either way. k* itself never rests on it.
    """

    positions: NDArray[np.int64]
    squared_distances: NDArray[np.float32]


def search_nearest(image_embeddings: NDArray[np.floating], distance: Distance) -> Nearest:
    """Find the nearest images of every image by an exact float32 search (faiss, flat).

    image_embeddings: (n_images, dim) floats, finite; of any length but zero under cosine.
    """
    import faiss

    # The mean is taken away (distances stay) and a power of two (order stays) so that float32 keeps its digits.
    points = image_embeddings.astype(np.float64)
    if distance == "cosine":
        points /= np.abs(points).max(axis=1, keepdims=True)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    points -= points.mean(axis=0)
    exponent = int(np.frexp(np.abs(points).max())[1])
    small = np.ascontiguousarray(np.ldexp(points, -exponent), dtype=np.float32)
    n_images = len(small)
    squared, positions = faiss.knn(small, small, min(LIST_LENGTH + 1, n_images))
    # The image itself leaves its list; where exact duplicates have pushed it out, the last neighbour leaves instead.
    itself = positions == np.arange(n_images)[:, None]
    itself[~itself.any(axis=1), -1] = True
    squared = np.ldexp(squared[~itself].reshape(n_images, -1).astype(np.float64), 2 * exponent)
    return Nearest(
        positions=positions[~itself].reshape(n_images, -1),
        squared_distances=np.maximum(squared, 0).astype(np.float32),
    )
