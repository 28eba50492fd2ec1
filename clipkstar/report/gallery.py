"""Where a latent space breaks: images of the most fractured classes with the smallest k*, and what lies beside them."""

from __future__ import annotations

import io
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.causes import first_line
from clipkstar.errors import InputError, PictureError
from clipkstar.pixels import decode
from clipkstar.report.pictures import Pictures, open_pictures, task_of
from clipkstar.report.redistribution import may_redistribute

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.run import Evaluation
    from clipkstar.task import Task

MOST_CLASSES = 6
IMAGES_PER_CLASS = 5
THUMBNAIL_SIDE = 96
"""Pixels of the longer side at most; nothing is made larger."""
JPEG_QUALITY = 82


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One image. row: in the data set. name: of its class. jpeg: small; None = not shown, or it does not decode."""

    row: int
    name: str
    jpeg: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Neighborhood:
    """An image beside its nearest impostor. kstar: 1 = nothing of its own class is nearer. prediction: "" = none."""

    image: Shown
    kstar: int
    prediction: str
    impostor: Shown


@dataclass(frozen=True, kw_only=True)
class FracturedClass:
    """A class with a high γ. gamma: None = its k* are all equal. pattern: "" = undefined.

    n_broken: images whose nearest neighbour is an impostor, k* = 1. worst: images with the smallest k*, some of them.
    """

    name: str
    n_images: int
    n_broken: int
    gamma: float | None
    pattern: str
    worst: tuple[Neighborhood, ...]


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """The most fractured classes. credit: source and licence of the pictures shown; absent: why none is, else ""."""

    classes: tuple[FracturedClass, ...]
    credit: str = ""
    absent: str = ""


def gallery(evaluation: Evaluation, *, thumbnails: bool = False) -> Gallery:
    """Return the images with the smallest k* (Euclidean) of the classes with the highest γ.

    thumbnails: show small pictures whatever the licence says; else only where it is known to allow passing them on.
    A data set that is not at hand leaves the pictures out and never raises.
    """
    classes = fractured_classes(evaluation.images, evaluation.classes)
    if not classes:
        return Gallery(classes=(), absent="No class has two images and a k*.")
    try:
        task = task_of(evaluation.run)
        refuse_to_show(task, thumbnails=thumbnails)
        jpegs = thumbnail_jpegs(open_pictures(evaluation.run, task), _rows(classes))
    except InputError as error:
        return Gallery(classes=classes, absent=f"No pictures: {error}")
    except Exception as error:  # a stranger's task, or files in whatever state: the page is made all the same
        return Gallery(classes=classes, absent=f"No pictures: {type(error).__name__}: {first_line(error)}")
    return Gallery(classes=tuple(_with_pictures(each, jpegs) for each in classes), credit=_credit(task))


def refuse_to_show(task: Task, *, thumbnails: bool) -> None:
    """Raise InputError unless the pictures of a task may be shown."""
    if not thumbnails and not may_redistribute(task.license):
        raise InputError(
            f"the licence of the task '{task.name}' ({task.license or 'not stated'}) is not known to allow passing its "
            "images on; --thumbnails shows them on a page that stays with you."
        )


def fractured_classes(images: pl.DataFrame, classes: pl.DataFrame) -> tuple[FracturedClass, ...]:
    """Return the MOST_CLASSES classes with the highest γ, each with its images of smallest k*, still without pictures.

    A class whose k* are all 1 has no γ and goes first. Of more images with one k* than are shown, evenly spaced ones
    are.
    """
    import polars as pl

    broken = (pl.col("pattern") == "fractured") & pl.col("gamma").is_null()
    ranked = (
        classes.filter(pl.col("pattern").is_not_null() & (pl.col("gamma").is_not_null() | broken))
        .with_columns(broken=broken)
        .sort("broken", "gamma", "class", descending=[True, True, False])
        .head(MOST_CLASSES)
    )
    names = dict(classes.select("class", "name").iter_rows())
    label_of = dict(images.select("row", "label").iter_rows())
    found = []
    for label, name, n_images, gamma, pattern in ranked.select(
        "class", "name", "n_images", "gamma", "pattern"
    ).iter_rows():
        own = images.filter(images["label"] == label).sort("kstar", "row")
        worst = tuple(
            Neighborhood(
                image=Shown(row=row, name=name),
                kstar=kstar,
                prediction=names.get(prediction, ""),
                impostor=Shown(row=impostor, name=names.get(label_of.get(impostor), "")),
            )
            for row, kstar, prediction, impostor in own[_smallest(own["kstar"].to_list())]
            .select("row", "kstar", "prediction", "impostor_row")
            .iter_rows()
        )
        found.append(
            FracturedClass(
                name=name,
                n_images=n_images,
                n_broken=own.filter(kstar=1).height,
                gamma=gamma,
                pattern=pattern or "",
                worst=worst,
            )
        )
    return tuple(found)


def _smallest(kstar: Sequence[int]) -> list[int]:
    """Return the places of the IMAGES_PER_CLASS smallest of ascending values, evenly spaced among equal ones."""
    if len(kstar) <= IMAGES_PER_CLASS:
        return list(range(len(kstar)))
    first, end = bisect_left(kstar, kstar[IMAGES_PER_CLASS - 1]), bisect_right(kstar, kstar[IMAGES_PER_CLASS - 1])
    step = (end - first) / (IMAGES_PER_CLASS - first)
    return [*range(first), *(first + int(number * step) for number in range(IMAGES_PER_CLASS - first))]


def thumbnail_jpegs(pictures: Pictures, rows: Iterable[int]) -> dict[int, bytes]:
    """Return a small JPEG for each row whose picture decodes; only these rows are read."""
    wanted = sorted(set(rows))
    found = {}
    for row, content in zip(wanted, pictures.read(wanted), strict=True):
        try:
            image = decode(content, where=f"task '{pictures.task.name}': row {row}")
        except PictureError:
            continue
        image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        file = io.BytesIO()
        image.save(file, format="JPEG", quality=JPEG_QUALITY)
        found[row] = file.getvalue()
    return found


def _rows(classes: Iterable[FracturedClass]) -> list[int]:
    return [row for each in classes for pair in each.worst for row in (pair.image.row, pair.impostor.row)]


def _with_pictures(found: FracturedClass, jpegs: Mapping[int, bytes]) -> FracturedClass:
    from dataclasses import replace

    def shown(image: Shown) -> Shown:
        return replace(image, jpeg=jpegs.get(image.row))

    worst = [replace(pair, image=shown(pair.image), impostor=shown(pair.impostor)) for pair in found.worst]
    return replace(found, worst=tuple(worst))


def _credit(task: Task) -> str:
    """Name source and licence, and say that the pictures were changed, as CC BY asks."""
    source = task.source or task.dataset.title
    return f"Pictures: {source}; licence: {task.license or 'not stated'}; re-encoded as small JPEGs."
