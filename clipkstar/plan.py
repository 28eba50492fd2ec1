"""What the user asked for, found and checked in full before anything is computed or written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar import embedding_export, hub, store
from clipkstar.caching.room import bound_bytes
from clipkstar.data.own_data import Columns
from clipkstar.data.rows import Rows, open_rows
from clipkstar.data.words import PromptChoice
from clipkstar.discovery import TASKS, list_own
from clipkstar.errors import InputError, UnreachableError
from clipkstar.runner import embed_unit, unit_of
from clipkstar.selection import check_words_fit, select_checkpoint, select_metrics, select_tasks
from clipkstar.unit import Settings, Work, load_encoder

if TYPE_CHECKING:
    from clipkstar.encoder import Request
    from clipkstar.metric import Metric
    from clipkstar.runner import Progress
    from clipkstar.store import Store


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What to evaluate, as typed. tasks, metrics: names, files or folders; suite: None = core if no task is named.

    columns: of data that no task file describes. limit: size of the class-stratified sample of each task.
    revision: of the data sets on the hub. prompts: instead of the tasks' own words. stream: keep one shard at a time.
    """

    request: Request
    tasks: tuple[str, ...] = ()
    suite: str | None = None
    columns: Columns | None = None
    metrics: tuple[str, ...] = ()
    limit: int | None = None
    revision: str | None = None
    prompts: PromptChoice | None = None
    stream: bool = False


def prepare(
    selection: Selection, settings: Settings, results: Store, say: Callable[[str], None]
) -> tuple[Work, list[Rows]]:
    """Return the checkpoint's work and its opened tasks; `say` gets what was decided on the way.

    Raises InputError for anything that is unknown, unreadable or unreachable, and for a store that cannot be written.
    """
    store.check_writable(results)
    bound_bytes()  # a wrong $CLIPKSTAR_CACHE_GB is said before anything is computed
    metrics = select_metrics(selection.metrics)
    return _work(selection, settings, metrics, say), _opened(selection, say)


def write_embeddings(
    path: Path, selection: Selection, settings: Settings, say: Callable[[str], None], progress: Progress
) -> None:
    """Embed one task with one checkpoint and write a file of embeddings, labels and row numbers.

    Raises InputError for what `prepare` refuses, more than one task, and a file that cannot be written.
    """
    embedding_export.check_place(path)
    if len(selection.tasks) != 1:
        raise InputError(f"embed got {len(selection.tasks)} tasks; it needs one --task for each file.")
    work, opened = _work(selection, settings, (), say), _opened(selection, say)
    if len(opened) != 1:
        raise InputError(f"embed got {len(opened)} tasks in '{selection.tasks[0]}'; it needs one for each file.")
    unit = unit_of(work, opened[0])
    embeddings, _ = embed_unit(unit, lambda: load_encoder(work, unit.device), progress)
    embedding_export.write(path, embeddings, unit.about())


def _work(selection: Selection, settings: Settings, metrics: Sequence[Metric], say: Callable[[str], None]) -> Work:
    family, checkpoint = select_checkpoint(selection.request)
    if checkpoint.notice:
        say(checkpoint.notice)
    return Work(family=family, checkpoint=checkpoint, metrics=metrics, settings=settings)


def _opened(selection: Selection, say: Callable[[str], None]) -> list[Rows]:
    opened = []
    tasks = select_tasks(selection.tasks, selection.suite, selection.columns)
    check_words_fit(selection.prompts, tasks)
    for task in tasks:
        try:
            rows = open_rows(
                task,
                limit=selection.limit,
                revision=selection.revision,
                prompts=selection.prompts,
                stream=selection.stream,
            )
        except UnreachableError as error:
            bundled = ", ".join(own.name for own in list_own(TASKS) if own.dataset.is_local)
            raise UnreachableError(
                f"{str(error).rstrip('.')}, or use the bundled {bundled} (--suite bundled), which need no network."
            ) from error
        for notice in rows.notices:
            say(notice)
        opened.append(rows)
    if any(not task.dataset.is_local for task in tasks):
        reason = hub.go_offline_if_unreachable()
        if reason and not os.environ.get("HF_HUB_OFFLINE"):
            say(f"{reason}; the data sets are those of the cache.")
    return opened
