"""k* and its skewness, under the Euclidean and the cosine distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from clipkstar.metric import Measured, Metric, Score

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from clipkstar.embeddings import Embeddings
    from clipkstar.neighbors import Distance, Impostors, Neighbors
    from clipkstar.skewness import ClassStatistics

PREFIXES: dict[Distance, str] = {"euclidean": "", "cosine": "cosine_"}
"""Scores and columns of the primary distance carry no prefix."""

INTERVAL_RANGES = {
    "kstar_mean": (0.0, 1.0),
    "nn1_accuracy": (0.0, 1.0),
    "gamma_approx": (-inf, inf),
    "gamma_true": (-inf, inf),
}
"""Scores that get an interval, and the range it is cut to."""


def measure_kstar(
    embeddings: Embeddings, neighbors: Neighbors, distances: tuple[Distance, ...], *, intervals: bool
) -> Measured:
    """Measure the k* structure under the distances named.

    images: kstar, impostor_row (row number in the data set). classes: one row per class name, null where a class has
    no image, or one image only. intervals: of kstar_mean, nn1_accuracy, gamma_approx, gamma_true and each class's γ,
    by the jackknife. Raises InputError as `neighbors.search_impostors`.
    """
    import polars as pl

    from clipkstar.jackknife import class_groups
    from clipkstar.skewness import class_statistics

    groups = class_groups(embeddings.labels) if intervals else None
    scores: dict[str, float | None] = {}
    limits: dict[str, tuple[float, float]] = {}
    images: dict[str, NDArray[np.int64]] = {}
    tables = []
    for distance, found in neighbors.search_impostors(distances, groups).items():
        prefix = PREFIXES[distance]
        classes = class_statistics(found.kstar, embeddings.labels, embeddings.n_classes)
        summary = summarize(found.kstar, embeddings.labels, classes)
        of_scores, of_classes = jackknife(found, embeddings.labels, groups, summary, classes)
        images |= {f"{prefix}kstar": found.kstar, f"{prefix}impostor_row": embeddings.rows[found.positions]}
        scores |= {prefix + name: value for name, value in summary.items()}
        limits |= {prefix + name: value for name, value in of_scores.items()}
        tables.append(class_table(classes, of_classes).select(pl.all().name.prefix(prefix)))
    return Measured(
        scores=scores,
        intervals=limits,
        images=pl.DataFrame(images),
        classes=pl.concat(tables, how="horizontal"),
        notices=_notices(embeddings, intervals=intervals),
    )


def jackknife(
    found: Impostors,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    scores: Mapping[str, float | None],
    classes: ClassStatistics,
) -> tuple[dict[str, tuple[float, float]], list[tuple[float, float] | None]]:
    """Return the intervals of the scores that have one, and of each class's γ (None where undefined)."""
    from clipkstar.jackknife import interval
    from clipkstar.skewness import class_statistics, defined

    n_classes = len(classes.n_images)
    if groups is None or found.kstar_without is None:
        return {}, [None] * n_classes
    summaries, gammas = [], []
    for group, kstar in enumerate(found.kstar_without):
        kept = groups != group
        if (labels[kept] == labels[kept][0]).all():  # no impostor is left: nothing is defined without this group
            return {}, [None] * n_classes
        without = class_statistics(kstar[kept], labels[kept], n_classes)
        summaries.append(summarize(kstar[kept], labels[kept], without))
        gammas.append(defined(without.gamma))
    of_scores = {
        name: interval(scores[name], [summary[name] for summary in summaries], low=low, high=high)
        for name, (low, high) in INTERVAL_RANGES.items()
    }
    of_classes = [interval(*pair) for pair in zip(defined(classes.gamma), zip(*gammas, strict=True), strict=True)]
    return {name: limits for name, limits in of_scores.items() if limits is not None}, of_classes


