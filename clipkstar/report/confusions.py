"""Which classes of a run are taken for which: by the text tower, and by nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

MOST_PAIRS = 12


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Images of one class that belong to another by prediction, or by the class of their nearest impostor.

    n_images: so many of the class; share: of all its images, above 0 and up to 1.
    """

    name: str
    other: str
    n_images: int
    share: float


def confused_pairs(images: pl.DataFrame, classes: pl.DataFrame, *, most: int = MOST_PAIRS) -> tuple[Pair, ...]:
    """Return the pairs of classes that zero-shot prediction confuses most, most images first.

    images: columns label and prediction (null without a text tower). classes: columns class, name, n_images. Of equally
    many images, the larger share goes first, then the first label.
    """
    return _pairs(images.select("label", other="prediction"), classes, most=most)


def impostor_pairs(images: pl.DataFrame, classes: pl.DataFrame, *, most: int = MOST_PAIRS) -> tuple[Pair, ...]:
    """Return the pairs of a class and the class of its images' nearest impostors, most images first, as above.

    images: columns row, label and impostor_row; an impostor that is not among the rows is left out.
    """
    import polars as pl

    labels = images.select(impostor_row="row", other="label")
    joined = images.select("label", pl.col("impostor_row").cast(images.schema["row"])).join(labels, on="impostor_row")
    return _pairs(joined.select("label", "other"), classes, most=most)


def _pairs(pairs: pl.DataFrame, classes: pl.DataFrame, *, most: int) -> tuple[Pair, ...]:
    """pairs: columns label and other, one row per image."""
    import polars as pl

    sizes = classes.select(label=pl.col("class").cast(pl.Int64), n_images=pl.col("n_images").cast(pl.Int64))
    names = dict(classes.select("class", "name").iter_rows())
    counted = (
        pairs.cast(pl.Int64)
        .filter(pl.col("label") != pl.col("other"))
        .group_by("label", "other")
        .agg(n=pl.len())
        .join(sizes, on="label")
        .with_columns(share=pl.col("n") / pl.col("n_images"))
        .sort("n", "share", "label", "other", descending=[True, True, False, False])
        .head(most)
    )
    return tuple(
        Pair(name=names[label], other=names[other], n_images=n, share=share)
        for label, other, n, share in counted.select("label", "other", "n", "share").iter_rows()
    )
