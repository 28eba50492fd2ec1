"""The two sides of a bundled source, kept apart: no training picture is a held-out one."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEAR_GREY_LEVELS = 4.0
"""Mean absolute difference below which two emoji are one picture: seen to separate twins such as inbox and outbox tray
from mere likeness."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One side of a split.

    pictures: (n, height, width) or (n, height, width, 3) uint8; labels: (n,) int64 into the source's class names;
    names and code_points: n strings each for emoji, empty otherwise.
    """

    pictures: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...] = ()
    code_points: tuple[str, ...] = ()

    def take(self, rows: NDArray[np.int64]) -> "Part":
        """The part of these rows, in this order."""
        return Part(
            pictures=self.pictures[rows],
            labels=self.labels[rows],
            names=tuple(self.names[row] for row in rows) if self.names else (),
            code_points=tuple(self.code_points[row] for row in rows) if self.code_points else (),
        )


@dataclass(frozen=True, kw_only=True)
class Source:
    """A split source; no training picture equals a held-out one (see `separate`)."""

    name: str
    class_names: tuple[str, ...]
    train: Part
    held_out: Part


def digests(pictures: NDArray[np.uint8]) -> list[bytes]:
    """SHA-256 of the pixel bytes of every picture."""
    return [hashlib.sha256(picture.tobytes()).digest() for picture in pictures]


def _distances(pictures: NDArray[np.uint8], picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute difference in grey levels of each of the pictures to the one."""
    differences = np.abs(pictures.astype(np.int16) - picture.astype(np.int16))
    return np.asarray(differences.reshape(len(pictures), -1).mean(axis=1), dtype=np.float64)


def separate(train: Part, held_out: Part, *, near: bool = False) -> tuple[Part, Part]:
    """Drops repeated held-out pictures, then training pictures that equal (`near`: nearly equal) a held-out one."""
    first = {digest: row for row, digest in reversed(list(enumerate(digests(held_out.pictures))))}
    held_out = held_out.take(np.array(sorted(first.values()), dtype=np.int64))
    if near:
        kept: list[int] = []
        for row, picture in enumerate(held_out.pictures):
            if not kept or _distances(held_out.pictures[kept], picture).min() >= NEAR_GREY_LEVELS:
                kept.append(row)
        held_out = held_out.take(np.array(kept))
    keep = np.array([digest not in first for digest in digests(train.pictures)])
    if near:
        for row in np.flatnonzero(keep).tolist():
            keep[row] = _distances(held_out.pictures, train.pictures[row]).min() >= NEAR_GREY_LEVELS
    return train.take(np.flatnonzero(keep)), held_out
