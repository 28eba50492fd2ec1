"""Pseudo-replicates: runs of one data set that are one finding, such as stages of a training run; each counts once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from clipkstar.report.equal_embeddings import equal_embeddings
from clipkstar.report.stage_order import stage_key

if TYPE_CHECKING:
    from clipkstar.run import Run

Group = TypeVar("Group", bound=Hashable)

WhyNot = Literal["", "equal weights", "equal embeddings", "earlier stage"]

BY_REACH: tuple[WhyNot, ...] = ("earlier stage", "equal embeddings", "equal weights")
"""Of several reasons why a run does not count, the first is true of it and the run that counts for it."""


class TrainingRun(NamedTuple):
    """What the stages of one training run have in common."""

    lineage: str
    family: str
    model: str
    config_sha256: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a run counts as among those of its data set.

    stage: its number in its training run, from 0. counted_as: number of the run that counts for it, its own if it does.
    """

    stage: int
    why_not: WhyNot
    counted_as: int


def training_run(run: Run) -> TrainingRun:
    """Return the training run that a run's checkpoint is a stage of."""
    of = run.checkpoint
    return TrainingRun(lineage=of.lineage, family=of.family, model=of.model, config_sha256=of.config_sha256)


def standings(runs: Sequence[Run]) -> list[Standing]:
    """Tell for each run of one data set whether it counts, and what for.

    Runs of equal weights count once, whatever their names and configurations; of a training run its last stage counts;
    of what is left, runs of equal embeddings count once. Where there is a choice, a last stage goes before others, then
    the first by family and title. The order of the runs makes no difference.
    """
    stages = _stages(runs)
    training_runs = _grouped(range(len(runs)), lambda n: training_run(runs[n]))
    ends = {one: max(stages[n] for n in group) for one, group in training_runs.items()}
    is_last = [stages[n] == ends[training_run(run)] for n, run in enumerate(runs)]
    order = sorted(range(len(runs)), key=lambda n: (not is_last[n], _place(runs[n])))
    left: dict[int, tuple[WhyNot, int]] = {}
    for group in _grouped(order, lambda n: runs[n].checkpoint.weights_sha256 or n).values():
        left |= dict.fromkeys(group[1:], ("equal weights", group[0]))
    for group in training_runs.values():
        last = min((n for n in group if is_last[n]), key=order.index)
        left |= {n: ("earlier stage", last) for n in group if n not in left and not is_last[n]}
    equal = equal_embeddings(runs, [n for n in order if n not in left])
    left |= {n: ("equal embeddings", other) for n, other in equal.items()}
    return [_standing(n, stages[n], left) for n in range(len(runs))]


def merged_lineages(runs: Iterable[Run], alike: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Return for each lineage the one that it belongs to: lineages that share a training run are one cluster.

    Those with weights in common do, and those in `alike`, such as of runs with equal embeddings. The first by name
    gives its name to all.
    """
    of_weights: defaultdict[str, set[str]] = defaultdict(set)
    merged: dict[str, str] = {}
    for run in runs:
        merged[run.checkpoint.lineage] = run.checkpoint.lineage
        if run.checkpoint.weights_sha256 is not None:
            of_weights[run.checkpoint.weights_sha256].add(run.checkpoint.lineage)
    together = {frozenset(lineages) for lineages in [*of_weights.values(), *alike]}
    for lineages in together:
        names = {merged[lineage] for lineage in lineages}
        if len(names) > 1:
            merged = {lineage: min(names) if name in names else name for lineage, name in merged.items()}
    return merged


def _stages(runs: Sequence[Run]) -> list[int]:
    """Number the stages of each training run by name, from 0; runs of one name are one stage."""
    names: defaultdict[TrainingRun, set[str]] = defaultdict(set)
    for run in runs:
        names[training_run(run)].add(run.checkpoint.pretrained)
    numbers = {
        one: {name: number for number, name in enumerate(sorted(of_one, key=lambda name: (stage_key(name), name)))}
        for one, of_one in names.items()
    }
    return [numbers[training_run(run)][run.checkpoint.pretrained] for run in runs]


def _standing(number: int, stage: int, left: dict[int, tuple[WhyNot, int]]) -> Standing:
    """Follow who stands for whom to the run that counts, and say what is true of both.

    Whoever stands for another is better placed, so this ends. A copy of an earlier stage is one, too.
    """
    reasons: set[WhyNot] = set()
    while number in left:
        reason, number = left[number]
        reasons.add(reason)
    why_not: WhyNot = next((reason for reason in BY_REACH if reason in reasons), "")
    return Standing(stage=stage, why_not=why_not, counted_as=number)


def _place(run: Run) -> tuple[str, str, int, str, str]:
    """By family and title; of equal ones, the run with most scores."""
    of = run.checkpoint
    return of.family, of.title, -len(run.scores), of.weights_sha256 or "", run.run_id


def _grouped(numbers: Iterable[int], group_of: Callable[[int], Group]) -> dict[Group, list[int]]:
    groups: defaultdict[Group, list[int]] = defaultdict(list)
    for number in numbers:
        groups[group_of(number)].append(number)
    return dict(groups)
