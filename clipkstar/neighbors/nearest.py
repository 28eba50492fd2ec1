"""The nearest images of every image, whatever their class, found by faiss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipkstar.neighbors.points import Distance, Points, chunks

BLOCK_BYTES = 64 * 2**20
"""Float32 points searched at a time, on each side."""
LIST_LENGTH = 64
"""Neighbours kept per image: what the permutation null needs; knn20_accuracy and hubness read the first of them."""


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """The nearest images of every image, nearest first; the image itself is left out by its number.

    positions: (n, k) int64, k = LIST_LENGTH or all other images if there are fewer.
    squared_distances: (n, k) float32, ascending; under cosine those of unit-length embeddings, 2 - 2·cos.
    The order is float32's: near-ties may stand either way. k* itself never rests on it.
    """

    positions: NDArray[np.int64]
    squared_distances: NDArray[np.float32]


def search_nearest(
    image_embeddings: NDArray[np.floating], distance: Distance, queries: NDArray[np.int64] | None = None
) -> Nearest:
    """Find the nearest images of every image by an exact float32 search (faiss, flat).

    image_embeddings: (n_images, dim) floats, finite; of any length but zero under cosine. Read in blocks.
    queries: ascending positions of the images whose neighbours are wanted, one list each; None = all.
    """
    n_images = len(image_embeddings)
    peak = max(float(np.abs(image_embeddings[rows]).max()) for rows in chunks(*image_embeddings.shape))
    exponent = int(np.frexp(peak)[1]) if distance == "euclidean" else 0
    points = Points(source=image_embeddings, distance=distance, exponent=exponent, lengths=np.empty(0))
    centre = _short_centre(points.rows(np.arange(0, n_images, -(-n_images // 4096))))
    asked = np.arange(n_images) if queries is None else queries
    step = max(1, BLOCK_BYTES // (4 * image_embeddings.shape[1]))
    found = [
        _nearest_of(points, centre, asked[start : start + step], step=step) for start in range(0, len(asked), step)
    ]
    squared = np.concatenate([block for block, _ in found]).astype(np.float64)
    return Nearest(
        positions=np.concatenate([positions for _, positions in found]),
        squared_distances=np.maximum(np.ldexp(squared, 2 * exponent), 0).astype(np.float32),
    )


def _short_centre(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return about the mean, in so few binary digits that embeddings on a grid stay on one and their ties stay ties."""
    mean = rows.mean(axis=0)
    step = 2.0 ** (int(np.frexp(np.abs(rows - mean).max())[1]) - 8)
    return np.asarray(np.round(mean / step) * step)


def _nearest_of(
    points: Points, centre: NDArray[np.float64], asked: NDArray[np.int64], *, step: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Squared distances and positions (len(asked), k) of the nearest of all images, nearest first."""
    import faiss

    def small(positions: NDArray[np.int64]) -> NDArray[np.float32]:
        # The mean is taken away (distances stay) so that float32 keeps its digits.
        made = np.empty((len(positions), len(centre)), dtype=np.float32)
        for rows in chunks(*made.shape):
            made[rows] = points.rows(positions[rows]) - centre
        return made

    n_images = len(points.source)
    best = faiss.ResultHeap(len(asked), min(LIST_LENGTH + 1, n_images))
    seekers = small(asked)
    for start in range(0, n_images, step):
        block = small(np.arange(start, min(start + step, n_images)))
        squared, positions = faiss.knn(seekers, block, min(best.k, len(block)))
        best.add_result(squared, positions + start)
    best.finalize()
    # The image itself leaves its list; where exact duplicates have pushed it out, the last neighbour leaves instead.
    itself = asked[:, None] == best.I
    itself[~itself.any(axis=1), -1] = True
    return best.D[~itself].reshape(len(asked), -1), best.I[~itself].reshape(len(asked), -1)
