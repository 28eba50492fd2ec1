"""How much nearer an image's own class is than the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.metric import Measured, Metric, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.embeddings import Embeddings
    from clipkstar.neighbors import Neighbors

BLOCK_BYTES = 64 * 2**20
"""Memory of one block of distances (images at a time, n_classes) in float64."""

ROUNDING = 1e-12
"""Mean cosine distances below it count as zero: float64 errs by up to dim · 1e-16 in them."""


def compute(embeddings: Embeddings, neighbors: Neighbors) -> Measured:  # noqa: ARG001 - every metric is called alike
    """Mean over images of (b - a) / max(a, b), cosine distance.

    a: mean distance to the other images of the own class; b: the smallest mean distance to another class.
    silhouette in -1 … 1, higher is better. An image alone in its class counts as 0, and so does one whose a and b are
    both zero. None for zero embeddings, and unless the classes with images are 2 or more and fewer than the images.
    """
    from clipkstar.embeddings import unit_images, zero_notice

    units = unit_images(embeddings)
    if units is None:
        return Measured(scores={"silhouette": None}, notices=(zero_notice(embeddings, "silhouette"),))
    n_present = len(set(embeddings.labels.tolist()))
    if not 2 <= n_present < embeddings.n_images:
        limits = (
            f"silhouette is null: it needs 2 classes or more, and fewer than images; here are {n_present} classes "
            f"with images and {embeddings.n_images} images."
        )
        return Measured(scores={"silhouette": None}, notices=(limits,))
    return Measured(scores={"silhouette": float(silhouettes(units, embeddings.labels).mean())})


def silhouettes(units: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Silhouette (n_images,) of every image; units: (n_images, dim) of unit length, labels: (n_images,).

    The cosine distance is linear in the other image, so its mean over a class is that to the class's mean, exactly:
    the time grows with images times classes, not with the square of the images.
    """
    import numpy as np

    from clipkstar.embeddings import class_sums

    sums, sizes, codes = class_sums(units, labels)
    found = np.zeros(len(units))
    step = max(1, BLOCK_BYTES // (8 * len(sizes)))
    for start in range(0, len(units), step):
        own = codes[start : start + step]
        rows = np.arange(len(own))
        distances = sizes - units[start : start + step] @ sums.T  # sums over each class of 1 - cos
        within = distances[rows, own] / np.maximum(sizes[own] - 1, 1)  # an image's distance to itself adds nothing
        distances /= sizes
        distances[rows, own] = np.inf
        between = distances.min(axis=1)
        farther = np.maximum(within, between)
        counts = (sizes[own] > 1) & (farther > ROUNDING)
        np.divide(between - within, farther, out=found[start : start + step], where=counts)
    return np.clip(found, -1, 1)


METRIC = Metric(
    name="silhouette",
    version="1",
    summary="how much nearer an image's own class is than the next one",
    scores=(
        Score(
            name="silhouette",
            meaning="mean of (b - a)/max(a, b): distance to the own class and to the next (cosine)",
            better="higher",
            low=-1,
            high=1,
        ),
    ),
    compute=compute,
    source="Rousseeuw, Journal of Computational and Applied Mathematics 20 (1987)",
)
