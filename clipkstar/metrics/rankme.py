"""How many directions the embeddings use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.metric import Measured, Metric, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.embeddings import Embeddings
    from clipkstar.neighbors import Neighbors

EPSILON = 1e-7
"""Added to every share of the singular values (Garrido et al. 2023)."""


def compute(embeddings: Embeddings, neighbors: Neighbors) -> Measured:  # noqa: ARG001 - every metric is called alike
    """Effective rank of the embeddings as returned, not centred.

    rankme lies between 1 and min(n_images, dim), but for what EPSILON adds (0.3 % at dim 2048; in one dimension it
    takes 1e-7 away); higher is better. None where all embeddings are zero.
    """
    from clipkstar.embeddings import finite_images

    value = effective_rank(finite_images(embeddings))
    zero = ("rankme is null: all image embeddings are zero.",) if value is None else ()
    return Measured(scores={"rankme": value}, notices=zero)


def effective_rank(points: NDArray[np.float64]) -> float | None:
    """exp(-Σ p log p) with p = σ/‖σ‖₁ + 1e-7, σ the singular values of points (n, dim); None where all are zero."""
    import numpy as np
    import torch

    # Of the matrix itself: through its Gram matrix, those below 1e-8 of the largest would be lost in rounding.
    lengths = torch.linalg.svdvals(torch.from_numpy(points)).numpy()
    if not lengths.any():
        return None
    shares = lengths / lengths.sum() + EPSILON
    return float(np.exp(-(shares * np.log(shares)).sum()))


METRIC = Metric(
    name="rankme",
    version="1",
    summary="how many directions the embeddings use",
    scores=(
        Score(
            name="rankme",
            meaning="effective rank: exp of the entropy of the singular values' shares",
            better="higher",
            low=0,
        ),
    ),
    compute=compute,
    source="Garrido et al., arXiv 2210.02885",
)
