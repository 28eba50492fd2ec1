"""Results of runs: the scores that compare, under names that say what was evaluated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clipkstar.data_sets import Key, key_of
from clipkstar.exports.data_set_names import data_set_names
from clipkstar.exports.result import Result
from clipkstar.metric_versions import Outdated, newest_scores, version_notices
from clipkstar.report.labels import model_labels

if TYPE_CHECKING:
    from clipkstar.run import Run


def run_results(runs: Sequence[Run]) -> tuple[list[Result], list[str]]:
    """Return one result per run, by data set, checkpoint and run_id, and which scores do not compare, in sentences.

    Scores of an older version of a metric than another run of the data set has are left out, as in reports.
    """
    groups: defaultdict[Key, list[Run]] = defaultdict(list)
    for run in runs:
        groups[key_of(run)].append(run)
    outdated: dict[Key, list[Outdated]] = {}
    current: list[Run] = []
    for key, group in groups.items():
        kept, outdated[key] = newest_scores(group)
        current += kept
    names = data_set_names(current)
    checkpoints = model_labels(current, [True] * len(current))
    results = [
        replace(_result(run, names[key_of(run)], title), metric_versions=_versions(run, outdated[key_of(run)]))
        for run, title in zip(current, checkpoints, strict=True)
    ]
    results.sort(key=lambda result: (result.data_set, result.checkpoint, result.run_id))
    return results, version_notices({name: outdated[key] for key, name in sorted(names.items())})


def _result(run: Run, data_set: str, checkpoint: str) -> Result:
    return Result(
        source="clipkstar",
        data_set=data_set,
        checkpoint=checkpoint,
        task=run.task.name,
        model=run.checkpoint.model,
        pretrained=run.checkpoint.pretrained,
        dataset=run.task.dataset,
        family=run.checkpoint.family,
        lineage=run.checkpoint.lineage,
        precision=run.protocol.precision,
        space=run.protocol.space,
        prompt_set=run.protocol.prompt_set,
        limit=run.task.limit,
        n_images=run.task.n_images,
        n_classes=run.task.n_classes,
        split=run.task.split,
        revision=run.task.revision,
        fingerprint=run.task.fingerprint,
        run_id=run.run_id,
        seconds_total=run.seconds.total,
        weights_sha256=run.checkpoint.weights_sha256,
        clipkstar=run.environment.clipkstar,
        scores=run.scores,
        intervals=run.intervals,
    )


def _versions(run: Run, outdated: Sequence[Outdated]) -> str:
    """Return the metrics of a run and their versions, by name, without those whose scores were left out."""
    newest = {one.metric: one.newest for one in outdated}
    return "; ".join(
        f"{name} {version}" for name, version in sorted(run.metrics.items()) if newest.get(name, version) == version
    )
