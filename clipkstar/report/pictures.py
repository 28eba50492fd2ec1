"""The pictures of a stored run's data set, where they are at hand: never downloaded, and only if they are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar import hub
from clipkstar.data.openings import known_opening
from clipkstar.data.rows import open_rows
from clipkstar.data.tables import open_table
from clipkstar.data.words import PromptChoice
from clipkstar.discovery import TASKS, find, is_known
from clipkstar.errors import InputError, UnreachableError

if TYPE_CHECKING:
    from clipkstar.run import Run
    from clipkstar.task import Task

MOST_TO_READ = 20_000
"""Images of a data set that are all read to find out whether they are the run's, where that is not known."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures of an opened data set. read: ascending row numbers → the encoded image of each."""

    task: Task
    read: Callable[[Sequence[int]], Iterator[bytes]]


def task_of(run: Run) -> Task:
    """Return the task that a run names; raises InputError where none of this installation has the name."""
    if not is_known(TASKS, run.task.name):  # a path is no name: a stranger's record must not make us run a file
        raise InputError(f"the task '{run.task.name}' is not among those of 'clipkstar tasks'; install what has it.")
    return find(TASKS, run.task.name)[0]


def open_pictures(run: Run, task: Task) -> Pictures:
    """Open the data set of a run without a connection.

    Raises InputError where it is not on this machine, where its images, labels or words are not those of the run, and
    where that is not known from an earlier opening and MOST_TO_READ images are too many to find out.
    """
    try:
        with _offline():
            _check_same(run, task)
            images = open_table(task, run.task.revision).images
    except UnreachableError as error:
        raise InputError(
            f"the data set of the task '{task.name}' is not on this machine; an eval of the task brings it."
        ) from error

    def read(row_numbers: Sequence[int]) -> Iterator[bytes]:
        import numpy as np

        return images(np.asarray(row_numbers, dtype=np.int64))

    return Pictures(task=task, read=read)


def _check_same(run: Run, task: Task) -> None:
    """Raise InputError unless a task holds what was evaluated; its images are read only where no opening is known."""
    prompts = PromptChoice(prompts=run.protocol.prompt_set or None)
    for revision in dict.fromkeys((None, run.task.revision)):
        known = known_opening(task, limit=run.task.limit, revision=revision, prompts=prompts)
        if known is not None and known.fingerprint == run.task.fingerprint:
            return
    if run.task.n_images > MOST_TO_READ:
        raise InputError(
            f"whether the images of the task '{task.name}' are those of the run is not known, and {run.task.n_images} "
            "are many to read; an eval of the task on this machine finds it out."
        )
    rows = open_rows(task, limit=run.task.limit, revision=run.task.revision, prompts=prompts)
    if rows.fingerprint != run.task.fingerprint:
        raise InputError(
            f"the task '{task.name}' has other images, labels or words here than in the run; evaluate it again."
        )


@contextmanager
def _offline() -> Iterator[None]:
    """Let nothing ask the hub meanwhile."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        hub.go_offline_if_unreachable.cache_clear()  # or all that follows would be held for offline
