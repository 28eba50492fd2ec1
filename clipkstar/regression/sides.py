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
from clipkstar.causes import first_line
from clipkstar.errors import InputError, UnknownNameError
from clipkstar.regression.baseline_file import read_baseline
from clipkstar.regression.troubles import Trouble, find_troubles
from clipkstar.regression.whole_tables import fault
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
    """The runs of one checkpoint.

    option: what it is chosen with. troubles: what of it failed or is damaged. others: the same of other checkpoints
    that may be the one that is meant. notices: sentences on what else the place holds.
    """

    role: Role
    checkpoint: CheckpointRecord
    offered: tuple[Offered, ...]
    option: str
    troubles: tuple[Trouble, ...] = ()
    others: tuple[Trouble, ...] = ()
    notices: tuple[str, ...] = ()

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

    model: its name, or a pattern with * ? [] as in file names: family--model--pretrained, the model, or the model and
    the pretrained tag with a blank or a slash between; a name that is exactly it is meant before any pattern is. None =
    the only one there. option: what it is chosen with. Raises InputError where several are meant, or none, and where
    the place cannot be read.
    """
    if not _exists(place):
        raise InputError(
            f"the {role} '{place}' does not exist; name a folder of runs, or a file of 'clipkstar baseline save'."
        )
    if place.is_file():
        return side_of([offer(one) for one in read_baseline(place)], role=role, model=model, option=option)
    stored, notices = read_stored([place])
    offered = [Offered(run=one.run, load=partial(_read, one.folder)) for one in stored]
    side = side_of(offered, role=role, model=model, option=option)
    title = side.checkpoint.title
    is_name = model in _names(side.checkpoint, title)
    troubles = find_troubles(place, whole=[one.folder for one in stored])
    return replace(
        side,
        troubles=tuple(one for one in troubles if one.is_of(title)),
        others=tuple(one for one in troubles if not one.is_of(title) and _may_be_meant(one, model, is_name=is_name)),
        notices=tuple(f"the {role}'s folder: {notice}" for notice in notices),
    )


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
    return Side(role=role, checkpoint=chosen[0].run.checkpoint, offered=tuple(chosen), option=option)


def _labels(keys: Mapping[_Key, object]) -> dict[_Key, str]:
    """Name each checkpoint by its title, with hashes where several have that."""
    count = Counter(key.title for key in keys)
    return {key: key.title if count[key.title] == 1 else f"{key.title} ({_hashes(key)})" for key in sorted(keys)}


def _hashes(key: _Key) -> str:
    return f"weights {key.weights[:HASH_LENGTH] or 'unknown'}, config {key.config[:HASH_LENGTH]}"


def _names(checkpoint: CheckpointRecord, label: str) -> tuple[str, ...]:
    model, tag = checkpoint.model, checkpoint.pretrained
    return label, checkpoint.title, model, f"{model} {tag}", f"{model}/{tag}"


def _may_be_meant(trouble: Trouble, model: str | None, *, is_name: bool) -> bool:
    """is_name: whether the model is a name, so that it is no pattern."""
    if model is None or model in trouble.names:
        return True
    return not is_name and any(fnmatchcase(name, model) for name in trouble.names)


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except OSError as error:
        raise InputError(f"'{place}' cannot be read ({error.strerror}); check the path.") from error


def _read(folder: Path) -> Evaluation:
    import polars as pl

    try:
        found = store.read(folder)
    except pl.exceptions.PanicException as error:
        why = first_line(error)
        raise InputError(f"the tables of {folder} cannot be read ({why}); repeat the run with --force.") from error
    if found is None:
        raise InputError(f"{folder} has no run.json any more; repeat the run.")
    if why := fault(found):
        raise InputError(f"the tables of {folder} are not those of its run.json ({why}); repeat the run with --force.")
    return found
