"""How far the images of each class have collapsed onto their mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.metric import Measured, Metric, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.embeddings import Embeddings
    from clipkstar.neighbors import Neighbors

STORED_ROUNDING = 2.0**-24
"""Relative rounding of embeddings stored in float32."""


def compute(embeddings: Embeddings, neighbors: Neighbors) -> Measured:  # noqa: ARG001 - every metric is called alike
    """Variability within classes against that between them: tr(Σ_W Σ_B†) / C, embeddings as returned.

    C: classes that have images. nc1 is 0 or more, lower is better: 0 = each class is one point. None where the class
    means do not differ, as with one class.
    """
    from clipkstar.embeddings import finite_images

    value = variability(finite_images(embeddings), embeddings.labels)
    equal = ("nc1 is null: the class means do not differ.",) if value is None else ()
    return Measured(scores={"nc1": value}, notices=equal)


def variability(points: NDArray[np.float64], labels: NDArray[np.int64]) -> float | None:
    """tr(Σ_W Σ_B†) / C of points (n_images, dim) with labels (n_images,); None where Σ_B is zero.

    Σ_W is the mean over all images of the outer product of the image about its class mean, Σ_B the mean over classes,
    each counted once, of that of the class mean about the mean of all images. (The source has balanced classes only,
    for which all weights agree.)
    """
    import numpy as np

    from clipkstar.embeddings import class_sums

    # Rounding of the stored entries moves the class means by up to this length; along directions in which they differ
    # by less, the pseudo-inverse would weigh the images by noise.
    noise = STORED_ROUNDING * float(np.abs(points).max()) * np.sqrt(points.shape[1])
    points = points - points.mean(axis=0)
    sums, sizes, codes = class_sums(points, labels)
    means = sums / sizes[:, None]
    # Σ_B = MᵀM with M = means / √C, so the singular values of M serve, at twice the digits of those of Σ_B.
    _, lengths, directions = np.linalg.svd(means / np.sqrt(len(means)), full_matrices=False)
    kept = lengths > noise
    if not kept.any():
        return None
    weighed = (points - means[codes]) @ (directions[kept].T / lengths[kept])
    return float(np.einsum("ij,ij->", weighed, weighed) / len(points) / len(means))


METRIC = Metric(
    name="nc1",
    version="1",
    summary="how far the images of each class have collapsed onto their mean",
    scores=(
        Score(
            name="nc1",
            meaning="tr(Σ_W Σ_B†)/C: variability within classes against that between them",
            better="lower",
            low=0,
        ),
    ),
    compute=compute,
    source="Papyan, Han, Donoho, arXiv 2008.08186",
)
