"""The radius inside which an image's own class is counted: how far its nearest impostor is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipkstar.neighbors.points import Points

NOBODY = -1


@dataclass(frozen=True, kw_only=True)
class Radius:
    """One radius per image, as V of clipkstar.neighbors.rounding: minus half the squared distance of an impostor.

    Arrays (n_images,), filled in for the images that were asked for.
    position: int64, the impostor; NOBODY where there is none: everybody is inside.
    middle: float64, V of that pair, off by at most `slack` (float64); the exact one where slack is 0.
    exact: float64, squared distance of the pair; NaN as long as nobody had to know it.
    """

    points: Points
    position: NDArray[np.int64]
    middle: NDArray[np.float64]
    slack: NDArray[np.float64]
    exact: NDArray[np.float64]

    @staticmethod
    def unknown(points: Points) -> Radius:
        """Return radii still to be filled in; until then nobody is there."""
        n_images = len(points.source)
        return Radius(
            points=points,
            position=np.full(n_images, NOBODY),
            middle=np.full(n_images, -np.inf),
            slack=np.zeros(n_images),
            exact=np.full(n_images, np.nan),
        )

    def estimate(
        self,
        images: NDArray[np.int64],
        position: NDArray[np.int64],
        middle: NDArray[np.float64],
        slack: NDArray[np.float64],
    ) -> None:
        """Fill in radii whose impostor is certain and whose length is bounded."""
        self.position[images], self.middle[images], self.slack[images] = position, middle, slack

    def settle(self, images: NDArray[np.int64], position: NDArray[np.int64], squared: NDArray[np.float64]) -> None:
        """Fill in exact radii."""
        self.estimate(images, position, -squared / 2, np.zeros(len(images)))
        self.exact[images] = squared

    def squared(self, images: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the exact squared radii of images that have an impostor."""
        missing = np.unique(images[np.isnan(self.exact[images])])
        self.exact[missing] = self.points.squared_distances(missing, self.position[missing])
        return self.exact[images]


@dataclass(frozen=True, kw_only=True)
class Radii:
    """The radii of one distance: to the nearest impostor, and once that one's whole group is left out."""

    nearest: Radius
    without_home: Radius
