"""Tasks that this process has opened, kept for the next evaluation of a model in training."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clipkstar.caching.file_states import FileStates, file_states
from clipkstar.data.openings import Asked, states_before
from clipkstar.data.rows import Rows, open_rows
from clipkstar.data.words import PromptChoice

if TYPE_CHECKING:
    from clipkstar.task import Task

MOST_KEPT = 8
"""Opened tasks; a training looks at few of them, and images on the disk take no memory."""


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """An opened task; named: digest of the state of the image files that its rows name."""

    rows: Rows
    named: str


_kept: OrderedDict[tuple[str, int | None, str], _Kept] = OrderedDict()
"""By task, limit and the state of the task's files on this machine; what was used last stands last."""


def open_once(task: Task, *, limit: int | None) -> Rows:
    """Open a task as `open_rows` does, or return what this process opened before, with 0 `seconds`.

    A local data set whose files changed, or those of the images that its rows name, is opened again; one of the hub
    stays at the commit that it was opened at.
    """
    states = states_before(Asked(task=task, limit=limit, revision=None, prompts=PromptChoice(), stream=False))
    key = (repr(task), limit, "" if states is None else states.digest)
    kept = _kept.pop(key, None)
    if kept is not None:
        named = _named(kept.rows)
        if named is not None and named.digest == kept.named:
            _kept[key] = kept
            return replace(kept.rows, seconds=0.0)
    started = time.time()
    with _progress_bars():
        rows = open_rows(task, limit=limit)
    named = _named(rows)
    if named is not None and named.settled_before(started):  # else it may have changed while it was read
        _kept[key] = _Kept(rows=rows, named=named.digest)
    if len(_kept) > MOST_KEPT:
        _kept.popitem(last=False)
    return rows


def _named(rows: Rows) -> FileStates | None:
    """Ask about the image files that the rows name; None where one is not there, which the reader will say."""
    try:
        return file_states(rows.named_files)
    except OSError:
        return None


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
