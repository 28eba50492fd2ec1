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
    """Measure the k* structure under the distances named, of the images that `neighbors` is asked for.

    images: kstar, impostor_row (row number in the data set). classes: one row per class name, null where a class has
    no image, or one image only. intervals: of kstar_mean, nn1_accuracy, gamma_approx, gamma_true and each class's γ,
    by the jackknife; with them come the permutation null and gamma_approx_n50.
    Raises InputError as `neighbors.search_impostors`.
    """
    import numpy as np
    import polars as pl

    from clipkstar.jackknife import class_groups
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
        of_scores, of_classes = jackknife(found, labels, asked, groups, summary, classes)
        if intervals:
            more, why = _beside(embeddings, neighbors, distance, summary["gamma_approx"])
            summary |= more | {"gamma_approx_n50": mean_defined([gamma_approx[distance] for gamma_approx in draws])}
            notices += [sentence for sentence in why if sentence not in notices]
        images |= {f"{prefix}kstar": found.kstar, f"{prefix}impostor_row": embeddings.rows[found.positions]}
        scores |= {prefix + name: value for name, value in summary.items()}
        limits |= {prefix + name: value for name, value in of_scores.items()}
        tables.append(class_table(classes, of_classes).select(pl.all().name.prefix(prefix)))
    return Measured(
        scores=scores,
        intervals=limits,
        images=pl.DataFrame(images),
        classes=pl.concat(tables, how="horizontal"),
        notices=tuple(notices),
    )


def jackknife(
    found: Impostors,
    labels: NDArray[np.int64],
    asked: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    scores: Mapping[str, float | None],
    classes: ClassStatistics,
) -> tuple[dict[str, tuple[float, float]], list[tuple[float, float] | None]]:
    """Return the intervals of the scores that have one, and of each class's γ (None where undefined).

    labels, groups: of all images. asked: positions of the images whose k* was found. scores, classes: theirs.
    """
    import numpy as np

    from clipkstar.jackknife import interval
    from clipkstar.skewness import class_statistics, defined

    n_classes = len(classes.n_images)
    if groups is None or found.kstar_without is None:
        return {}, [None] * n_classes
    summaries, gammas = [], []
    for group, kstar in enumerate(found.kstar_without):
        others = labels[groups != group]
        kept = groups[asked] != group
        if (others == others[0]).all() or not kept.any():  # nothing is defined without this group
            return {}, [None] * n_classes
        of_kept = labels[asked[kept]]
        without = class_statistics(kstar[kept], of_kept, np.bincount(others, minlength=n_classes))
        summaries.append(summarize(kstar[kept], of_kept, without))
        gammas.append(defined(without.gamma))
    of_scores = {
        name: interval(scores[name], [summary[name] for summary in summaries], low=low, high=high)
        for name, (low, high) in INTERVAL_RANGES.items()
    }
    of_classes = [interval(*pair) for pair in zip(defined(classes.gamma), zip(*gammas, strict=True), strict=True)]
    return {name: limits for name, limits in of_scores.items() if limits is not None}, of_classes


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
    """Scores of one distance from k* of every image measured and of every class; see SCORES for what each one says.

    kstar, labels: (n_measured,).
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
        "gamma_undefined": float(((sizes >= 2) & (classes.n_measured >= 1) & np.isnan(classes.gamma)).sum()),
        "singleton_classes": float((sizes == 1).sum()),
        "fractured": float(patterns.count("fractured")),
        "overlapped": float(patterns.count("overlapped")),
        "clustered": float(patterns.count("clustered")),
    }


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
        version="2",
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
