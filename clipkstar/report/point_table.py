"""The table of the points: one row per run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.data_sets import Key, key_of
from clipkstar.report.common_classes import PREFIXES
from clipkstar.report.labels import model_labels, training_run_labels
from clipkstar.report.latent import COMMON
from clipkstar.report.replicates import training_run
from clipkstar.score_columns import score_columns as columns_of_scores

if TYPE_CHECKING:
    import polars as pl
    from polars._typing import PolarsDataType

    from clipkstar.report.replicates import Standing
    from clipkstar.stored_runs import StoredRun

Scores = Mapping[str, Sequence[float | None]]
"""Name of a column → its value for each run; None = undefined or not measured."""

COLUMNS = (
    "data_set", "task", "model", "family", "lineage", "training_run", "stage", "counted", "why_not", "counted_as",
    "run_id", "folder", "n_images", "n_classes", "seconds_total",
)  # fmt: skip
"""Before the columns of the scores."""

WHOLE_NUMBERS = ("stage", "n_images", "n_classes")


@dataclass(frozen=True, kw_only=True)
class Member:
    """A run among those of its data set.

    counted_as: the run that counts for it, itself if it does. common: prefix → Γ′ over the classes whose γ is defined
    for all runs of the data set that count.
    """

    stored: StoredRun
    standing: Standing
    counted_as: StoredRun
    common: Mapping[str, float | None]


def point_table(
    members: Sequence[Member], *, labels: Mapping[Key, str], lineages: Mapping[str, str], scores: Scores
) -> pl.DataFrame:
    """Return one row per member, by data set as in `labels`, model, stage and run_id; see Points.

    labels: names of the data sets. lineages: recorded lineage → the one it belongs to.
    """
    import polars as pl

    runs = [member.stored.run for member in members]
    is_counted = [member.standing.why_not == "" for member in members]
    models = model_labels(runs, is_counted)
    model_of = {member.stored.folder: model for member, model in zip(members, models, strict=True)}
    trainings = training_run_labels(training_run(run) for run in runs)
    columns: dict[str, Sequence[object]] = {
        "data_set": [labels[key_of(run)] for run in runs],
        "task": [run.task.name for run in runs],
        "model": models,
        "family": [run.checkpoint.family for run in runs],
        "lineage": [lineages[run.checkpoint.lineage] for run in runs],
        "training_run": [trainings[training_run(run)] for run in runs],
        "stage": [member.standing.stage for member in members],
        "counted": is_counted,
        "why_not": [member.standing.why_not for member in members],
        "counted_as": [model_of[member.counted_as.folder] for member in members],
        "run_id": [run.run_id for run in runs],
        "folder": [str(member.stored.folder) for member in members],
        "n_images": [run.task.n_images for run in runs],
        "n_classes": [run.task.n_classes for run in runs],
        "seconds_total": [run.seconds.total for run in runs],
    }
    table = pl.DataFrame(columns | dict(scores), schema=schema(scores))
    places = {label: place for place, label in enumerate(labels.values())}
    place = pl.col("data_set").replace_strict(places, return_dtype=pl.Int64)
    return table.sort(place, "model", "stage", "run_id")


def schema(scores: Iterable[str]) -> dict[str, PolarsDataType]:
    """Return the columns of the table and their types; scores: names of those after COLUMNS, all Float64."""
    import polars as pl

    types: dict[str, PolarsDataType] = dict.fromkeys(COLUMNS, pl.String)
    types |= dict.fromkeys(WHOLE_NUMBERS, pl.Int64) | {"counted": pl.Boolean, "seconds_total": pl.Float64}
    return types | dict.fromkeys(scores, pl.Float64)


def score_columns(members: Sequence[Member]) -> tuple[dict[str, list[float | None]], list[str]]:
    """Return the columns of all scores, their intervals and the common means, by name, and what had to be left out."""
    runs = [member.stored.run for member in members]
    columns, left_out = columns_of_scores(runs, {*COLUMNS, *COMMON.values()})
    for prefix in PREFIXES:
        columns[COMMON[f"{prefix}gamma_approx"]] = [member.common[prefix] for member in members]
    return columns, [
        f"the score '{name}' is left out: the report has a column of that name already; rename it in its metric."
        for name in left_out
    ]
