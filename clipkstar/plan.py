"""What the user asked for, found and checked in full before anything is computed or written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar import store
from clipkstar.discovery import TASKS, list_own
from clipkstar.errors import UnreachableError
from clipkstar.rows import Rows, open_rows
from clipkstar.runner import Settings, Work
from clipkstar.selection import select_checkpoint, select_metrics, select_tasks

if TYPE_CHECKING:
    from clipkstar.encoder import Request
    from clipkstar.store import Store


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What to evaluate, as typed. tasks, metrics: names, files or folders; suite: None = core if no task is named.

    limit: size of the class-stratified sample of each task. revision: of the data sets on the hub.
    """

    request: Request
    tasks: tuple[str, ...] = ()
    suite: str | None = None
    metrics: tuple[str, ...] = ()
    limit: int | None = None
    revision: str | None = None


def prepare(
    selection: Selection, settings: Settings, results: Store, say: Callable[[str], None]
) -> tuple[Work, list[Rows]]:
    """Return the checkpoint's work and its opened tasks; `say` gets what was decided on the way.

    Raises InputError for anything that is unknown, unreadable or unreachable, and for a store that cannot be written.
    """
    store.check_writable(results)
    metrics = select_metrics(selection.metrics)
    tasks = select_tasks(selection.tasks, selection.suite)
    family, checkpoint = select_checkpoint(selection.request)
    if checkpoint.notice:
        say(checkpoint.notice)
    opened = []
    for task in tasks:
        try:
            rows = open_rows(task, limit=selection.limit, revision=selection.revision)
        except UnreachableError as error:
            bundled = ", ".join(own.name for own in list_own(TASKS) if own.dataset.is_local)
            raise UnreachableError(
                f"{str(error).rstrip('.')}, or use the bundled {bundled} (--suite bundled), which need no network."
            ) from error
        for notice in rows.notices:
            say(notice)
        opened.append(rows)
    return Work(family=family, checkpoint=checkpoint, metrics=metrics, settings=settings), opened
