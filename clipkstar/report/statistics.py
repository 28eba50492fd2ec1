"""From points to the numbers of the report: accuracy against the latent scores, over models and data sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from clipkstar.errors import InputError
from clipkstar.report import latent
from clipkstar.report.correlations import correlations
from clipkstar.report.partial import partial
from clipkstar.report.pooled import pooled
from clipkstar.report.rankings import Direction, rankings
from clipkstar.report.record import Statistics
from clipkstar.report.resampling import N_RESAMPLES
from clipkstar.report.samples import ACCURACY
from clipkstar.report.verdicts import verdicts

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.report.points import Points


def statistics(points: Points, *, accuracy: str = "top1", n_resamples: int = N_RESAMPLES, seed: int = 0) -> Statistics:
    """Compute every number over models and data sets; the same points and seed give the same numbers.

    accuracy: a score of the zero-shot task, such as mean_class_recall. n_resamples: of each bootstrap, and
    permutations. Raises InputError where no run has this accuracy as a column.
    """
    if accuracy not in points.table.columns:
        msg = f"no run has the score '{accuracy}'; statistics need an accuracy such as top1 or mean_class_recall"
        raise InputError(msg)
    directions = latent.latent_scores()
    table = _counted(points.table, accuracy, directions)
    kept: dict[str, Direction] = {score: better for score, better in directions.items() if score in table.columns}
    found = correlations(table, list(kept), n_resamples=n_resamples, seed=seed)
    return Statistics(
        accuracy=accuracy,
        data_sets=points.data_sets,
        correlations=found,
        verdicts=verdicts(found),
        pooled=pooled(table, list(kept), n_resamples=n_resamples, seed=seed),
        partial=partial(table, n_resamples=n_resamples, seed=seed),
        rankings=rankings(table, kept, n_resamples=n_resamples, seed=seed),
    )


def _counted(points: pl.DataFrame, accuracy: str, scores: Mapping[str, Direction]) -> pl.DataFrame:
    """Models that count, with the columns data_set, model, lineage, accuracy and each latent score that is there."""
    import polars as pl

    columns = {ACCURACY: accuracy} | {score: latent.column(score) for score in scores}
    return points.filter(pl.col("counted")).select(
        "data_set",
        "model",
        "lineage",
        *(pl.col(column).cast(pl.Float64).alias(name) for name, column in columns.items() if column in points.columns),
    )
