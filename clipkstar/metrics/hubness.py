"""Whether a few images are neighbours of very many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.metric import Measured, Metric, Score

if TYPE_CHECKING:
    from clipkstar.embeddings import Embeddings
    from clipkstar.neighbors import Neighbors

N_NEIGHBORS = 10
"""The k of N_k, as in most figures of Radovanović et al. 2010."""


def compute(embeddings: Embeddings, neighbors: Neighbors) -> Measured:
    """Skewness of N_10, the number of other images that have an image among their 10 nearest (cosine).

    hubness is unbounded, lower is better: 0 = symmetric, above = few images are in very many lists. None for zero
    embeddings, below 11 images, and where all N_10 are equal.
    """
    import numpy as np

    from clipkstar.embeddings import unit_images, zero_notice
    from clipkstar.skewness import skewness

    if unit_images(embeddings) is None:
        return Measured(scores={"hubness": None}, notices=(zero_notice(embeddings, "hubness"),))
    if embeddings.n_images <= N_NEIGHBORS:
        few = f"hubness is null: there are {embeddings.n_images} images, and each needs {N_NEIGHBORS} others."
        return Measured(scores={"hubness": None}, notices=(few,))
    positions = neighbors.search_nearest("cosine").positions[:, :N_NEIGHBORS]
    occurrences = np.bincount(positions.ravel(), minlength=embeddings.n_images)
    if (occurrences == occurrences[0]).all():
        equal = f"hubness is null: every image is among the {N_NEIGHBORS} nearest of equally many."
        return Measured(scores={"hubness": None}, notices=(equal,))
    return Measured(scores={"hubness": skewness(occurrences.astype(np.float64))})


METRIC = Metric(
    name="hubness",
    version="1",
    summary="whether a few images are neighbours of very many",
    scores=(
        Score(
            name="hubness",
            meaning="skewness of how often an image is among the 10 nearest of others (cosine)",
            better="lower",
        ),
    ),
    compute=compute,
    source="Radovanović, Nanopoulos, Ivanović, Journal of Machine Learning Research 11 (2010)",
)
