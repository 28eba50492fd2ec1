"""One side of a check: the runs of one checkpoint, from a folder of runs or from a baseline file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from clipkstar import store
from clipkstar.errors import InputError, UnknownNameError
from clipkstar.regression.baseline_file import read_baseline
from clipkstar.regression.troubles import Trouble, find_troubles
from clipkstar.stored_runs import read_stored

if TYPE_CHECKING:
    from clipkstar.run import CheckpointRecord, Evaluation, Run

HASH_LENGTH = 8
"""Digits of a hash in a name."""

Role = Literal["candidate", "baseline"]


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A run of a side. load: reads its tables."""

    run: Run
    load: Callable[[], Evaluation]


@dataclass(frozen=True, kw_only=True)
class Side:
    """The runs of one checkpoint. troubles: what of it failed or is damaged."""

    role: Role
    checkpoint: CheckpointRecord
    offered: tuple[Offered, ...]
    troubles: tuple[Trouble, ...] = ()

    @property
    def called(self) -> str:
        """What the side is called in an error."""
        return f"the {self.role} '{self.checkpoint.title}'"


class _Key(NamedTuple):
    """What tells checkpoints apart; equal titles may stand for other weights, as of a file that training replaces."""

    title: str
    weights: str
    config: str


def read_side(place: Path, *, role: Role, model: str | None = None, option: str = "--model") -> Side:
    """Read the runs of the checkpoint that is meant, from a folder of runs or a baseline file.

    model: its name, or a pattern with * ? [] as in file names: family--model--pretrained, the model, or the model, a
    blank and the pretrained tag; a name that is exactly it is meant before any pattern is. None = the only one there.
    option: what it is chosen with. Raises InputError where several are meant, or none, and where the place cannot be
    read.
    """
    if place.is_file():
        return side_of([offer(one) for one in read_baseline(place)], role=role, model=model, option=option)
    stored, _ = read_stored([place])
    offered = [Offered(run=one.run, load=partial(_read, one.folder)) for one in stored]
    side = side_of(offered, role=role, model=model, option=option)
    troubles = find_troubles(place, whole=[one.folder for one in stored])
    return replace(side, troubles=tuple(one for one in troubles if one.is_of(side.checkpoint.title)))


def offer(evaluation: Evaluation) -> Offered:
    """Offer an evaluation that is in memory."""
    return Offered(run=evaluation.run, load=lambda: evaluation)


def side_of(offered: Sequence[Offered], *, role: Role, model: str | None = None, option: str = "--model") -> Side:
    """Return the side of the checkpoint that is meant, as `read_side`."""
    groups: defaultdict[_Key, list[Offered]] = defaultdict(list)
    for one in offered:
        of = one.run.checkpoint
        groups[_Key(of.title, of.weights_sha256 or "", of.config_sha256)].append(one)
    labels = _labels(groups)
    names = {key: _names(group[0].run.checkpoint, labels[key]) for key, group in groups.items()}
    meant = [key for key in names if model is None or model in names[key]]
    if not meant:
        meant = [key for key in names if any(fnmatchcase(name, str(model)) for name in names[key])]
    if not meant:
        raise UnknownNameError(f"checkpoint of the {role} for {option}", str(model), labels.values())
    if len(meant) > 1:
        several = ", ".join(sorted(labels[key] for key in meant))
        raise InputError(f"the {role} has runs of {len(meant)} checkpoints ({several}); choose one with {option}.")
    chosen = groups[meant[0]]
    return Side(role=role, checkpoint=chosen[0].run.checkpoint, offered=tuple(chosen))


def _labels(keys: Mapping[_Key, object]) -> dict[_Key, str]:
    """Name each checkpoint by its title, with hashes where several have that."""
    count = Counter(key.title for key in keys)
    return {key: key.title if count[key.title] == 1 else f"{key.title} ({_hashes(key)})" for key in sorted(keys)}


def _hashes(key: _Key) -> str:
    return f"weights {key.weights[:HASH_LENGTH] or 'unknown'}, config {key.config[:HASH_LENGTH]}"


def _names(checkpoint: CheckpointRecord, label: str) -> tuple[str, ...]:
    return label, checkpoint.title, checkpoint.model, f"{checkpoint.model} {checkpoint.pretrained}"


def _read(folder: Path) -> Evaluation:
    found = store.read(folder)
    if found is None:
        raise InputError(f"{folder} has no run.json any more; repeat the run.")
    return found
