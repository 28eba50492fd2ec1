"""What the page of one run shows, put together from its tables and from what of its work is still at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.embed import recall_images
from clipkstar.report.confusions import Pair, confused_pairs, impostor_pairs
from clipkstar.report.gallery import Gallery, gallery
from clipkstar.report.projection import FEWEST_IMAGES, project, sample
from clipkstar.report.projection_chart import Legend, Picture, colored_classes, draw, legend

if TYPE_CHECKING:
    from clipkstar.report.record import ClassCorrelation
    from clipkstar.run import Evaluation


@dataclass(frozen=True, kw_only=True)
class Map:
    """The embeddings laid out in the plane. n_images: of the run's, drawn. absent: why nothing is drawn, else ""."""

    pictures: tuple[Picture, ...] = ()
    legend: Legend | None = None
    n_images: int = 0
    absent: str = ""


@dataclass(frozen=True, kw_only=True)
class Detail:
    """One run's page. model, data_set: labels as in the report. correlations: over its classes.

    confused: by prediction; has_text: whether there are predictions. impostors: by nearest impostor.
    """

    evaluation: Evaluation
    model: str
    data_set: str
    correlations: tuple[ClassCorrelation, ...]
    confused: tuple[Pair, ...]
    has_text: bool
    impostors: tuple[Pair, ...]
    map: Map
    gallery: Gallery


def detail(
    evaluation: Evaluation,
    *,
    model: str,
    data_set: str,
    correlations: Sequence[ClassCorrelation] = (),
    thumbnails: bool = False,
    seed: int = 0,
) -> Detail:
    """Put the page of one run together; correlations: all of the report, of which this run's are taken.

    thumbnails: show pictures whatever their licence says. seed: of the projections.
    """
    images, classes = evaluation.images, evaluation.classes
    has_text = "prediction" in images.columns and images["prediction"].is_not_null().any()
    return Detail(
        evaluation=evaluation,
        model=model,
        data_set=data_set,
        correlations=tuple(each for each in correlations if each.run_id == evaluation.run.run_id),
        confused=confused_pairs(images, classes) if has_text else (),
        has_text=has_text,
        impostors=impostor_pairs(images, classes),
        map=lay_out(evaluation, seed=seed),
        gallery=gallery(evaluation, thumbnails=thumbnails),
    )


def lay_out(evaluation: Evaluation, *, seed: int = 0) -> Map:
    """Project the run's image embeddings, which the cache keeps; without them the map says how to get it."""
    from clipkstar.embeddings import Embeddings, finite_images

    images, classes = evaluation.images, evaluation.classes
    kept = recall_images(evaluation.run.embeddings)
    if kept is None or len(kept.images) != images.height:
        return Map(
            absent="No map: the embeddings of this run are not in the cache any more; the same eval or sweep with "
            "--force on this machine makes them again, and the next report draws them."
        )
    labels = images["label"].to_numpy()
    embeddings = Embeddings(
        images=kept.images, labels=labels, rows=images["row"].to_numpy(), class_names=tuple(classes["name"])
    )
    positions = sample(labels, colored_classes(classes))
    projections = project(finite_images(embeddings), positions, seed=seed)
    if projections is None:
        return Map(absent=f"No map: there are fewer than {FEWEST_IMAGES} images, or their embeddings are all equal.")
    return Map(
        pictures=draw(projections, images, classes),
        legend=legend(classes),
        n_images=len(projections.positions),
    )
