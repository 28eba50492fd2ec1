"""Classification by the 20 nearest images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.metric import Measured, Metric, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.embeddings import Embeddings
    from clipkstar.neighbors import Neighbors

N_NEIGHBORS = 20
TEMPERATURE = 0.07
"""Of the vote exp(cos / temperature) (Wu et al. 2018)."""

VOTE_BYTES = 64 * 2**20
"""Memory of the votes (images at a time, n_classes) in float64."""


def compute(embeddings: Embeddings, neighbors: Neighbors) -> Measured:
    """Classify every image by its 20 nearest others (all others if fewer); the first class index wins a tie.

    knn20_accuracy in 0 … 1, higher is better; None for zero embeddings and for one image. It has no interval: one image
    votes for many others, so the classifications are not independent trials.
    """
    from clipkstar.embeddings import unit_images, zero_notice

    if unit_images(embeddings) is None:
        return Measured(scores={"knn20_accuracy": None}, notices=(zero_notice(embeddings, "knn20_accuracy"),))
    if embeddings.n_images == 1:
        return Measured(scores={"knn20_accuracy": None}, notices=("knn20_accuracy is null: there is one image only.",))
    nearest = neighbors.search_nearest("cosine")
    cosines = 1 - nearest.squared_distances[:, :N_NEIGHBORS].astype("float64") / 2
    predictions = vote(embeddings.labels[nearest.positions[:, :N_NEIGHBORS]], cosines)
    return Measured(scores={"knn20_accuracy": float((predictions == embeddings.labels).mean())})


def vote(neighbor_labels: NDArray[np.int64], cosines: NDArray[np.float64]) -> NDArray[np.int64]:
    """Class (n_images,) with the largest sum of exp(cos / 0.07); the first of equals.

    neighbor_labels, cosines: (n_images, k), the same neighbours in both, nearest first.
    """
    import numpy as np

    weights = np.exp(cosines / TEMPERATURE)
    n_classes = int(neighbor_labels.max()) + 1
    predictions = np.empty(len(neighbor_labels), dtype=np.int64)
    step = max(1, VOTE_BYTES // (8 * n_classes))
    for start in range(0, len(neighbor_labels), step):
        voters = neighbor_labels[start : start + step]
        cells = voters + n_classes * np.arange(len(voters))[:, None]
        # bincount adds in the order given: equal weights, nearest first, make equal sums, so a tie is one.
        votes = np.bincount(
            cells.ravel(), weights=weights[start : start + step].ravel(), minlength=n_classes * len(voters)
        )
        predictions[start : start + step] = votes.reshape(-1, n_classes).argmax(axis=1)
    return predictions


METRIC = Metric(
    name="knn20_accuracy",
    version="1",
    summary="leave-one-out classification by the 20 nearest images",
    scores=(
        Score(
            name="knn20_accuracy",
            meaning="leave-one-out accuracy of 20 nearest neighbours, weights exp(cos/0.07)",
            better="higher",
            low=0,
            high=1,
        ),
    ),
    compute=compute,
    source="Wu et al., arXiv 1805.01978",
)
