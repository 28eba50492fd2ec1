"""k* and its skewness, under the Euclidean and the cosine distance."""

from __future__ import annotations

from collections.abc import Mapping
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

    groups = class_groups(embeddings.labels) if intervals else None
    scores: dict[str, float | None] = {}
    limits: dict[str, tuple[float, float]] = {}
    images: dict[str, NDArray[np.int64]] = {}
    classes = []
    for distance in distances:
        prefix = PREFIXES[distance]
        found = neighbors.search_impostors(distance, groups)
        table = class_table(found.kstar, embeddings.labels, embeddings.n_classes)
        summary = summarize(found.kstar, embeddings.labels, table)
        table, of_scores = with_intervals(table, summary, found, embeddings.labels, groups)
        images |= {f"{prefix}kstar": found.kstar, f"{prefix}impostor_row": embeddings.rows[found.positions]}
        scores |= {prefix + name: value for name, value in summary.items()}
        limits |= {prefix + name: value for name, value in of_scores.items()}
        classes.append(table.drop("n_images").select(pl.all().name.prefix(prefix)))
    return Measured(
        scores=scores,
        intervals=limits,
        images=pl.DataFrame(images),
        classes=pl.concat(classes, how="horizontal"),
        notices=_notices(embeddings),
    )


def with_intervals(
    classes: pl.DataFrame,
    scores: Mapping[str, float | None],
    found: Impostors,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
) -> tuple[pl.DataFrame, dict[str, tuple[float, float]]]:
    """Return the class table with gamma_low and gamma_high, and the intervals of the scores; null without groups."""
    import polars as pl

    from clipkstar.jackknife import interval

    tables, summaries = [], []
    for group, kstar in enumerate(() if groups is None or found.kstar_without is None else found.kstar_without):
        kept = groups != group
        tables.append(class_table(kstar[kept], labels[kept], classes.height))
        summaries.append(summarize(kstar[kept], labels[kept], tables[-1]))
    of_scores = {
        name: interval(scores[name], [summary[name] for summary in summaries], low=low, high=high)
        for name, (low, high) in INTERVAL_RANGES.items()
    }
    gammas = [[table["gamma"][label] for table in tables] for label in range(classes.height)]
    of_classes = [interval(*pair) or (None, None) for pair in zip(classes["gamma"], gammas, strict=True)]
    ends = pl.DataFrame(of_classes, schema={"gamma_low": pl.Float64, "gamma_high": pl.Float64}, orient="row")
    return classes.hstack(ends), {name: limits for name, limits in of_scores.items() if limits is not None}


def class_table(kstar: NDArray[np.int64], labels: NDArray[np.int64], n_classes: int) -> pl.DataFrame:
    """One row per class, in label order.

    n_images; kstar_mean, kstar_std (biased) of k*/n_c; gamma, gamma_anchored, pattern as in clipkstar.skewness;
    nn1_accuracy, the share of images whose nearest neighbour has their label. All but n_images are null for a class of
    one image and for a class without any.
    """
    import polars as pl

    from clipkstar import skewness

    rows = []
    for label in range(n_classes):
        of_class = kstar[labels == label]
        many = len(of_class) >= 2
        fractions = of_class / max(len(of_class), 1)
        rows.append(
            {
                "n_images": len(of_class),
                "kstar_mean": float(fractions.mean()) if many else None,
                "kstar_std": float(fractions.std()) if many else None,
                "gamma": skewness.gamma(of_class),
                "gamma_anchored": skewness.gamma_anchored(of_class),
                "pattern": skewness.pattern(of_class),
                "nn1_accuracy": float((of_class > 1).mean()) if many else None,
            }
        )
    others = {"n_images": pl.Int64, "pattern": pl.String}
    return pl.DataFrame(rows, schema={name: others.get(name, pl.Float64) for name in rows[0]})


def summarize(kstar: NDArray[np.int64], labels: NDArray[np.int64], classes: pl.DataFrame) -> dict[str, float | None]:
    """Scores of one distance from k* of every image and the class table; see SCORES for what each one says."""
    import numpy as np

    from clipkstar import skewness

    sizes = classes["n_images"].to_numpy()
    fractions = kstar / sizes[labels]
    gammas = classes["gamma"].to_list()
    patterns = classes["pattern"].to_list()
    return {
        "kstar_mean": skewness.mean_defined(classes["kstar_mean"].to_list()),
        "nn1_accuracy": float((kstar > 1).mean()),
        "gamma_approx": skewness.mean_defined(gammas),
        "gamma_true": skewness.skewness(fractions),
        "gamma_approx_anchored": skewness.mean_defined(classes["gamma_anchored"].to_list()),
        "gamma_true_anchored": skewness.skewness(np.append(fractions, (0.0, 1.0))),
        "gamma_undefined": float(sum(skew is None for skew, n in zip(gammas, sizes, strict=True) if n >= 2)),
        "singleton_classes": float((sizes == 1).sum()),
        "fractured": float(patterns.count("fractured")),
        "overlapped": float(patterns.count("overlapped")),
        "clustered": float(patterns.count("clustered")),
    }


def _notices(embeddings: Embeddings) -> tuple[str, ...]:
    import numpy as np

    from clipkstar.skewness import FEW_IMAGES

    sizes = np.bincount(embeddings.labels)
    singletons = int((sizes == 1).sum())
    small = int(((sizes >= 2) & (sizes < FEW_IMAGES)).sum())
    notices = []
    if singletons:
        notices.append(f"{singletons} classes have one image only: their γ and pattern are null.")
    if small:
        notices.append(f"{small} classes have fewer than {FEW_IMAGES} images: their γ is mostly noise.")
    return tuple(notices)


SCORES = (
    Score(name="kstar_mean", meaning="mean over classes of mean k*/n_c", better="higher", low=0, high=1),
    Score(name="nn1_accuracy", meaning="leave-one-out 1-nearest-neighbour accuracy", better="higher", low=0, high=1),
    Score(name="gamma_approx", meaning="Γ′: mean over classes of γ, the skewness of k*/n_c", better="lower"),
    Score(name="gamma_true", meaning="Γ: skewness of k*/n_c pooled over all images", better="lower"),
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
