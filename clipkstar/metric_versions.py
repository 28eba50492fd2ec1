"""Scores of one data set that compare: each metric in the newest version that any of its runs has."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from clipkstar.discovery import METRICS, list_own
from clipkstar.wording import counted

if TYPE_CHECKING:
    from clipkstar.run import Run

VersionKey = tuple[tuple[int, int, str], ...]
"""What sorts the versions of a metric."""


@dataclass(frozen=True, kw_only=True)
class Outdated:
    """Runs of one data set whose scores of a metric are left out."""

    metric: str
    newest: str
    n_runs: int


def newest_scores(runs: Sequence[Run]) -> tuple[list[Run], list[Outdated]]:
    """Return the runs of one data set without the scores and intervals of older versions of a metric, and which.

    The scores of a metric that is not our own cannot be told from those of others of that kind, so that all of these
    go where one is older, as in recording.with_other_metrics.
    """
    newest: dict[str, str] = {}
    for run in runs:
        for name, version in run.metrics.items():
            newest[name] = max(newest.get(name, version), version, key=version_key)
    older = [[name for name, version in run.metrics.items() if version != newest[name]] for run in runs]
    n_runs = Counter(name for names in older for name in names)
    kept = [_without(run, names) if names else run for run, names in zip(runs, older, strict=True)]
    return kept, [Outdated(metric=name, newest=newest[name], n_runs=n_runs[name]) for name in sorted(n_runs)]


def version_notices(outdated: Mapping[str, Sequence[Outdated]]) -> list[str]:
    """Say, one sentence for each metric, how many runs have another version of it; outdated: by data set."""
    places: defaultdict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for label, of_label in outdated.items():
        for one in of_label:
            places[one.metric, one.newest].append((label, one.n_runs))
    return [
        f"{counted(sum(n for _, n in where), 'run')} without the scores of '{metric}', measured by an older version of "
        f"it than {newest}, which does not compare ({'; '.join(f'{label}: {n}' for label, n in where)}); 'clipkstar "
        "score RUNS --force' or the same sweep again measures them anew."
        for (metric, newest), where in sorted(places.items())
    ]


def version_key(version: str) -> VersionKey:
    """Sort versions by the numbers in them: 10 after 9, 1.10 after 1.9."""
    parts = re.findall(r"\d+|[^\W\d_]+", version)
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts)


def _without(run: Run, metrics: Sequence[str]) -> Run:
    own = _own_scores()
    left_out = {score for name in metrics for score in own.get(name, ())}
    if any(name not in own for name in metrics):
        left_out |= run.scores.keys() - {score for scores in own.values() for score in scores}
    return replace(
        run,
        scores={name: value for name, value in run.scores.items() if name not in left_out},
        intervals={name: value for name, value in run.intervals.items() if name not in left_out},
    )


@cache
def _own_scores() -> dict[str, tuple[str, ...]]:
    return {metric.name: tuple(score.name for score in metric.scores) for metric in list_own(METRICS)}
