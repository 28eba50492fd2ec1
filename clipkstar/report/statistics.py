"""From points to the numbers of the report: accuracy against the latent scores, over models and data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clipkstar.discovery import METRICS, list_own
from clipkstar.errors import InputError
from clipkstar.report import latent
from clipkstar.report.correlations import correlations
from clipkstar.report.partial import partial
from clipkstar.report.pooled import pooled
from clipkstar.report.rankings import Direction, rankings
from clipkstar.report.record import PRIMARY, Statistics
from clipkstar.report.resampling import N_RESAMPLES
from clipkstar.report.samples import ACCURACY
from clipkstar.report.verdicts import verdicts

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.report.points import Points
    from clipkstar.report.record import DataSet


def statistics(points: Points, *, accuracy: str = "top1", n_resamples: int = N_RESAMPLES, seed: int = 0) -> Statistics:
    """Compute every number over models and data sets; the same points and seed give the same numbers.

    accuracy: a score of the zero-shot task, such as mean_class_recall; of runs without the task every record says why
    it is empty. n_resamples: of each bootstrap, and permutations. Raises InputError where accuracy is no such score.
    """
    if accuracy not in points.table.columns and accuracy not in _of_text():
        msg = f"no run has the score '{accuracy}'; statistics need an accuracy such as top1 or mean_class_recall"
        raise InputError(msg)
    directions = latent.latent_scores()
    table = _counted(points.table, accuracy, directions)
    kept: dict[str, Direction] = {score: better for score, better in directions.items() if score in table.columns}
    judged_by = _judged_by(points.data_sets)
    pooling = table.filter(~table["data_set"].is_in(list(judged_by)))
    found = correlations(table, list(kept), n_resamples=n_resamples, seed=seed)
    return Statistics(
        accuracy=accuracy,
        data_sets=tuple(replace(one, counted=one.label not in judged_by) for one in points.data_sets),
        correlations=found,
        verdicts=verdicts(found, judged_by=judged_by),
        pooled=pooled(pooling, list(kept), n_resamples=n_resamples, seed=seed),
        partial=partial(table, uncounted=judged_by, n_resamples=n_resamples, seed=seed),
        rankings=rankings(pooling, kept, n_resamples=n_resamples, seed=seed),
    )


def _of_text() -> set[str]:
    """Scores that runs with a text tower may have."""
    return {score.name for one in list_own(METRICS) if one.name in latent.OF_TEXT for score in one.scores}


def _judged_by(data_sets: Sequence[DataSet]) -> dict[str, str]:
    """Return for each data set that does not count the one that counts for its task.

    Evaluations of one task share their images and most models, so one counts: the one with the plain name of the task,
    else the one with the most models, the first of several.
    """
    best: dict[str, DataSet] = {}
    for one in sorted(data_sets, key=lambda one: (one.label != one.task, -one.n_models)):
        best.setdefault(one.task, one)
    return {one.label: best[one.task].label for one in data_sets if one is not best[one.task]}


def _counted(points: pl.DataFrame, accuracy: str, scores: Mapping[str, Direction]) -> pl.DataFrame:
    """Models that count, with the columns data_set, model, lineage, accuracy and each latent score that is there.

    Accuracy and Γ′, which the report is about, are there in any case; null where no run has them.
    """
    import polars as pl

    for column in {accuracy, latent.column(PRIMARY)} - set(points.columns):
        points = points.with_columns(pl.lit(None, pl.Float64).alias(column))
    columns = {ACCURACY: accuracy} | {score: latent.column(score) for score in scores}
    return points.filter(pl.col("counted")).select(
        "data_set",
        "model",
        "lineage",
        *(pl.col(column).cast(pl.Float64).alias(name) for name, column in columns.items() if column in points.columns),
    )
