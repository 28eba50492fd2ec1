"""From stores to points: one row for each run that may be shown, with what it counts as, and what was left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.data_sets import Key, data_set_labels, key_of, split_notices
from clipkstar.errors import InputError
from clipkstar.metric_versions import Outdated, newest_scores, version_notices
from clipkstar.report.common_classes import PREFIXES, CommonMeans, common_means, need_tables, read_gammas
from clipkstar.report.point_table import Member, point_table, score_columns
from clipkstar.report.record import DataSet
from clipkstar.report.replicate_notices import class_notices, lineage_notices, replicate_notices
from clipkstar.report.replicates import merged_lineages, standings
from clipkstar.stored_runs import StoredRun, no_run_left, read_stored, shortened

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.report.common_classes import Gammas
    from clipkstar.report.replicates import Standing
    from clipkstar.run import Run


@dataclass(frozen=True, kw_only=True)
class Points:
    """The runs of a report.

    table: one row per run, by data set and model. Columns and types as in point_table.schema: after those that say what
        the run is, a Float64 column for each score (null = undefined, not measured, or of an older version of its
        metric), `<score>_low` and `<score>_high` for each with an interval, and the columns of latent.COMMON.
        model: unique among the rows of a data set that are counted. lineage: what statistics take for one cluster.
        training_run, stage: stages of one training run share its name and are numbered from 0. counted: whether the row
        is an independent finding; why_not: as in replicates.WhyNot; counted_as: the model that counts for it.
        run_id: equal where equal weights have several names. folder: as found, a path of this machine.
    data_sets: in the order of the table. notices: what was refused, split and left out, in sentences.
    """

    table: pl.DataFrame
    data_sets: tuple[DataSet, ...]
    notices: tuple[str, ...]


def read_points(roots: Sequence[Path]) -> Points:
    """Read the runs of several stores, of their tasks or checkpoints, or single runs, each once.

    Runs of other images, words, precision or space are other data sets. What cannot be used is said in `notices` while
    the rest goes on. Raises InputError for a root that is no folder, and where no run is left.
    """
    stored, notices = read_stored(roots)
    groups: defaultdict[Key, list[StoredRun]] = defaultdict(list)
    for one in stored:
        groups[key_of(one.run)].append(one)
    members: list[Member] = []
    means: dict[Key, dict[str, CommonMeans]] = {}
    unreadable: list[str] = []
    outdated: dict[Key, list[Outdated]] = {}
    for key, group in groups.items():
        current, outdated[key] = newest_scores([one.run for one in group])
        kept, gammas = _gammas([replace(one, run=run) for one, run in zip(group, current, strict=True)], unreadable)
        if kept:
            runs = [one.run for one in kept]
            found = standings(runs)
            is_counted = [standing.why_not == "" for standing in found]
            means[key] = {prefix: common_means(runs, gammas, counted=is_counted, prefix=prefix) for prefix in PREFIXES}
            members += _members(kept, found, means[key])
    notices += shortened(unreadable, "more class tables cannot be read")
    if not members:
        raise no_run_left(roots, notices)
    labels = data_set_labels([member.stored.run for member in members])
    notices += version_notices({label: outdated[key] for key, label in labels.items()})
    return _points(members, means, labels=labels, notices=notices)


def _gammas(group: Sequence[StoredRun], unreadable: list[str]) -> tuple[list[StoredRun], list[Gammas] | None]:
    """Return the runs of a data set whose class tables can be read where they are needed, and the γ in them."""
    runs = [one.run for one in group]
    if not need_tables(runs):
        return list(group), None
    kept, gammas = [], []
    for one, found in zip(group, read_gammas(runs, [one.folder for one in group]), strict=True):
        if isinstance(found, InputError):
            unreadable.append(str(found).replace(str(one.folder), one.told))
        else:
            kept.append(one)
            gammas.append(found)
    return kept, gammas


def _members(group: Sequence[StoredRun], found: Sequence[Standing], means: Mapping[str, CommonMeans]) -> list[Member]:
    return [
        Member(
            stored=one,
            standing=standing,
            counted_as=group[standing.counted_as],
            common={prefix: of.values[number] for prefix, of in means.items()},
        )
        for number, (one, standing) in enumerate(zip(group, found, strict=True))
    ]


def _points(
    members: Sequence[Member],
    means: Mapping[Key, Mapping[str, CommonMeans]],
    *,
    labels: dict[Key, str],
    notices: Sequence[str],
) -> Points:
    runs = [member.stored.run for member in members]
    stand_ins = [member.counted_as.run.checkpoint.lineage for member in members]
    lineages = merged_lineages(runs, zip((run.checkpoint.lineage for run in runs), stand_ins, strict=True))
    scores, clashing = score_columns(members)
    table = point_table(members, labels=labels, lineages=lineages, scores=scores)
    examples = {key_of(run): run for run in runs}
    rows = table.partition_by("data_set", as_dict=True)
    data_sets = tuple(_data_set(label, examples[key], rows[label,], means[key]) for key, label in labels.items())
    return Points(
        table=table,
        data_sets=data_sets,
        notices=(
            *notices,
            *clashing,
            *split_notices(runs, labels),
            *lineage_notices(lineages),
            *replicate_notices(_with_checkpoints(table, members)),
            *class_notices(data_sets),
        ),
    )


def _with_checkpoints(table: pl.DataFrame, members: Sequence[Member]) -> pl.DataFrame:
    """Add what the notices need to know of the checkpoints."""
    import polars as pl

    checkpoints = {str(member.stored.folder): member.stored.run.checkpoint for member in members}
    of_rows = [checkpoints[folder] for folder in table["folder"]]
    return table.with_columns(
        pretrained=pl.Series([of.pretrained for of in of_rows], dtype=pl.String),
        config_sha256=pl.Series([of.config_sha256 for of in of_rows], dtype=pl.String),
    )


def _data_set(label: str, run: Run, rows: pl.DataFrame, means: Mapping[str, CommonMeans]) -> DataSet:
    """Describe one data set; run: any of it, rows: those of the table, means: by prefix."""
    reasons = rows["why_not"].to_list()
    return DataSet(
        label=label,
        task=run.task.name,
        fingerprint=run.task.fingerprint,
        precision=run.protocol.precision,
        space=run.protocol.space,
        n_images=run.task.n_images,
        n_classes=run.task.n_classes,
        limit=run.task.limit,
        n_models=reasons.count(""),
        n_lineages=rows.filter("counted")["lineage"].n_unique(),
        n_stages=reasons.count("earlier stage"),
        n_copies=reasons.count("equal weights") + reasons.count("equal embeddings"),
        n_classes_left_out=means[""].n_left_out,
        n_classes_left_out_cosine=means["cosine_"].n_left_out,
    )
