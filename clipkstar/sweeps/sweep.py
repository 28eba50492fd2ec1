"""A sweep: many checkpoints on many tasks, as data, and what is told while it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from clipkstar.data.words import PromptChoice
from clipkstar.encoder import Request
from clipkstar.run import Run
from clipkstar.selection import select_checkpoint
from clipkstar.task import Task
from clipkstar.unit import Settings

if TYPE_CHECKING:
    from clipkstar.checkpoint import Checkpoint
    from clipkstar.encoder import Family


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Checkpoints × tasks, as data: all that another process needs to do a part of it.

    checkpoints: model with its family prefix and one tag or file each, as for `clipkstar eval`. metrics: names or
    files, () = all. limit, revision, prompts, stream: as in clipkstar.data.rows.open_rows.
    """

    checkpoints: tuple[Request, ...]
    tasks: tuple[Task, ...]
    settings: Settings
    metrics: tuple[str, ...] = ()
    limit: int | None = None
    revision: str | None = None
    prompts: PromptChoice | None = None
    stream: bool = False


@dataclass(frozen=True, kw_only=True)
class Member:
    """A checkpoint of a sweep, found.

    label: its title; where several have that title (epoch_1.pt of two folders), the folder behind it.
    """

    family: Family
    checkpoint: Checkpoint
    label: str


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One checkpoint on one task: the task's name and the member's label."""

    task: str
    checkpoint: str


@dataclass(frozen=True, kw_only=True)
class Working:
    """How far a pair is, in images."""

    pair: Pair
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What came of a pair.

    run: None where it failed. sentence: why it failed, else "". notices: of its metrics. pictures, seconds: evaluated
    now, and for how long; 0 where it was in the store already.
    """

    pair: Pair
    outcome: Literal["ran", "skipped", "failed"]
    run: Run | None = None
    sentence: str = ""
    notices: tuple[str, ...] = ()
    pictures: int = 0
    seconds: float = 0.0


Event = Working | Ended
Report = Callable[[Event], None]


def members(sweep: Sweep) -> list[Member]:
    """Find the checkpoints of a sweep; raises InputError for a name that nobody knows. Downloads nothing."""
    found = [select_checkpoint(request) for request in sweep.checkpoints]
    count = Counter(checkpoint.title for _, checkpoint in found)
    return [
        Member(family=family, checkpoint=checkpoint, label=_label(checkpoint, is_only=count[checkpoint.title] == 1))
        for family, checkpoint in found
    ]


def _label(checkpoint: Checkpoint, *, is_only: bool) -> str:
    if is_only:
        return checkpoint.title
    differing = (checkpoint.source, checkpoint.config_file, checkpoint.activation)
    return f"{checkpoint.title} of {', '.join(each for each in differing if each)}"
