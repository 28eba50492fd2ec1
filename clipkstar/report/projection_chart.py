"""A projection as SVG paths: all points of one colour in one path, some ten bytes a point.

Drawn here and not by altair, whose mark for each point takes 250 bytes: eight pictures of 1,000 points would be 2 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.report.projection import SPECTRAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from clipkstar.report.projection import Projection, Projections

SIDE = 300
"""Width and height of a picture in its own units."""
MARGIN = 10
MOST_COLORED = 10
"""Classes that have a colour of their own; more could not be told apart."""
KSTAR_BANDS = 5


@dataclass(frozen=True, kw_only=True)
class Group:
    """Points of one colour. style: in the style sheet. path: dots. number, number_at: of the class, and its place."""

    style: str
    path: str
    number: str = ""
    number_at: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One projection drawn twice: coloured by class, and by k*/n."""

    name: str
    by_class: tuple[Group, ...]
    by_kstar: tuple[Group, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Legend:
    """What the colours mean. classes: style, number, name; n_others: classes in grey. bands: style, k*/n in words."""

    classes: tuple[tuple[str, str, str], ...]
    n_others: int
    bands: tuple[tuple[str, str], ...]


def colored_classes(classes: pl.DataFrame) -> list[int]:
    """Return the labels of the classes that get a colour, ascending: all, or the MOST_COLORED with the highest γ."""
    there = classes.filter(classes["n_images"] > 0).sort("gamma", "class", descending=[True, False], nulls_last=True)
    return sorted(there["class"].head(MOST_COLORED).to_list())


def legend(classes: pl.DataFrame) -> Legend:
    """Return what the colours of every picture of a run mean."""
    names = dict(classes.select("class", "name").iter_rows())
    colored = colored_classes(classes)
    n_there = int((classes["n_images"] > 0).sum())
    bands = [(number / KSTAR_BANDS, (number + 1) / KSTAR_BANDS) for number in range(KSTAR_BANDS)]
    return Legend(
        classes=tuple((f"c{place}", str(place + 1), names[label]) for place, label in enumerate(colored)),
        n_others=n_there - len(colored),
        bands=tuple((f"k{number}", f"{low:.1f} to {high:.1f}") for number, (low, high) in enumerate(bands)),
    )


def draw(projections: Projections, images: pl.DataFrame, classes: pl.DataFrame) -> tuple[Picture, ...]:
    """Draw every layout. images: columns label and kstar, all images of the run; classes: class, n_images, gamma."""
    import numpy as np

    labels = images["label"].to_numpy()[projections.positions]
    sizes = dict(classes.select("class", "n_images").iter_rows())
    n_own = np.array([sizes[label] for label in labels])
    fractions = images["kstar"].to_numpy()[projections.positions] / n_own
    bands = np.minimum((fractions * KSTAR_BANDS).astype(int), KSTAR_BANDS - 1)
    colored = colored_classes(classes)
    return tuple(
        Picture(
            name=layout.name,
            by_class=_by_class(_in_pixels(layout), labels, colored),
            by_kstar=_by_kstar(_in_pixels(layout), bands),
            notices=layout.notices,
        )
        for layout in projections.layouts
    )


def _in_pixels(layout: Projection) -> NDArray[np.int64]:
    """Fit into the square, both axes on one scale.

    Of the spectral map only the order along each axis is drawn: its clusters lie so far apart that each would be a dot.
    """
    import numpy as np
    from scipy.stats import rankdata

    drawn = rankdata(layout.coordinates, axis=0) if layout.name == SPECTRAL else layout.coordinates
    low, high = drawn.min(axis=0), drawn.max(axis=0)
    extent = (high - low).max() or 1.0
    placed = (drawn - (high + low) / 2) / extent * (SIDE - 2 * MARGIN) + SIDE / 2
    return np.asarray(np.rint(placed), dtype=np.int64)


def _by_class(points: NDArray[np.int64], labels: NDArray[np.int64], colored: Sequence[int]) -> tuple[Group, ...]:
    import numpy as np

    others = ~np.isin(labels, colored)
    groups = [Group(style="other", path=_dots(points[others]))] if others.any() else []
    for place, label in enumerate(colored):
        own = points[labels == label]
        if len(own):
            x, y = np.median(own, axis=0)
            at = (int(x), int(y))
            groups.append(Group(style=f"c{place}", path=_dots(own), number=str(place + 1), number_at=at))
    return tuple(groups)


def _by_kstar(points: NDArray[np.int64], bands: NDArray[np.int64]) -> tuple[Group, ...]:
    """Images with a small k* are drawn last, over the others."""
    return tuple(
        Group(style=f"k{band}", path=_dots(points[bands == band]))
        for band in reversed(range(KSTAR_BANDS))
        if (bands == band).any()
    )


def _dots(points: NDArray[np.int64]) -> str:
    """Path of lines of no length, which a stylesheet gives round ends; equal places are drawn once."""
    places = dict.fromkeys((int(x), int(y)) for x, y in points)
    return "".join(f"M{x} {y}h0" for x, y in places)
