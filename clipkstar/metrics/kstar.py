"""k* and its skewness, under the Euclidean and the cosine distance."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from clipkstar.metric import Measured, Metric, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.embeddings import Embeddings
    from clipkstar.neighbors import Distance, Neighbors

PREFIXES: dict[Distance, str] = {"euclidean": "", "cosine": "cosine_"}
"""Scores and columns of the primary distance carry no prefix."""


def measure_kstar(
    embeddings: Embeddings, neighbors: Neighbors, distances: tuple[Distance, ...], *, intervals: bool
) -> Measured:
    """Measure the k* structure under the distances named, of the images that `neighbors` is asked for.

    images: kstar, impostor_row (row number in the data set). classes: one row per class name, null where a class has
    no image, or one image only. intervals: of kstar_mean, nn1_accuracy, gamma_approx, gamma_true and each class's γ,
    by the jackknife; with them come the classes' values without each group of images, the permutation null and
    gamma_approx_n50.
    Raises InputError as `neighbors.search_impostors`.
    """
    import numpy as np
    import polars as pl

    from clipkstar.jackknife import class_groups
    from clipkstar.kstar_summary import class_table, jackknife, summarize, without_groups
    from clipkstar.skewness import class_statistics, mean_defined

    labels, asked = embeddings.labels, neighbors.asked
    groups = class_groups(labels, neighbors.queries) if intervals else None
    sizes = np.bincount(labels, minlength=embeddings.n_classes)
    scores: dict[str, float | None] = {}
    limits: dict[str, tuple[float, float]] = {}
    images: dict[str, NDArray[np.int64]] = {}
    tables, notices = [], _notices(embeddings, neighbors, intervals=intervals)
    impostors = neighbors.search_impostors(distances, groups)
    draws = _draws(embeddings, neighbors, distances) if intervals else []
    for distance, found in impostors.items():
        prefix = PREFIXES[distance]
        classes = class_statistics(found.kstar, labels[asked], sizes)
        summary = summarize(found.kstar, labels[asked], classes)
        replicates = without_groups(found, labels, asked=asked, groups=groups, n_classes=embeddings.n_classes)
        of_scores, of_gammas = jackknife(summary, classes, replicates)
        if intervals:
            more, why = _beside(embeddings, neighbors, distance, summary["gamma_approx"])
            summary |= more | {"gamma_approx_n50": mean_defined([gamma_approx[distance] for gamma_approx in draws])}
            notices += [sentence for sentence in why if sentence not in notices]
        images |= {f"{prefix}kstar": found.kstar, f"{prefix}impostor_row": embeddings.rows[found.positions]}
        scores |= {prefix + name: value for name, value in summary.items()}
        limits |= {prefix + name: value for name, value in of_scores.items()}
        without = [of_classes for _, of_classes in replicates] if intervals else None
        tables.append(class_table(classes, of_gammas, without).select(pl.all().name.prefix(prefix)))
    return Measured(
        scores=scores,
        intervals=limits,
        images=pl.DataFrame(images),
        classes=pl.concat(tables, how="horizontal"),
        notices=tuple(notices),
    )


def _beside(
    embeddings: Embeddings, neighbors: Neighbors, distance: Distance, gamma_approx: float | None
) -> tuple[dict[str, float | None], list[str]]:
    """Return what makes Γ′ readable, its permutation null, and why some of it is None."""
    from clipkstar.permutation_null import permutation_null

    null = permutation_null(neighbors.search_nearest(distance), embeddings.labels, images=neighbors.asked)
    spread = null.gamma_approx_sd
    z = None
    if gamma_approx is not None and null.gamma_approx is not None and spread:
        z = (gamma_approx - null.gamma_approx) / spread
    found = {
        "kstar_mean_null": null.kstar_mean,
        "gamma_approx_null": null.gamma_approx,
        "gamma_approx_null_sd": spread,
        "gamma_approx_z": z,
    }
    return found, [f"{distance} distance: {null.reason}"] if null.reason else []


def _draws(
    embeddings: Embeddings, neighbors: Neighbors, distances: tuple[Distance, ...]
) -> list[dict[Distance, float | None]]:
    """Γ′ of each class-balanced draw, k* found again inside it; no draw where too few classes are large enough."""
    import numpy as np

    from clipkstar.balanced_sample import balanced_draws
    from clipkstar.skewness import class_statistics, mean_defined

    values: list[dict[Distance, float | None]] = []
    for draw in balanced_draws(embeddings.labels):
        labels = np.unique(embeddings.labels[draw], return_inverse=True)[1]
        sizes = np.bincount(labels)
        found = neighbors.search_impostors_among(draw, distances)
        values.append(
            {distance: mean_defined(class_statistics(of.kstar, labels, sizes).gamma) for distance, of in found.items()}
        )
    return values


def _notices(embeddings: Embeddings, neighbors: Neighbors, *, intervals: bool) -> list[str]:
    import numpy as np

    from clipkstar.balanced_sample import PER_CLASS
    from clipkstar.jackknife import N_GROUPS
    from clipkstar.skewness import FEW_IMAGES

    sizes = np.bincount(embeddings.labels)
    measured = np.bincount(embeddings.labels[neighbors.asked], minlength=len(sizes))
    singletons = int((sizes == 1).sum())
    small = int(((sizes >= 2) & (measured < FEW_IMAGES)).sum())
    notices = []
    if neighbors.queries is not None:
        notices.append(
            f"k* of a sample: {len(neighbors.asked)} of {embeddings.n_images} images, each against all of them."
        )
        if missed := int(((sizes > 0) & (measured == 0)).sum()):
            notices.append(f"classes without a sampled image, left out of every mean over classes: {missed}.")
    if singletons:
        notices.append(f"classes of one image only, whose γ and pattern are null: {singletons}.")
    if small:
        of = "images" if neighbors.queries is None else "sampled images"
        notices.append(f"classes of fewer than {FEW_IMAGES} {of}, whose γ is mostly noise: {small}.")
    if intervals and (unbalanced := int(((sizes > 0) & (sizes < PER_CLASS)).sum())):
        notices.append(f"classes of fewer than {PER_CLASS} images, left out of gamma_approx_n50: {unbalanced}.")
    if intervals and len(neighbors.asked) < N_GROUPS:
        of = "images" if neighbors.queries is None else "sampled images"
        notices.append(f"fewer than {N_GROUPS} {of}: k* scores have no intervals.")
    return notices


SCORES = (
    Score(name="kstar_mean", meaning="mean over classes of mean k*/n_c", better="higher", low=0, high=1),
    Score(name="nn1_accuracy", meaning="leave-one-out 1-nearest-neighbour accuracy", better="higher", low=0, high=1),
    Score(name="gamma_approx", meaning="Γ′: mean over classes of γ, the skewness of k*/n_c", better="lower"),
    Score(
        name="gamma_true",
        meaning="Γ: skewness of k*/n_c pooled over all images",
        better="lower",
    ),
    Score(name="gamma_approx_anchored", meaning="Γ′ with 0 and 1 appended to every class", better="lower"),
    Score(name="gamma_true_anchored", meaning="Γ with 0 and 1 appended to the pool", better="lower"),
    Score(name="gamma_undefined", meaning="classes left out of Γ′: all k* equal", better="none", low=0),
    Score(name="singleton_classes", meaning="classes of one image, left out of Γ′", better="none", low=0),
    Score(name="fractured", meaning="classes with γ > 0.5, or every k* = 1", better="lower", low=0),
    Score(name="overlapped", meaning="classes with γ from -0.5 to 0.5", better="none", low=0),
    Score(name="clustered", meaning="classes with γ < -0.5, or every k* = n_c", better="higher", low=0),
)
"""Of the primary (Euclidean) distance; the cosine ones have the same names after `cosine_`."""

SCORES_WITH_INTERVALS = (
    Score(name="kstar_mean_null", meaning="kstar_mean with labels permuted", better="none", low=0, high=1),
    Score(name="gamma_approx_null", meaning="mean of Γ′ with labels permuted (200 times)", better="none"),
    Score(name="gamma_approx_null_sd", meaning="standard deviation of Γ′ with labels permuted", better="none", low=0),
    Score(name="gamma_approx_z", meaning="(Γ′ - its null) / standard deviation of the null", better="lower"),
    Score(name="gamma_approx_n50", meaning="Γ′ with 50 images of each class, 5 draws", better="lower"),
)
"""Computed together with the intervals."""


def metric_of(distances: tuple[Distance, ...], *, intervals: bool = True) -> Metric:
    """Return the k* metric under the distances named, with or without intervals, null and gamma_approx_n50."""
    return Metric(
        name="kstar",
        version="3",
        summary="how the images of each class lie together: k*, γ, Γ′, patterns",
        scores=tuple(
            replace(
                score,
                name=PREFIXES[distance] + score.name,
                meaning=score.meaning + (" (cosine distance)" if distance == "cosine" else ""),
            )
            for distance in distances
            for score in SCORES + (SCORES_WITH_INTERVALS if intervals else ())
        ),
        compute=lambda embeddings, neighbors: measure_kstar(embeddings, neighbors, distances, intervals=intervals),
        source="Kotyan, Ueda, Vargas, arXiv 2312.04024; Kotyan, Chen, Vargas, arXiv 2408.09065",
    )


METRIC = metric_of(("euclidean", "cosine"))
