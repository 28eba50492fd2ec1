"""Images whom very many impostors are equally near, such as exact duplicates: searched one by one in float64."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from clipkstar.neighbors.points import Points, chunks
from clipkstar.neighbors.radii import Radii, Radius

BLOCK = 512
"""Images searched together; with as many columns as CHUNK_BYTES hold, a block of distances."""


def settle_crowded(
    radii: Radii, images: NDArray[np.int64], labels: NDArray[np.int64], groups: NDArray[np.int64] | None
) -> None:
    """Fill in the radii of the images (positions) by looking at every impostor."""
    identity = _identities(radii.nearest.points)
    twins = _twins_of_other_classes(images, identity, labels)
    _fill(radii.nearest, images, twins, labels, None)
    if groups is not None:
        home = groups[radii.nearest.position[images]]
        twins = _twins_elsewhere(images, home, identity, labels, groups)
        _fill(radii.without_home, images, twins, labels, (groups, home))


def _fill(
    radius: Radius,
    images: NDArray[np.int64],
    twins: NDArray[np.int64],
    labels: NDArray[np.int64],
    left_out: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
) -> None:
    """Settle images that have a twin (position, or -1) at distance 0, and search for the others."""
    has_twin = twins >= 0
    radius.settle(images[has_twin], twins[has_twin], np.zeros(int(has_twin.sum())))
    if left_out is not None:
        left_out = left_out[0], left_out[1][~has_twin]
    squared, position = _search(images[~has_twin], radius.points, labels, left_out)
    radius.settle(images[~has_twin], position, squared)


def _identities(points: Points) -> NDArray[np.int64]:
    """Number (n_images,) every point so that equal points, and no others, have equal numbers."""
    digests = np.empty(len(points.source), dtype="V16")
    for rows in chunks(*points.source.shape):
        taken = points.rows(rows) + 0.0  # makes -0.0 and 0.0 one number
        digests[rows] = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in taken]
    return np.unique(digests, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _twins_of_other_classes(
    images: NDArray[np.int64], identity: NDArray[np.int64], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the first position of an equal point of another class for each of the images, -1 if there is none."""
    missing = len(labels)
    first = np.full(identity.max() + 1, missing)
    np.minimum.at(first, identity, np.arange(missing))
    other = labels != labels[first[identity]]
    first_of_others = np.full(len(first), missing)
    np.minimum.at(first_of_others, identity[other], np.flatnonzero(other))
    same = identity[images]
    found = np.where(labels[images] == labels[first[same]], first_of_others[same], first[same])
    return np.where(found == missing, -1, found)


def _twins_elsewhere(
    images: NDArray[np.int64],
    home: NDArray[np.int64],
    identity: NDArray[np.int64],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return a position of an equal point of another class outside of each image's home group, -1 if there is none."""
    found = np.full(len(images), -1)
    order = np.argsort(identity, kind="stable")
    starts = np.searchsorted(identity[order], np.arange(identity.max() + 2))
    for same in np.unique(identity[images]):
        twins = order[starts[same] : starts[same + 1]]
        _, first = np.unique(np.stack([labels[twins], groups[twins]]), axis=1, return_index=True)
        kinds = twins[first]  # one for each class and group is as good as all
        asked = np.flatnonzero(identity[images] == same)
        for part in np.array_split(asked, -(-len(asked) * len(kinds) // 2**20)):
            fits = (labels[kinds] != labels[images[part], None]) & (groups[kinds] != home[part, None])
            found[part] = np.where(fits.any(axis=1), kinds[fits.argmax(axis=1)], -1)
    return found


def _search(
    images: NDArray[np.int64],
    points: Points,
    labels: NDArray[np.int64],
    left_out: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the smallest squared distance to an impostor and its first position, infinite and -1 if there is none.

    left_out: groups of all images, and for each of the images the group whose members do not count.
    """
    squared, position = np.full(len(images), np.inf), np.full(len(images), -1, dtype=np.int64)
    for start in range(0, len(images), BLOCK):
        block = slice(start, start + BLOCK)
        best = np.full(len(images[block]), np.inf)
        for pair_of_passes in ("bound", "settle"):
            for columns in chunks(len(labels), max(BLOCK, points.source.shape[1])):
                low, high = _bounds(points, images[block], columns)
                barred = labels[images[block], None] == labels[None, columns]
                if left_out is not None:
                    barred |= left_out[1][block, None] == left_out[0][None, columns]
                high[barred] = np.inf
                if pair_of_passes == "bound":
                    np.minimum(best, high.min(axis=1), out=best)
                    continue
                rows, others = np.nonzero((low <= best[:, None]) & ~barred)
                _keep_nearest(squared[block], position[block], rows, points, images[block], others + columns.start)
    return squared, position


def _bounds(
    points: Points, images: NDArray[np.int64], columns: slice
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds (n_images, n_columns) of squared distances from a float64 product.

    With u the unit roundoff and K = dim + 4: product and norms err by at most K u times |x||y|, |x|² and |y|², and as
    much again covers the rounding of the differences that settle: 8 K u (|x|² + |y|²) is more than all of it.
    """
    left, right = points.rows(images), points.rows(columns)
    squares = np.einsum("ij,ij->i", left, left)[:, None] + np.einsum("ij,ij->i", right, right)[None, :]
    middle = squares - 2 * (left @ right.T)
    squares *= 8 * (left.shape[1] + 4) * (np.finfo(np.float64).eps / 2)
    squares += np.finfo(np.float64).tiny  # what squares lose that are too small for float64
    return middle - squares, middle + squares


def _keep_nearest(
    squared: NDArray[np.float64],
    position: NDArray[np.int64],
    rows: NDArray[np.int64],
    points: Points,
    images: NDArray[np.int64],
    others: NDArray[np.int64],
) -> None:
    """Let the pairs (rows of the block, positions of others) compete for the nearest of each row; `rows` ascends."""
    for pairs in chunks(len(rows), points.source.shape[1]):
        row, other = rows[pairs], others[pairs]
        found = points.squared_distances(images[row], other)
        order = np.lexsort((other, found, row))
        winners = order[np.flatnonzero(np.diff(row[order], prepend=-1))]
        nearer = winners[found[winners] < squared[row[winners]]]  # of equals the earlier position is there already
        squared[row[nearer]], position[row[nearer]] = found[nearer], other[nearer]
