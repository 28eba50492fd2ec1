"""Exact k* search: for every image the rank of its first neighbour of another class, and which image that is.

Pass one finds the nearest impostor of every image (`sweep`, or `flat` by faiss), pass two counts the images of its own
class inside that radius (`own_class`). Both work on rounded points with a proved error bound (`rounding`); whatever the
bound leaves open is settled by float64 differences of the embeddings as stored (`settle`, `crowded`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clipkstar.errors import InputError
from clipkstar.full_float32 import full_float32
from clipkstar.neighbors.engine import Engine
from clipkstar.neighbors.points import DISTANCES, Distance, Points, survey

if TYPE_CHECKING:
    from clipkstar.neighbors.own_class import Counts
    from clipkstar.neighbors.radii import Radii
    from clipkstar.neighbors.rounding import Product, Store
    from clipkstar.neighbors.sweep import Proposals, View

PANEL = {"cpu": 2048, "cuda": 8192, "mps": 4096}
"""Images on one side of a tile. On two CPU cores 2,048 took less time than 1,024, 1,536 and 3,072."""
EVEN_LENGTHS = 16.0
"""Embeddings whose lengths differ by more than this factor get a product of their own for cosine."""


@dataclass(frozen=True, kw_only=True)
class Impostors:
    """k* of every image that was asked for, in the order of the embeddings (n of them).

    kstar: (n,) int64, 1 … size of the image's class. high = deep inside its class.
    positions: (n,) int64, position of the nearest image of another class; the first one if several tie.
    kstar_without: (n_groups, n) int32, k* with one group of images left out at a time (an image's entry for its own
        group means nothing); None where no groups were given.
    """

    kstar: NDArray[np.int64]
    positions: NDArray[np.int64]
    kstar_without: NDArray[np.int32] | None = None


def search_impostors(
    image_embeddings: NDArray[np.floating],
    labels: NDArray[np.int64],
    distances: Sequence[Distance] = ("euclidean",),
    *,
    groups: NDArray[np.int64] | None = None,
    queries: NDArray[np.int64] | None = None,
    engine: Engine | None = None,
) -> Mapping[Distance, Impostors]:
    """Find k* of every image exactly: `1 + #{j of the same class, j != i: d_ij < d_i}`, d_i = nearest other class.

    image_embeddings: (n_images, dim) float16, float32 or float64, in memory or memory-mapped; read in pieces.
    labels: (n_images,) integers. groups: (n_images,) integers from 0; k* is then also found without each group in turn.
    queries: ascending positions of the images whose k* is wanted; None = all. Each is compared with all images.
    The order of distances is the one that float64 gives: Euclidean by squared differences of the embeddings as stored,
    cosine by squared differences of the embeddings brought to unit length in float64. Ties go to the impostor.
    Extra memory: within 256 MiB for 50,000 x 512; per image about 150 bytes for each distance, 450 with groups (the
    faiss backend holds a float32 copy besides).
    Raises InputError for shapes that do not match, no image, one class only, values that are not finite, and (cosine)
    embeddings of length zero; row numbers in messages are positions in `image_embeddings`.
    Source: Kotyan, Ueda, Vargas, arXiv 2312.04024.
    """
    engine = engine or Engine()
    # Cosine can be read off a product of the embeddings as they are, Euclidean not off one of unit vectors.
    chosen = tuple(distance for distance in DISTANCES if distance in distances)
    seen = survey(image_embeddings, labels, chosen)
    exact = {
        distance: Points(source=image_embeddings, distance=distance, exponent=seen.exponent, lengths=seen.lengths)
        for distance in chosen
    }
    if unknown := [distance for distance in distances if distance not in DISTANCES]:
        raise InputError(f"k* got the distance '{unknown[0]}'; it needs one or both of {', '.join(DISTANCES)}.")
    if queries is not None and not len(queries):
        raise InputError("k* got no query; it needs the positions of some images, or None for all.")
    codes = np.unique(labels, return_inverse=True)[1].reshape(-1)  # labels of any integers, such as -1
    pool = _Pool(labels=codes, groups=groups, queries=queries)
    shared = len(chosen) > 1 and engine.backend != "faiss" and seen.length_spread <= EVEN_LENGTHS
    found: dict[Distance, Impostors] = {}
    import torch

    with full_float32(), torch.no_grad(), torch.autocast(engine.device, enabled=False):
        for points in [list(exact.values())] if shared else [[one] for one in exact.values()]:
            found |= _search(points, pool, engine)
    return found


@dataclass(frozen=True, kw_only=True)
class _Pool:
    """The images and what is asked of them; fields as in `search_impostors`."""

    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    queries: NDArray[np.int64] | None


def _search(exact: Sequence[Points], pool: _Pool, engine: Engine) -> dict[Distance, Impostors]:
    """Search under the distances of the points by one product, that of the first of them."""
    from clipkstar.neighbors.own_class import count_inside
    from clipkstar.neighbors.radii import Radii, Radius
    from clipkstar.neighbors.rounding import pick_product
    from clipkstar.neighbors.settle import settle
    from clipkstar.neighbors.sweep import view_of

    product = pick_product(engine)
    radii = [Radii(nearest=Radius.unknown(points), without_home=Radius.unknown(points)) for points in exact]
    views = [
        view_of(points.distance, derived=points is not exact[0], product=product, device=engine.device)
        for points in exact
    ]
    store, proposed = _propose(exact[0], pool, views, product, engine)
    for proposals in proposed:
        for radius, proposal in zip(radii, proposals, strict=True):
            settle(radius, proposal, pool.labels, pool.groups)
    if product != "float32":
        store = replace(store, product="float32", whole=None)
        views = [
            view_of(view.distance, derived=view.derived, product="float32", device=engine.device) for view in views
        ]
    counts = count_inside(store, views, radii, pool.labels, pool.groups, pool.queries)
    return {
        points.distance: _impostors(radius, count, pool)
        for points, radius, count in zip(exact, radii, counts, strict=True)
    }


def _propose(
    points: Points, pool: _Pool, views: Sequence[View], product: Product, engine: Engine
) -> tuple[Store, Iterator[list[Proposals]]]:
    """Return the rounded points, and for every panel of images the proposals of each view."""
    from clipkstar.neighbors.flat import propose_flat
    from clipkstar.neighbors.panels import lay_out
    from clipkstar.neighbors.rounding import find_centre, open_store
    from clipkstar.neighbors.sweep import propose

    everyone = np.arange(len(pool.labels))
    size = PANEL[engine.device]
    panels = lay_out(pool.labels, pool.groups, everyone, size)
    seekers = panels if pool.queries is None else lay_out(pool.labels, pool.groups, pool.queries, size)
    store = open_store(points, panels, find_centre(points), product=product, device=engine.device)
    if engine.backend == "faiss":
        return store, ([proposals] for proposals in propose_flat(seekers, panels, store, views[0], pool.groups))
    return store, propose(seekers, panels, store, views, seeks_second=pool.groups is not None)


def _impostors(radii: Radii, counts: Counts, pool: _Pool) -> Impostors:
    asked = slice(None) if pool.queries is None else pool.queries
    inside, positions = counts.inside[asked], radii.nearest.position[asked]
    within = inside.sum(axis=1, dtype=np.int64)
    if pool.groups is None or counts.wider is None:
        return Impostors(kstar=1 + within, positions=positions)
    # Leaving out a group moves the radius only where it holds the nearest impostor; elsewhere k* loses the group's own
    # images inside the same radius.
    without = np.subtract(1 + within[None, :], inside.T, dtype=np.int32)
    home, images, wider = pool.groups[positions], np.arange(len(positions)), counts.wider[asked]
    without[home, images] = 1 + wider.sum(axis=1) - wider[images, home]
    return Impostors(kstar=1 + within, positions=positions, kstar_without=without)
