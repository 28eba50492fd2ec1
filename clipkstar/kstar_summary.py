"""From k* of every image, with all images and without each group, to scores, intervals and the table of classes."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from clipkstar.neighbors import Impostors
    from clipkstar.skewness import ClassStatistics

Scores = dict[str, float | None]
"""Name → number, None = undefined."""

INTERVAL_RANGES = {
    "kstar_mean": (0.0, 1.0),
    "nn1_accuracy": (0.0, 1.0),
    "gamma_approx": (-inf, inf),
    "gamma_true": (-inf, inf),
}
"""Scores that get an interval, and the range it is cut to."""


def summarize(kstar: NDArray[np.integer], labels: NDArray[np.int64], classes: ClassStatistics) -> Scores:
    """Scores of one distance from k* of the images and of every class; clipkstar.metrics.kstar says what they mean.

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


def without_groups(
    found: Impostors,
    labels: NDArray[np.int64],
    *,
    asked: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    n_classes: int,
) -> list[tuple[Scores, ClassStatistics]]:
    """Return the scores and the classes without each group of images in turn.

    labels, groups: of all images. asked: positions of the images whose k* was found.
    [] where there are no groups, and where without one of them nothing is defined.
    """
    import numpy as np

    from clipkstar.skewness import class_statistics

    if groups is None or found.kstar_without is None:
        return []
    replicates = []
    for group, kstar in enumerate(found.kstar_without):
        others = labels[groups != group]
        kept = groups[asked] != group
        if (others == others[0]).all() or not kept.any():
            return []
        of_kept = labels[asked[kept]]
        classes = class_statistics(kstar[kept], of_kept, np.bincount(others, minlength=n_classes))
        replicates.append((summarize(kstar[kept], of_kept, classes), classes))
    return replicates


def jackknife(
    scores: Scores, classes: ClassStatistics, replicates: Sequence[tuple[Scores, ClassStatistics]]
) -> tuple[dict[str, tuple[float, float]], list[tuple[float, float] | None]]:
    """Return the intervals of the scores that have one, and of each class's γ (None where undefined).

    replicates: scores and classes without each group, as `without_groups` gives them.
    """
    from clipkstar.jackknife import interval
    from clipkstar.skewness import defined

    if not replicates:
        return {}, [None] * len(classes.n_images)
    of_scores = {
        name: interval(scores[name], [without[name] for without, _ in replicates], low=low, high=high)
        for name, (low, high) in INTERVAL_RANGES.items()
    }
    gammas = zip(*(defined(without.gamma) for _, without in replicates), strict=True)
    of_classes = [interval(*pair) for pair in zip(defined(classes.gamma), gammas, strict=True)]
    return {name: limits for name, limits in of_scores.items() if limits is not None}, of_classes


def class_table(
    classes: ClassStatistics,
    gamma_intervals: Sequence[tuple[float, float] | None],
    replicates: Sequence[ClassStatistics] | None = None,
) -> pl.DataFrame:
    """One row per class, in label order.

    kstar_mean, kstar_std (biased) of k*/n_c; gamma with its interval, gamma_anchored, pattern as in clipkstar.skewness;
    nn1_accuracy, the share of images whose nearest neighbour has their label. Null for a class of one image or none.
    gamma_without, kstar_mean_without, nn1_accuracy_without: 20 values, the class's without each group of images of
    clipkstar.jackknife; null inside where the class is undefined without that group, null as a whole where it is
    undefined without every group, and where there are no groups.
    replicates: the classes without each group, [] = there are none; None = leave these columns out.
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
    table = pl.DataFrame(columns, schema={name: pl.String if name == "pattern" else pl.Float64 for name in columns})
    if replicates is None:
        return table
    return table.with_columns(
        _values_without("gamma_without", len(classes.n_images), [without.gamma for without in replicates]),
        _values_without("kstar_mean_without", len(classes.n_images), [without.mean for without in replicates]),
        _values_without(
            "nn1_accuracy_without", len(classes.n_images), [without.nn1_accuracy for without in replicates]
        ),
    )


def _values_without(name: str, n_classes: int, values: Sequence[NDArray[np.float64]]) -> pl.Series:
    """One array of N_GROUPS per class; values: (n_classes,) without each group, NaN = undefined."""
    import numpy as np
    import polars as pl

    from clipkstar.jackknife import N_GROUPS
    from clipkstar.skewness import defined

    of_classes = np.stack(values, axis=1) if values else np.full((n_classes, N_GROUPS), np.nan)
    rows = [None if np.isnan(row).all() else defined(row) for row in of_classes]
    return pl.Series(name, rows, dtype=pl.Array(pl.Float32, N_GROUPS))
