"""Tasks that this process has opened, kept for the next evaluation of a model in training."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from clipkstar.data.openings import Asked, states_before
from clipkstar.data.rows import Rows, open_rows
from clipkstar.data.words import PromptChoice

if TYPE_CHECKING:
    from clipkstar.task import Task

MOST_KEPT = 8
"""Opened tasks; a training looks at few of them, and images on the disk take no memory."""

_kept: OrderedDict[tuple[str, int | None, str], Rows] = OrderedDict()
"""By task, limit and the state of the task's files on this machine; what was used last stands last."""


def open_once(task: Task, *, limit: int | None) -> Rows:
    """Open a task as `open_rows` does, or return what this process opened before, with 0 `seconds`.

    A local data set whose files changed is opened again; one of the hub stays at the commit that it was opened at.
    """
    states = states_before(Asked(task=task, limit=limit, revision=None, prompts=PromptChoice(), stream=False))
    key = (repr(task), limit, "" if states is None else states.digest)
    if key in _kept:
        _kept.move_to_end(key)
        return replace(_kept[key], seconds=0.0)
    with _progress_bars():
        rows = open_rows(task, limit=limit)
    _kept[key] = rows
    if len(_kept) > MOST_KEPT:
        _kept.popitem(last=False)
    return rows


@contextmanager
def _progress_bars() -> Iterator[None]:
    """Leave the progress bars of `datasets`, which opening switches off, as the training has them."""
    from datasets.utils import are_progress_bars_disabled, enable_progress_bars

    were_disabled = are_progress_bars_disabled()
    try:
        yield
    finally:
        if not were_disabled:
            enable_progress_bars()
