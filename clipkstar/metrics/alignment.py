"""How near to each other the images of one class lie on the unit sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.metric import Measured, Metric, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.embeddings import Embeddings
    from clipkstar.neighbors import Neighbors


def compute(embeddings: Embeddings, neighbors: Neighbors) -> Measured:  # noqa: ARG001 - every metric is called alike
    """Mean squared distance over all pairs of images of one class, unit length.

    alignment in 0 … 4, lower is better: 0 = the images of each class coincide. A class counts by its pairs. None for
    zero embeddings and where no class has two images.
    """
    from clipkstar.embeddings import unit_images, zero_notice

    units = unit_images(embeddings)
    if units is None:
        return Measured(scores={"alignment": None}, notices=(zero_notice(embeddings, "alignment"),))
    value = mean_squared_distance(units, embeddings.labels)
    alone = ("alignment is null: no class has two images.",) if value is None else ()
    return Measured(scores={"alignment": value}, notices=alone)


def mean_squared_distance(units: NDArray[np.float64], labels: NDArray[np.int64]) -> float | None:
    """E‖x - x′‖² over the pairs of equal label; units: (n_images, dim) of unit length, labels: (n_images,).

    The squared distances of the pairs i < j of n points sum up to n times those of the points to their mean.
    """
    import numpy as np

    from clipkstar.embeddings import class_sums

    sums, sizes, codes = class_sums(units, labels)
    n_pairs = int((sizes * (sizes - 1)).sum()) // 2
    if n_pairs == 0:
        return None
    differences = units - (sums / sizes[:, None])[codes]
    total = float(sizes[codes] @ np.einsum("ij,ij->i", differences, differences))
    return min(total / n_pairs, 4.0)


METRIC = Metric(
    name="alignment",
    version="1",
    summary="how near to each other the images of one class lie on the unit sphere",
    scores=(
        Score(
            name="alignment",
            meaning="mean squared distance over pairs of one class, unit length",
            better="lower",
            low=0,
            high=4,
        ),
    ),
    compute=compute,
    source="Wang, Isola, arXiv 2005.10242",
)
