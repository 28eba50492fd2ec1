"""Pseudo-replicates: runs of one data set that are one finding, such as stages of a training run; each counts once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from clipkstar.report.latent import latent_scores

if TYPE_CHECKING:
    from clipkstar.run import Run

Group = TypeVar("Group", bound=Hashable)

WhyNot = Literal["", "equal weights", "equal embeddings", "earlier stage"]

BY_REACH: tuple[WhyNot, ...] = ("earlier stage", "equal embeddings", "equal weights")
"""Of several reasons why a run does not count, the first is true of it and the run that counts for it."""

LAST_STAGES = ("best", "latest", "last", "final")
"""Words in the name of a stage that comes after all numbered ones; among themselves in this order."""

SHARES = ("nn1_accuracy", "cosine_nn1_accuracy", "knn20_accuracy")
"""Latent scores that count images: different embeddings may well agree in them."""

LEAST_EQUAL = 3
"""Different numbers in which two runs agree to the last digit before their embeddings are taken to be equal."""


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

    Runs of equal weights and configuration count once, whatever their names; of a training run its last stage counts;
    of what is left, runs of equal embeddings count once. Where there is a choice, a last stage goes before others, then
    the first by family and title. The order of the runs makes no difference.
    """
    stages = _stages(runs)
    training_runs = _grouped(range(len(runs)), lambda n: training_run(runs[n]))
    ends = {one: max(stages[n] for n in group) for one, group in training_runs.items()}
    is_last = [stages[n] == ends[training_run(run)] for n, run in enumerate(runs)]
    order = sorted(range(len(runs)), key=lambda n: (not is_last[n], _place(runs[n])))
    left: dict[int, tuple[WhyNot, int]] = {}
    for group in _grouped(order, lambda n: _weights(runs[n]) or n).values():
        left |= dict.fromkeys(group[1:], ("equal weights", group[0]))
    for group in training_runs.values():
        last = min((n for n in group if is_last[n]), key=order.index)
        left |= {n: ("earlier stage", last) for n in group if n not in left and not is_last[n]}
    left |= _equal_embeddings(runs, [n for n in order if n not in left])
    return [_standing(n, stages[n], left) for n in range(len(runs))]


def stage_key(pretrained: str) -> tuple[int, tuple[tuple[int, int, str], ...]]:
    """Sort names of stages as they follow each other: numbers by value, LAST_STAGES after them."""
    words = re.findall(r"[^\W\d_]+|\d+", pretrained.lower())
    last = max((1 + LAST_STAGES.index(word) for word in words if word in LAST_STAGES), default=0)
    return last, tuple((1, int(word), "") if word.isdecimal() else (0, 0, word) for word in words)


def merged_lineages(runs: Iterable[Run]) -> dict[str, str]:
    """Return for each lineage the one that it belongs to: lineages that have weights in common are one cluster.

    The first by name gives its name to all.
    """
    of_weights: defaultdict[str, set[str]] = defaultdict(set)
    merged: dict[str, str] = {}
    for run in runs:
        merged[run.checkpoint.lineage] = run.checkpoint.lineage
        if run.checkpoint.weights_sha256 is not None:
            of_weights[run.checkpoint.weights_sha256].add(run.checkpoint.lineage)
    for lineages in of_weights.values():
        names = {merged[lineage] for lineage in lineages}
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


def _equal_embeddings(runs: Sequence[Run], order: Sequence[int]) -> dict[int, tuple[WhyNot, int]]:
    """Return for each run that agrees with an earlier one in the order that one's number."""
    scores = {n: _continuous_scores(runs[n]) for n in order}
    counted: defaultdict[tuple[str, float], list[int]] = defaultdict(list)
    found: dict[int, tuple[WhyNot, int]] = {}
    for n in order:
        candidates = dict.fromkeys(other for item in scores[n].items() for other in counted.get(item, ()))
        same = next((other for other in sorted(candidates, key=order.index) if _agree(scores[n], scores[other])), None)
        if same is not None:
            found[n] = ("equal embeddings", same)
            continue
        for item in scores[n].items():
            counted[item].append(n)
    return found


def _continuous_scores(run: Run) -> dict[str, float]:
    """Return the latent scores that tell embeddings apart.

    Those of k* do not where all k*/n are equal: then every perfect space has the same.
    """
    scores = {name: value for name in _continuous() if (value := run.scores.get(name)) is not None}
    for prefix in ("", "cosine_"):
        if f"{prefix}gamma_true" not in scores:
            of_kstar = (f"{prefix}kstar", f"{prefix}gamma")
            scores = {name: value for name, value in scores.items() if not name.startswith(of_kstar)}
    return scores


@cache
def _continuous() -> tuple[str, ...]:
    return tuple(name for name in latent_scores() if name not in SHARES)


def _agree(scores: dict[str, float], others: dict[str, float]) -> bool:
    common = scores.keys() & others.keys()
    return (
        all(scores[name] == others[name] for name in common) and len({scores[name] for name in common}) >= LEAST_EQUAL
    )


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


def _weights(run: Run) -> tuple[str, str] | None:
    of = run.checkpoint
    return None if of.weights_sha256 is None else (of.weights_sha256, of.config_sha256)


def _place(run: Run) -> tuple[str, str, int, str, str]:
    """By family and title; of equal ones, the run with most scores."""
    of = run.checkpoint
    return of.family, of.title, -len(run.scores), of.weights_sha256 or "", run.run_id


def _grouped(numbers: Iterable[int], group_of: Callable[[int], Group]) -> dict[Group, list[int]]:
    groups: defaultdict[Group, list[int]] = defaultdict(list)
    for number in numbers:
        groups[group_of(number)].append(number)
    return dict(groups)