def class_table(classes: ClassStatistics, gamma_intervals: Sequence[tuple[float, float] | None]) -> pl.DataFrame:
    """One row per class, in label order.

    kstar_mean, kstar_std (biased) of k*/n_c; gamma with its interval, gamma_anchored, pattern as in clipkstar.skewness;
    nn1_accuracy, the share of images whose nearest neighbour has their label. Null for a class of one image or none.
    """
    import polars as pl

    from clipkstar.skewness import defined, patterns

    columns: dict[str, Sequence[float | str | None]] = {
        "kstar_mean": defined(classes.mean),
        "kstar_std": defined(classes.std),
        "gamma": defined(classes.gamma),
        "gamma_low": [limits and limits[0] for limits in gamma_intervals],
        "gamma_high": [limits and limits[1] for limits in gamma_intervals],
        "gamma_anchored": defined(classes.gamma_anchored),
        "pattern": patterns(classes),
        "nn1_accuracy": defined(classes.nn1_accuracy),
    }
    return pl.DataFrame(columns, schema={name: pl.String if name == "pattern" else pl.Float64 for name in columns})


def summarize(kstar: NDArray[np.int64], labels: NDArray[np.int64], classes: ClassStatistics) -> dict[str, float | None]:
    """Scores of one distance from k* of every image and of every class; see SCORES for what each one says.

    Γ and nn1_accuracy are over all images: the image of a one-image class counts there with k*/n_c = 1 and k* = 1.
    """
    import numpy as np

    from clipkstar import skewness

    sizes = classes.n_images
    fractions = kstar / sizes[labels]
    patterns = skewness.patterns(classes)
    return {
        "kstar_mean": skewness.mean_defined(classes.mean),
        "nn1_accuracy": float((kstar > 1).mean()),
        "gamma_approx": skewness.mean_defined(classes.gamma),
        "gamma_true": skewness.skewness(fractions),
        "gamma_approx_anchored": skewness.mean_defined(classes.gamma_anchored),
        "gamma_true_anchored": skewness.skewness(np.append(fractions, (0.0, 1.0))),
        "gamma_undefined": float(((sizes >= 2) & np.isnan(classes.gamma)).sum()),
        "singleton_classes": float((sizes == 1).sum()),
        "fractured": float(patterns.count("fractured")),
        "overlapped": float(patterns.count("overlapped")),
        "clustered": float(patterns.count("clustered")),
    }


def _notices(embeddings: Embeddings, *, intervals: bool) -> tuple[str, ...]:
    import numpy as np

    from clipkstar.jackknife import N_GROUPS
    from clipkstar.skewness import FEW_IMAGES

    sizes = np.bincount(embeddings.labels)
    singletons = int((sizes == 1).sum())
    small = int(((sizes >= 2) & (sizes < FEW_IMAGES)).sum())
    notices = []
    if singletons:
        notices.append(f"classes of one image only, whose γ and pattern are null: {singletons}.")
    if small:
        notices.append(f"classes of fewer than {FEW_IMAGES} images, whose γ is mostly noise: {small}.")
    if intervals and embeddings.n_images < N_GROUPS:
        notices.append(f"fewer than {N_GROUPS} images: k* scores have no intervals.")
    return tuple(notices)


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
    Score(name="fractured", meaning="classes with γ > 0.5", better="lower", low=0),
    Score(name="overlapped", meaning="classes with γ from -0.5 to 0.5", better="none", low=0),
    Score(name="clustered", meaning="classes with γ < -0.5", better="higher", low=0),
)
"""Of the primary (Euclidean) distance; the cosine ones have the same names after `cosine_`."""


def metric_of(distances: tuple[Distance, ...], *, intervals: bool = True) -> Metric:
    """Return the k* metric under the distances named, with or without intervals."""
    return Metric(
        name="kstar",
        version="1",
        summary="how the images of each class lie together: k*, γ, Γ′, patterns",
        scores=tuple(
            replace(
                score,
                name=PREFIXES[distance] + score.name,
                meaning=score.meaning + (" (cosine distance)" if distance == "cosine" else ""),
            )
            for distance in distances
            for score in SCORES
        ),
        compute=lambda embeddings, neighbors: measure_kstar(embeddings, neighbors, distances, intervals=intervals),
        source="Kotyan, Ueda, Vargas, arXiv 2312.04024; Kotyan, Chen, Vargas, arXiv 2408.09065",
    )


METRIC = metric_of(("euclidean", "cosine"))
