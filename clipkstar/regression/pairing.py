"""The pairs of a check: each run of the baseline with the candidate's of the same images and words; else refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.data_sets import data_set_labels, key_of
from clipkstar.errors import InputError, UnknownNameError
from clipkstar.regression.baseline_file import condensed
from clipkstar.regression.record import Pair
from clipkstar.regression.refusals import AGAIN, Difference, differences, is_pair, remedy, version_differences
from clipkstar.regression.whole_tables import order_fault

if TYPE_CHECKING:
    from clipkstar.regression.policy import Across
    from clipkstar.regression.sides import Offered, Side
    from clipkstar.regression.troubles import Trouble
    from clipkstar.run import Run

HASH_LENGTH = 8
"""Digits of a hash in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Paired:
    """What is to be compared, by the baseline's order of data sets, and sentences for the reader."""

    pairs: tuple[Pair, ...]
    notices: tuple[str, ...]


def pair_sides(candidate: Side, baseline: Side, *, across: Sequence[Across] = (), tasks: Sequence[str] = ()) -> Paired:
    """Pair the runs of two checkpoints on every data set of the baseline, or on the tasks named.

    Raises InputError where the evidence would be of other images, or less than the baseline promises: a data set that
    the candidate lacks, runs that differ in what decides the numbers (each difference is named), runs that failed or
    are damaged, and several that fit.
    """
    wanted = wanted_tasks(baseline, tasks)
    refuse_troubles(candidate, wanted)
    refuse_troubles(baseline, tasks)
    _refuse_missing(candidate, wanted)
    matched = [match for name in wanted for match in _matches(candidate, baseline, name, across)]
    labels = data_set_labels([old.run for _, old in matched])
    pairs = tuple(_pair(labels[key_of(old.run)], new, old) for new, old in matched)
    taken = {new.run.run_id for new, _ in matched}
    extra = [one.run for one in candidate.offered if one.run.run_id not in taken and not tasks]
    return Paired(
        pairs=pairs,
        notices=(
            *_same_weights(candidate, baseline),
            *_extra_notices(extra),
            *_surroundings(pairs),
            *candidate.notices,
            *baseline.notices,
        ),
    )


def wanted_tasks(side: Side, tasks: Sequence[str]) -> list[str]:
    """Return the tasks of a side that are named, all where none is; UnknownNameError for one that it lacks."""
    known = dict.fromkeys(one.run.task.name for one in side.offered)
    for name in tasks:
        if name not in known and not any(trouble.is_on(name) for trouble in side.troubles):
            raise UnknownNameError(f"task of {side.called} for --task", name, known)
    return [name for name in known if not tasks or name in tasks]


def refuse_troubles(side: Side, names: Sequence[str]) -> None:
    """Raise InputError for a run of those tasks (none named = of any) that failed or is damaged.

    One of another checkpoint counts where that may be the one that is meant: its older sibling must not stand for it.
    """
    if found := _on(side.troubles, names):
        told = "; ".join(f"{one.task}: {one.sentence}" for one in found)
        raise InputError(
            f"{side.called} has runs that cannot be used ({told}); repeat them, or leave them out with --task."
        )
    if others := _on(side.others, names):
        told = "; ".join(f"{one.checkpoint} on {one.task}: {one.sentence}" for one in others)
        raise InputError(
            f"{side.called} has others beside it whose runs cannot be used ({told}); say which is meant with "
            f"{side.option}."
        )


def _on(troubles: Iterable[Trouble], names: Sequence[str]) -> list[Trouble]:
    return [one for one in troubles if not names or any(one.is_on(name) for name in names)]


def _pair(label: str, candidate: Offered, baseline: Offered) -> Pair:
    new, old = candidate.load(), baseline.load()
    if why := order_fault(new, old):
        raise InputError(
            f"candidate and baseline do not compare on {label}: {why}, though their records name the same images; "
            "repeat both runs with --force."
        )
    return Pair(label=label, candidate=condensed(new), baseline=condensed(old))


def _refuse_missing(candidate: Side, wanted: Iterable[str]) -> None:
    own = {one.run.task.name for one in candidate.offered}
    missing = [name for name in wanted if name not in own]
    if missing:
        raise InputError(
            f"{candidate.called} has no run on {', '.join(missing)}, which the baseline has; evaluate it there, or "
            "name the others with --task."
        )


def _matches(candidate: Side, baseline: Side, task: str, across: Sequence[Across]) -> list[tuple[Offered, Offered]]:
    """Return who is compared with whom on one task, (candidate, baseline)."""
    new = [one for one in candidate.offered if one.run.task.name == task]
    old = [one for one in baseline.offered if one.run.task.name == task]
    sides = f"{candidate.called} does not compare with {baseline.called}"
    found = []
    for each in old:
        fitting = [one for one in new if is_pair(one.run, each.run, across)]
        if not fitting:
            nearest = min((differences(one, each, across) for one in new), key=len)
            raise _no_pair(f"{sides} on {task}", nearest, remedy(nearest))
        _refuse_several(candidate, fitting)
        _refuse_several(baseline, [one for one in old if is_pair(fitting[0].run, one.run, across)])
        if versions := version_differences(fitting[0].run, each.run):
            raise _no_pair(f"{sides} on {task}", versions, AGAIN)
        found.append((fitting[0], each))
    return found


def _no_pair(begin: str, found: Sequence[Difference], what_to_do: str) -> InputError:
    return InputError(f"{begin}: {', '.join(one.said for one in found)}; {what_to_do}.")


def _refuse_several(side: Side, fitting: Sequence[Offered]) -> None:
    if len(fitting) > 1:
        told = "; ".join(_described(one.run) for one in fitting)
        raise InputError(
            f"{side.called} has {len(fitting)} runs on {fitting[0].run.task.name} that fit ({told}); give a folder "
            "with one of them."
        )


def _described(run: Run) -> str:
    space = "" if run.protocol.space == "output" else f" {run.protocol.space}"
    return (
        f"{run.protocol.precision}{space} on {run.protocol.device} with open_clip {run.environment.open_clip}, "
        f"{run.run_id[:HASH_LENGTH]}"
    )


def _extra_notices(extra: Sequence[Run]) -> list[str]:
    labels = data_set_labels(extra)
    if not labels:
        return []
    return [f"only the candidate was evaluated on {', '.join(labels.values())}, which is not compared."]


def _same_weights(candidate: Side, baseline: Side) -> list[str]:
    """Say where a checkpoint is compared with itself, which a gate that looks at the wrong folder does, too."""
    new, old = candidate.checkpoint, baseline.checkpoint
    if new.weights_sha256 is None or (new.weights_sha256, new.config_sha256) != (old.weights_sha256, old.config_sha256):
        return []
    return [f"candidate and baseline are the same weights, {new.weights_sha256[:HASH_LENGTH]}."]


def _surroundings(pairs: Iterable[Pair]) -> list[str]:
    """Say what else the two sides differ in: what a check looks across, and what should matter a little at most."""
    seen: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for pair in pairs:
        new, old = pair.candidate.run, pair.baseline.run
        seen["in"].append((new.protocol.precision, old.protocol.precision))
        seen["in the space"].append((new.protocol.space, old.protocol.space))
        seen["on"].append((new.protocol.device, old.protocol.device))
        seen["with open_clip"].append((new.environment.open_clip, old.environment.open_clip))
        seen["with torch"].append((new.environment.torch, old.environment.torch))
    return [
        f"the candidate was evaluated {how} {new}, the baseline {how} {old}."
        for how, both in seen.items()
        for new, old in dict.fromkeys(both)
        if new != old
    ]
