"""How much nearer an image's own class is than the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.metric import Measured, Metric, Score

if TYPE_CHECKING:
    from clipkstar.embeddings import Embeddings
    from clipkstar.neighbors import Neighbors

MOST_IMAGES = 50_000
"""About a minute at dim 512 on two cores; the time grows with the square."""

ONE_DIRECTION = 1e-9
"""Unit embeddings that differ by less in every entry are taken for one direction: their distances are rounding."""

WORKING_MEBIBYTES = 64
"""Distances held at a time; scikit-learn would take sixteen times as much."""


def compute(embeddings: Embeddings, neighbors: Neighbors) -> Measured:  # noqa: ARG001 - every metric is called alike
    """Mean over images of (b - a) / max(a, b), cosine distance, by scikit-learn.

    a: mean distance to the other images of the own class; b: the smallest mean distance to another class.
    silhouette in -1 … 1, higher is better. An image alone in its class counts as 0; so do all where every image has the
    same direction. None for zero embeddings, above MOST_IMAGES, and unless the classes with images are 2 or more and
    fewer than the images.
    """
    import numpy as np
    from sklearn import config_context
    from sklearn.metrics import silhouette_score

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
    if embeddings.n_images > MOST_IMAGES:
        many = (
            f"silhouette is null: it compares all pairs, of {MOST_IMAGES} images at most; here are "
            f"{embeddings.n_images}."
        )
        return Measured(scores={"silhouette": None}, notices=(many,))
    if np.ptp(units, axis=0).max() < ONE_DIRECTION:
        return Measured(scores={"silhouette": 0.0})
    with config_context(working_memory=WORKING_MEBIBYTES):
        found = float(silhouette_score(units, embeddings.labels, metric="cosine"))
    return Measured(scores={"silhouette": min(max(found, -1.0), 1.0)})


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
