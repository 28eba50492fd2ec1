"""Embeddings: all that a metric may look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """Image and class embeddings of one encoder on one task.

    images: (n_images, dim) float32, as the model returns them (not normalised).
    labels: (n_images,) int64, 0 … n_classes - 1.
    rows: (n_images,) int64, row numbers in the data set, ascending.
    class_names: n_classes names.
    classes: (n_classes, dim) float32 of unit length: per class the mean over templates of unit-length text embeddings;
        None without a text tower.
    logit_scale: factor from cosine similarity to logit. logit_bias: None = softmax model, else sigmoid model.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    class_names: tuple[str, ...]
    classes: NDArray[np.float32] | None = None
    logit_scale: float = 1.0
    logit_bias: float | None = None

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        """Number of classes, those without an image included."""
        return len(self.class_names)
