"""Neighbour searches over one set of embeddings: impostors, which k* is made of, and nearest images."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clipkstar.embeddings import Embeddings
from clipkstar.neighbors.impostors import DISTANCES, Distance, Impostors, search_impostors
from clipkstar.neighbors.nearest import LIST_LENGTH, Nearest, search_nearest

__all__ = ["DISTANCES", "LIST_LENGTH", "Distance", "Impostors", "Nearest", "Neighbors", "search_impostors"]


@dataclass(frozen=True)
class Neighbors:
    """Neighbour searches over one set of embeddings; each is made once, by the first metric that asks."""

    embeddings: Embeddings
    _found: dict[tuple[Distance, bytes], Impostors] = field(default_factory=dict, repr=False)
    _nearest: dict[Distance, Nearest] = field(default_factory=dict, repr=False)

    def search_impostors(self, distance: Distance, groups: NDArray[np.int64] | None = None) -> Impostors:
        """Return k* of every image under one distance; raises InputError as `search_impostors` of this module."""
        if groups is None:
            earlier = [found for (kind, _), found in self._found.items() if kind == distance]
            if earlier:
                return earlier[0]
        key = (distance, b"" if groups is None else groups.tobytes())
        if key not in self._found:
            images, labels = self.embeddings.images, self.embeddings.labels
            self._found[key] = search_impostors(images, labels, distance, groups=groups)
        return self._found[key]

    def search_nearest(self, distance: Distance) -> Nearest:
        """Return the LIST_LENGTH nearest images of every image under one distance."""
        if distance not in self._nearest:
            self._nearest[distance] = search_nearest(self.embeddings.images, distance)
        return self._nearest[distance]
