"""How evenly the embeddings cover the unit sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.metric import Measured, Metric, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.embeddings import Embeddings
    from clipkstar.neighbors import Neighbors

T = 2
"""The factor t of Wang and Isola 2020."""

TILE = 2048
"""Images on each side of a tile of pairs: 32 MiB in float64."""

MOST_IMAGES = 80_000
"""About a minute at dim 512 on two cores; the time grows with the square."""


def compute(embeddings: Embeddings, neighbors: Neighbors) -> Measured:  # noqa: ARG001 - every metric is called alike
    """Logarithm of the mean of exp(-2‖x - y‖²) over all pairs of images, unit length.

    uniformity in -8 … 0, lower is better: 0 = all images coincide; -4 is nearly reached by random directions of a high
    dimension. None for zero embeddings, for one image, and above MOST_IMAGES.
    """
    from clipkstar.embeddings import unit_images, zero_notice

    units = unit_images(embeddings)
    if units is None:
        return Measured(scores={"uniformity": None}, notices=(zero_notice(embeddings, "uniformity"),))
    if embeddings.n_images == 1:
        return Measured(scores={"uniformity": None}, notices=("uniformity is null: there is one image only.",))
    if embeddings.n_images > MOST_IMAGES:
        many = (
            f"uniformity is null: it compares all pairs, of {MOST_IMAGES} images at most; here are "
            f"{embeddings.n_images}."
        )
        return Measured(scores={"uniformity": None}, notices=(many,))
    return Measured(scores={"uniformity": log_mean_potential(units)})


def log_mean_potential(units: NDArray[np.float64]) -> float:
    """Log E exp(-2‖x - y‖²) over the pairs i < j of at least two unit vectors (n, dim)."""
    import math

    import torch

    points = torch.from_numpy(units)
    total = 0.0
    for start in range(0, len(points), TILE):
        rows = points[start : start + TILE]
        for other in range(start, len(points), TILE):
            potentials = rows @ points[other : other + TILE].T
            potentials.sub_(1).mul_(2 * T).exp_()  # ‖x - y‖² = 2 - 2 cos
            if other == start:
                potentials.triu_(diagonal=1)
            total += float(potentials.sum())
    n_pairs = len(points) * (len(points) - 1) // 2
    return min(max(math.log(total / n_pairs), -4.0 * T), 0.0)


METRIC = Metric(
    name="uniformity",
    version="1",
    summary="how evenly the embeddings cover the unit sphere",
    scores=(
        Score(
            name="uniformity",
            meaning="log of the mean of exp(-2‖x - y‖²) over all pairs, unit length",
            better="lower",
            low=-8,
            high=0,
        ),
    ),
    compute=compute,
    source="Wang, Isola, arXiv 2005.10242",
)
