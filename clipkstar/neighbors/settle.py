"""Choose every image's nearest impostor among the proposals; where bounds overlap, float64 differences decide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clipkstar.neighbors.crowded import settle_crowded
from clipkstar.neighbors.radii import Radii, Radius
from clipkstar.neighbors.sweep import Proposals


def settle(radii: Radii, proposals: Proposals, labels: NDArray[np.int64], groups: NDArray[np.int64] | None) -> None:
    """Fill in the radii of the images that the proposals are for."""
    _choose(radii.nearest, proposals)
    if groups is not None:
        home = groups[radii.nearest.position[proposals.images]]
        _choose(radii.without_home, proposals.take(groups[proposals.impostors] != home))
    if len(proposals.crowded):
        settle_crowded(radii, proposals.crowded, labels, groups)


def _choose(radius: Radius, proposals: Proposals) -> None:
    """Keep the nearest of each image's proposals; of equally near ones the first position."""
    if not len(proposals.images):
        return
    proposals = proposals.take(np.argsort(proposals.images, kind="stable"))
    starts = np.flatnonzero(np.diff(proposals.images, prepend=-1))
    sizes = np.diff(starts, append=len(proposals.images))
    low = np.maximum.reduceat(proposals.values - proposals.slack, starts)
    contends = proposals.values + proposals.slack >= np.repeat(low, sizes)
    # One left: it is the nearest. It may still coincide with the image, and then nobody is inside: better be exact.
    clear = (np.add.reduceat(contends.astype(np.int64), starts) == 1) & (low < 0)
    clear &= np.maximum.reduceat(proposals.values + proposals.slack, starts) < 0
    sure = proposals.take(contends & np.repeat(clear, sizes))
    radius.estimate(sure.images, sure.impostors, sure.values, sure.slack)
    open_ones = proposals.take(contends & ~np.repeat(clear, sizes))
    squared = radius.points.squared_distances(open_ones.images, open_ones.impostors)
    order = np.lexsort((open_ones.impostors, squared, open_ones.images))
    winners = order[np.flatnonzero(np.diff(open_ones.images[order], prepend=-1))]
    radius.settle(open_ones.images[winners], open_ones.impostors[winners], squared[winners])
