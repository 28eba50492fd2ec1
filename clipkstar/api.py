"""The Python function behind `clipkstar.kstar` and the command of that name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from clipkstar.embeddings import Embeddings
from clipkstar.errors import InputError

if TYPE_CHECKING:
    import altair
    import numpy as np
    import polars as pl
    from numpy.typing import ArrayLike, NDArray

    from clipkstar.encoder import Device
    from clipkstar.neighbors import Backend, Distance


@dataclass(frozen=True, kw_only=True)
class KstarResult:
    """The k* structure of one set of embeddings.

    scores: name → number, None = undefined; the names are those of `clipkstar metrics`.
    intervals: name → (low, high), 95 %.
    queries: number of images whose k* was found; None = all.
    images: one row per image whose k* was found: row, label, kstar, impostor_row and the cosine_ columns.
    classes: one row per class: class, name, n_images, (n_queries,) kstar_mean, kstar_std, gamma, gamma_low, gamma_high,
        gamma_anchored, pattern, nn1_accuracy and the cosine_ columns; with intervals also gamma_without,
        kstar_mean_without, nn1_accuracy_without: the class's value without each of the 20 groups of the jackknife.
    notices: sentences for the reader, such as how many classes are too small for their γ to mean much.
    """

    scores: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float]]
    queries: int | None = None
    images: pl.DataFrame
    classes: pl.DataFrame
    notices: tuple[str, ...]

    def plot(self) -> altair.VConcatChart:
        """Draw k*/n_c within each class, coloured by pattern; Euclidean where it was measured, else cosine."""
        from clipkstar.picture import kstar_chart

        prefix = "" if "kstar" in self.images.columns else "cosine_"
        return kstar_chart(self.images, self.classes, prefix=prefix)


def kstar(
    embeddings: ArrayLike,
    labels: ArrayLike,
    *,
    distances: Distance | Sequence[Distance] = ("euclidean", "cosine"),
    intervals: bool = True,
    queries: int | None = None,
    backend: Backend = "auto",
    device: Device = "auto",
) -> KstarResult:
    """Measure the k* structure of anyone's embeddings.

    embeddings: (n_images, dim) floats, as the encoder returns them; float16 and float32 are read exactly.
    labels: (n_images,) integers or strings; classes are their sorted distinct values.
    distances: "euclidean" (primary; names without prefix) or "cosine" (names with `cosine_`), or both.
    intervals: 95 % intervals by the jackknife of clipkstar.jackknife; False leaves them, the permutation null and
        gamma_approx_n50 out, which is faster.
    queries: k* of a seeded, class-stratified sample of so many images, each against all images; None = of all images.
        Class means stay unbiased, intervals widen, scores and tables are of the sample.
    backend, device: what searches and where; the numbers do not depend on it.
    Raises InputError for shapes that do not match, NaN or infinity (names the row), one class only, zero vectors under
    the cosine distance (names the row), a device that is not there. Source: arXiv 2312.04024, arXiv 2408.09065.

    >>> import clipkstar
    >>> clipkstar.kstar([[1.0], [2.0], [3.0], [10.0]], ["a", "a", "b", "b"]).images["kstar"].to_list()
    [2, 1, 1, 2]
    """
    import numpy as np

    from clipkstar.environment import pick_device
    from clipkstar.measure import measure
    from clipkstar.metrics.kstar import metric_of
    from clipkstar.neighbors import DISTANCES, Backend, Engine, Neighbors
    from clipkstar.stratified_sample import stratified_sample

    if queries is not None and queries < 1:
        raise InputError(f"kstar got {queries} queries; it needs at least 1, or None for all images.")
    if backend not in get_args(Backend):
        raise InputError(f"kstar got the backend '{backend}'; it needs one of {', '.join(get_args(Backend))}.")
    chosen = (distances,) if isinstance(distances, str) else tuple(dict.fromkeys(distances))
    unknown = [distance for distance in chosen if distance not in DISTANCES]
    if unknown or not chosen:
        raise InputError(f"kstar got the distances {list(chosen)}; it needs one or both of {', '.join(DISTANCES)}.")
    images = _float_array(embeddings)
    names, codes = _class_codes(labels, len(images))
    held = Embeddings(images=images, labels=codes, rows=np.arange(len(codes)), class_names=names)
    sample = stratified_sample(codes, queries) if queries is not None and queries < len(codes) else None
    neighbors = Neighbors(held, queries=sample, engine=Engine(backend=backend, device=pick_device(device)))
    measured = measure(held, [metric_of(chosen, intervals=intervals)], neighbors)
    return KstarResult(
        scores=measured.scores,
        intervals=measured.intervals,
        queries=None if sample is None else len(sample),
        images=measured.images,
        classes=measured.classes,
        notices=measured.notices,
    )


def _float_array(embeddings: ArrayLike) -> NDArray[np.floating]:
    import numpy as np

    try:
        array = np.asarray(embeddings)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, bfloat16 or gradient-carrying tensors
        raise InputError(f"kstar cannot read the embeddings as a numpy array ({error}); give it one.") from error
    if array.dtype.kind not in "fiu" or array.ndim != 2:
        raise InputError(
            f"kstar got embeddings of type {array.dtype} and shape {array.shape}; it needs numbers of shape "
            "(n_images, dim)."
        )
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _class_codes(labels: ArrayLike, n_images: int) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the class names, and for each image the number of its class."""
    import numpy as np

    given = np.asarray(labels)
    if given.dtype.kind == "O" and all(isinstance(label, str) for label in given.flat):
        given = given.astype(str)
    if given.ndim != 1 or given.dtype.kind not in "iuUb":
        raise InputError(
            f"kstar got labels of type {given.dtype} and shape {given.shape}; it needs one integer or string per image."
        )
    if len(given) != n_images:
        raise InputError(f"kstar got {n_images} embeddings and {len(given)} labels; it needs one label per embedding.")
    values, codes = np.unique(given, return_inverse=True)
    return tuple(str(value) for value in values), codes.reshape(-1).astype(np.int64)
