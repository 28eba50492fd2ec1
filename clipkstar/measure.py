"""Apply metrics to embeddings and put what they found side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

from clipkstar.embeddings import Embeddings
from clipkstar.errors import InputError
from clipkstar.metric import Measured, Metric
from clipkstar.neighbors import Neighbors
from clipkstar.run import CLASS_COLUMNS, IMAGE_COLUMNS

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What several metrics found together; fields as in Measured, both tables there."""

    scores: dict[str, float | None]
    intervals: dict[str, tuple[float, float]]
    images: pl.DataFrame
    classes: pl.DataFrame
    notices: tuple[str, ...]


def measure(embeddings: Embeddings, metrics: Sequence[Metric], neighbors: Neighbors | None = None) -> Findings:
    """Return the scores of all metrics and their tables joined, in the column order of the record.

    neighbors: searches over these embeddings with other settings than the default; where they are of a sample, `images`
    is of that sample. images starts with row and label, classes with class, name and n_images. Raises InputError if a
    metric gives a score that it does not declare, leaves one out, gives NaN, or names a score or column of another one.
    """
    neighbors = neighbors or Neighbors(embeddings)
    images, classes = identity_tables(embeddings, neighbors.queries)
    scores: dict[str, float | None] = {}
    intervals: dict[str, tuple[float, float]] = {}
    notices: list[str] = []
    for metric in metrics:
        found = metric.compute(embeddings, neighbors)
        _check_scores(metric, found, scores)
        scores |= {name: None if value is None else float(value) for name, value in found.scores.items()}
        intervals |= {name: (float(low), float(high)) for name, (low, high) in found.intervals.items()}
        notices += found.notices
        images = _joined(metric, images, found.images)
        classes = _joined(metric, classes, found.classes)
    return Findings(
        scores=scores,
        intervals=intervals,
        images=ordered(images, IMAGE_COLUMNS),
        classes=ordered(classes, CLASS_COLUMNS),
        notices=tuple(notices),
    )


def identity_tables(
    embeddings: Embeddings, queries: NDArray[np.int64] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the tables that metrics add columns to: row, label per image; class, name, n_images per class.

    Where the data set tells subgroups, images also get theirs.
    queries: positions of the images in the table; None = all. Classes then also get n_queries, how many those are.
    """
    import numpy as np
    import polars as pl

    sizes = np.bincount(embeddings.labels, minlength=embeddings.n_classes)
    classes = pl.DataFrame(
        {"class": np.arange(embeddings.n_classes), "name": embeddings.class_names, "n_images": sizes}
    )
    images = pl.DataFrame({"row": embeddings.rows, "label": embeddings.labels})
    if embeddings.subgroups is not None:
        images = images.with_columns(subgroup=pl.Series(embeddings.subgroups))
    if queries is None:
        return images, classes
    n_queries = np.bincount(embeddings.labels[queries], minlength=embeddings.n_classes)
    return images[queries], classes.with_columns(n_queries=pl.Series(n_queries))


def ordered(table: pl.DataFrame, first: Sequence[str]) -> pl.DataFrame:
    """Return the table with the columns of `first` in that order in front, as far as it has them."""
    front = [name for name in first if name in table.columns]
    return table.select(front + [name for name in table.columns if name not in first])


def _check_scores(metric: Metric, found: Measured, earlier: dict[str, float | None]) -> None:
    declared = {score.name for score in metric.scores}
    if declared != set(found.scores):
        odd = ", ".join(sorted(declared ^ set(found.scores)))
        raise InputError(f"metric '{metric.name}' declares other scores than it gives ({odd}); make them agree.")
    if taken := declared & set(earlier):
        raise InputError(f"metric '{metric.name}' gives '{min(taken)}', which another metric gives too; rename it.")
    for name, (low, high) in found.intervals.items():
        if name not in declared or not (_is_number(low) and _is_number(high)):
            raise InputError(f"metric '{metric.name}' gives the interval {low} to {high} for '{name}'; leave it out.")
    for name, value in found.scores.items():
        if value is not None and not _is_number(value):
            raise InputError(f"metric '{metric.name}' gives {value} for '{name}'; an undefined score is None.")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _joined(metric: Metric, table: pl.DataFrame, more: pl.DataFrame | None) -> pl.DataFrame:
    if more is None:
        return table
    if more.height != table.height or set(more.columns) & set(table.columns):
        raise InputError(
            f"metric '{metric.name}' gives a table of {more.height} rows and columns {', '.join(more.columns)}; "
            f"it needs {table.height} rows and columns that no other metric has."
        )
    return table.hstack(more)
