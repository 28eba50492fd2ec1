"""Paired delete-group jackknife: how much k* scores differ, from the values that a run keeps without each group.

A group's images are left out on both sides at once, so that what candidate and baseline have in common cancels. The
groups follow from the labels alone and are therefore the same for both. Source: Kott, Journal of Official Statistics 17
(2001). Resampling the k* of single images instead takes them for independent, which they are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.jackknife import N_GROUPS, class_groups, standard_error
from clipkstar.regression.estimated import Estimated, has_spread

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ClassValues:
    """One value of every class: of all images, and without each group of them; NaN = undefined.

    all_images: (n_classes,) float64. without: (n_classes, N_GROUPS) float64; all NaN where the run has no groups.
    """

    all_images: Floats
    without: Floats

    @property
    def defined(self) -> NDArray[np.bool_]:
        """(n_classes,) bool, whether the class has a value with all images and without each group."""
        import numpy as np

        return ~np.isnan(self.all_images) & ~np.isnan(self.without).any(axis=1)


def class_values(classes: pl.DataFrame, name: str) -> ClassValues:
    """Read a column of a class table and its `_without`; values of a table that lacks the latter have no groups."""
    import numpy as np
    import polars as pl

    all_images = classes[name].cast(pl.Float64).to_numpy()
    without = np.full((classes.height, N_GROUPS), np.nan)
    if f"{name}_without" in classes.columns:
        column = classes[f"{name}_without"]
        there = column.is_not_null().to_numpy()
        if there.any():
            without[there] = column.drop_nulls().cast(pl.Array(pl.Float64, N_GROUPS)).to_numpy()
    return ClassValues(all_images=all_images, without=without)


def evidence_of(worsening: float, without: Floats, n_images: int, *, least: float = 0.0) -> Estimated | None:
    """Evidence from a worsening and, without each group, (N_GROUPS,) the same; None where these have no spread.

    least: the standard error is at least that.
    """
    error = max(standard_error(without), least)
    if not has_spread(worsening, error):
        return None
    return Estimated(
        estimate=worsening,
        standard_error=error,
        n_images=n_images,
        degrees_of_freedom=len(without) - 1,
    )


def pooled_accuracy(values: ClassValues, labels: NDArray[np.int64]) -> tuple[float, Floats | None]:
    """Share of all images whose nearest neighbour has their label, from the classes' shares: the value, and without.

    labels: (n_images,) in the order of the embeddings. The image of a class of one counts as a miss, with all images
    as without a group. without: (N_GROUPS,); None where the run has no groups.
    """
    import numpy as np

    n_classes = len(values.all_images)
    sizes = np.bincount(labels, minlength=n_classes)
    share = _hits(values.all_images, sizes).sum() / len(labels)
    groups = class_groups(labels)
    if groups is None or np.isnan(values.without).all():
        return float(share), None
    left_out = np.bincount(labels * N_GROUPS + groups, minlength=n_classes * N_GROUPS).reshape(n_classes, N_GROUPS)
    kept = sizes[:, None] - left_out
    return float(share), _hits(values.without, kept).sum(axis=0) / kept.sum(axis=0)


def _hits(shares: Floats, sizes: NDArray[np.int64]) -> Floats:
    """Whole numbers of images; a class of one image, or none, has no share and no hit."""
    import numpy as np

    return np.rint(np.nan_to_num(shares) * sizes)
