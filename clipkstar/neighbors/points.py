"""Embeddings as k* reads them: exactly, in float64, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clipkstar.errors import InputError

Distance = Literal["euclidean", "cosine"]
DISTANCES: tuple[Distance, ...] = ("euclidean", "cosine")

CHUNK_BYTES = 8 * 2**20
"""Float64 rows held at a time."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """The points that one distance compares.

    source: (n_images, dim) float16, float32 or float64, in memory or memory-mapped; never changed, never copied whole.
    exponent: embeddings are divided by 2^exponent, which changes no order and keeps squares of huge and tiny
        embeddings in range; unit vectors (cosine) need none.
    lengths: (n_images,) float64, of the scaled embeddings.
    """

    source: NDArray[np.floating]
    distance: Distance
    exponent: int
    lengths: NDArray[np.float64]

    def rows(self, positions: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """Return points (len(positions), dim): scaled embeddings, or (cosine) embeddings brought to unit length."""
        taken = np.ascontiguousarray(self.source[positions], dtype=np.float64)
        if self.distance == "euclidean":
            return scaled(taken, self.exponent).astype(np.float64, copy=False)
        # Dividing by the largest entry first keeps the squares in range.
        unit: NDArray[np.float64] = taken / np.abs(taken).max(axis=1, keepdims=True)
        unit /= np.sqrt(np.einsum("ij,ij->i", unit, unit))[:, None]
        return unit

    def coarse_rows(self, positions: NDArray[np.int64]) -> NDArray[np.floating]:
        """Return the points in the type in which they can be centred with one rounding: float32 where they are that."""
        if self.distance == "cosine" or self.source.dtype.itemsize > 4:
            return self.rows(positions)
        return scaled(np.ascontiguousarray(self.source[positions], dtype=np.float32), self.exponent)

    def squared_distances(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Squared distances (n_pairs,) of pairs of images by summed squared differences: what decides every order."""
        squared = np.empty(len(first))
        # Squares of float32 differences stay in float64's range as they are, and scaling the sum is as exact.
        raw = self.distance == "euclidean" and self.source.dtype.itemsize <= 4
        read = self.source.__getitem__ if raw else self.rows
        for pairs in chunks(len(first), self.source.shape[1]):
            differences = np.subtract(read(first[pairs]), read(second[pairs]), dtype=np.float64, order="C")
            squared[pairs] = (differences * differences).sum(axis=1)
        return np.ldexp(squared, -2 * self.exponent) if raw else squared


def scaled(values: NDArray[np.floating], exponent: int) -> NDArray[np.floating]:
    """Divide by a power of two, in the type of the values."""
    # A product is much faster than ldexp, but the factor has to be a number of that type.
    if abs(exponent) < abs(int(np.frexp(np.finfo(values.dtype).tiny)[1])):
        quick: NDArray[np.floating] = values * values.dtype.type(2.0**-exponent)
        return quick
    slow: NDArray[np.floating] = np.ldexp(values, -exponent)
    return slow


def chunks(n_rows: int, dim: int) -> Iterator[slice]:
    """Cut rows into slices of CHUNK_BYTES in float64."""
    step = max(1, CHUNK_BYTES // (8 * dim))
    return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What one reading of all embeddings tells; exponent and lengths as in Points."""

    exponent: int
    lengths: NDArray[np.float64]

    @property
    def length_spread(self) -> float:
        """Longest embedding over the shortest; infinite where one is zero."""
        return float(self.lengths.max() / self.lengths.min()) if self.lengths.all() else np.inf


def survey(image_embeddings: NDArray[np.floating], labels: NDArray[np.int64], distances: Sequence[Distance]) -> Survey:
    """Read all embeddings once; raises InputError for embeddings or labels that have no k*."""
    if image_embeddings.ndim != 2 or labels.shape != image_embeddings.shape[:1] or image_embeddings.shape[1] == 0:
        raise InputError(
            f"k* got embeddings of shape {image_embeddings.shape} and labels of shape {labels.shape}; "
            "it needs (n_images, dim), dim at least 1, and (n_images,)."
        )
    if len(labels) == 0:
        raise InputError("k* got no image at all; it needs images of at least two classes.")
    peaks = np.concatenate(
        [np.abs(image_embeddings[rows]).max(axis=1).astype(np.float64) for rows in chunks(*image_embeddings.shape)]
    )
    finite = np.isfinite(peaks)
    if not finite.all():
        raise InputError(
            f"the embedding of row {int(np.argmin(finite))} holds NaN or infinity ({int((~finite).sum())} of "
            f"{len(labels)} rows do); k* needs finite embeddings, try --precision fp32."
        )
    if (labels == labels[0]).all():
        raise InputError("all images have one and the same label; k* needs images of at least two classes.")
    if "cosine" in distances and not peaks.all():
        raise InputError(
            f"the embedding of row {int(np.argmin(peaks))} is zero; the cosine distance needs a direction."
        )
    exponent = int(np.frexp(peaks.max())[1])
    lengths = np.empty(len(labels))
    for rows in chunks(*image_embeddings.shape):
        taken = scaled(np.ascontiguousarray(image_embeddings[rows], dtype=np.float64), exponent)
        lengths[rows] = np.sqrt(np.einsum("ij,ij->i", taken, taken))
    return Survey(exponent=exponent, lengths=lengths)
