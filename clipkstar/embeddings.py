"""Embeddings: all that a metric may look at, and the float64 forms in which most look at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Hashes of all that decides image and class embeddings, under which they are kept; None = they never are."""

    images: str | None = None
    classes: str | None = None


NO_KEYS = Keys()


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
    subgroups: (n_images,) int64, the part of the population that each image comes from, by the data set's own numbers;
        None = the data set does not say.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    class_names: tuple[str, ...]
    classes: NDArray[np.float32] | None = None
    logit_scale: float = 1.0
    logit_bias: float | None = None
    subgroups: NDArray[np.int64] | None = None

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        """Number of classes, those without an image included."""
        return len(self.class_names)


def finite_images(embeddings: Embeddings) -> NDArray[np.float64]:
    """Return the image embeddings (n_images, dim) in float64, all divided by one power of two.

    Their largest entry then lies in ½ … 1, so that squares of huge and tiny embeddings stay in range; for numbers that
    do not depend on scale. Raises InputError where there is no entry at all and where one is NaN or infinite.
    """
    import numpy as np

    images = embeddings.images
    if images.ndim != 2 or images.size == 0:
        raise InputError(f"metrics got embeddings of shape {images.shape}; they need (n_images, dim), both at least 1.")
    finite = np.isfinite(images).all(axis=1)
    if not finite.all():
        raise InputError(
            f"the embedding of row {int(np.argmin(finite))} holds NaN or infinity ({int((~finite).sum())} of "
            f"{len(images)} rows do); metrics need finite embeddings, try --precision fp32."
        )
    points = images.astype(np.float64)
    return np.ldexp(points, -int(np.frexp(np.abs(points).max())[1]))


def unit_images(embeddings: Embeddings) -> NDArray[np.float64] | None:
    """Return the image embeddings (n_images, dim) in float64, each brought to unit length; None where one is zero.

    Raises InputError as `finite_images`.
    """
    import numpy as np

    points = finite_images(embeddings)
    peaks = np.abs(points).max(axis=1, keepdims=True)
    if not peaks.all():
        return None
    points /= peaks
    points /= np.sqrt(np.einsum("ij,ij->i", points, points))[:, None]
    return points


def zero_notice(embeddings: Embeddings, score: str) -> str:
    """Say why a score that needs unit length is null."""
    n_zero = int((~embeddings.images.any(axis=1)).sum())
    return f"{score} is null: {n_zero} of {embeddings.n_images} image embeddings are zero and have no direction."


def class_sums(
    points: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Sum points (n, dim) by class, over the classes that have images, in label order.

    Returns the sums (n_present, dim), the number of images of each (n_present,), and for each image the number of its
    class among these (n,).
    """
    import numpy as np

    sizes = np.bincount(labels)
    present = np.flatnonzero(sizes)
    order = np.argsort(labels, kind="stable")
    starts = np.cumsum(sizes)[present] - sizes[present]
    return np.add.reduceat(points[order], starts, axis=0), sizes[present], np.searchsorted(present, labels)
