"""The logits of the text tower's classifier, which every score of zero-shot classification begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.embeddings import Embeddings


def class_logits(embeddings: Embeddings) -> NDArray[np.float32]:
    """Logits (n_images, n_classes) float32: scale · unit image embedding · class embedding + bias."""
    import numpy as np

    if embeddings.classes is None:
        raise TypeError("class logits need class embeddings")
    norms = np.linalg.norm(embeddings.images, axis=1, keepdims=True)
    # Equal class embeddings must give equal logits; a matrix product may round equal columns differently.
    distinct, column = np.unique(embeddings.classes, axis=0, return_inverse=True)
    cosines = (embeddings.images / np.maximum(norms, np.finfo(np.float32).tiny)) @ distinct.T
    logits = np.float32(embeddings.logit_scale) * cosines + np.float32(embeddings.logit_bias or 0.0)
    return np.asarray(logits[:, column.reshape(-1)], dtype=np.float32)


def label_ranks(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rank (0 = first) of each image's label among its logits; of equal logits the first class index comes first."""
    import numpy as np

    own = logits[np.arange(len(labels)), labels][:, None]
    before = np.arange(logits.shape[1])[None, :] < labels[:, None]
    return np.asarray(((logits > own) | ((logits == own) & before)).sum(axis=1))
