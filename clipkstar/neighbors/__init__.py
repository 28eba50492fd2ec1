"""Neighbour searches over one set of embeddings: impostors, which k* is made of, and nearest images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clipkstar.embeddings import Embeddings
from clipkstar.neighbors.engine import Backend, Engine
from clipkstar.neighbors.impostors import Impostors, search_impostors
from clipkstar.neighbors.nearest import LIST_LENGTH, Nearest, search_nearest
from clipkstar.neighbors.points import DISTANCES, Distance

__all__ = [
    "DISTANCES",
    "LIST_LENGTH",
    "Backend",
    "Distance",
    "Engine",
    "Impostors",
    "Nearest",
    "Neighbors",
    "search_impostors",
]


@dataclass(frozen=True)
class Neighbors:
    """Neighbour searches over one set of embeddings; each is made once, by the first metric that asks.

    queries: ascending positions of the images whose k* is wanted; None = all of them.
    engine: what the searches run on.
    """

    embeddings: Embeddings
    queries: NDArray[np.int64] | None = None
    engine: Engine = field(default_factory=Engine)
    _found: dict[tuple[Distance, bytes], Impostors] = field(default_factory=dict, repr=False)
    _nearest: dict[Distance, Nearest] = field(default_factory=dict, repr=False)

    def search_impostors(
        self, distances: tuple[Distance, ...], groups: NDArray[np.int64] | None = None
    ) -> Mapping[Distance, Impostors]:
        """Return k* of every image asked for, under each distance; raises InputError as this module's function."""
        wanted = b"" if groups is None else groups.tobytes()
        known = {key: found for key, found in self._found.items() if groups is None or key[1] == wanted}
        found = {distance: result for (distance, _), result in known.items() if distance in distances}
        missing = tuple(distance for distance in distances if distance not in found)
        if missing:
            new = search_impostors(
                self.embeddings.images,
                self.embeddings.labels,
                missing,
                groups=groups,
                queries=self.queries,
                engine=self.engine,
            )
            self._found.update({(distance, wanted): result for distance, result in new.items()})
            found |= new
        return found

    def search_impostors_among(
        self, positions: NDArray[np.int64], distances: tuple[Distance, ...]
    ) -> Mapping[Distance, Impostors]:
        """Return k* of the images at ascending positions among each other, under each distance."""
        if self.queries is None and len(positions) == self.embeddings.n_images:
            return self.search_impostors(distances)
        images, labels = self.embeddings.images[positions], self.embeddings.labels[positions]
        return search_impostors(images, labels, distances, engine=self.engine)

    @property
    def asked(self) -> NDArray[np.int64]:
        """Positions of the images whose k* is wanted."""
        return np.arange(self.embeddings.n_images) if self.queries is None else self.queries

    def search_nearest(self, distance: Distance) -> Nearest:
        """Return the LIST_LENGTH nearest images of every image asked for, under one distance."""
        if distance not in self._nearest:
            self._nearest[distance] = search_nearest(self.embeddings.images, distance, self.queries)
        return self._nearest[distance]
