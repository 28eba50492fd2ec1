"""What the user named → the family and checkpoint, the tasks, the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clipkstar.checkpoint import Checkpoint
from clipkstar.data.own_data import Columns, task_from
from clipkstar.data.words import PromptChoice
from clipkstar.discovery import (
    FAMILIES,
    METRICS,
    TASKS,
    find,
    find_all,
    is_known,
    list_own,
    refuse_duplicates,
    strangers,
)
from clipkstar.encoder import Family, Request
from clipkstar.errors import InputError, UnknownNameError
from clipkstar.metric import Metric
from clipkstar.task import Task

DEFAULT_SUITE = "core"
OPEN_CLIP_SCHEMES = ("hf-hub", "local-dir")


def select_checkpoint(request: Request) -> tuple[Family, Checkpoint]:
    """Find the family of a model name and let it resolve the rest.

    A bare name is the zoo's if the zoo has it, else open_clip's; `family:name` names the family, which may be a file
    `path/to/family.py`. Raises InputError with the nearest names.
    """
    prefix, colon, model = request.model.partition(":")
    if colon and prefix not in OPEN_CLIP_SCHEMES:
        family = find(FAMILIES, prefix)[0]
        return family, family.resolve(replace(request, model=model))
    zoo, open_clip = find(FAMILIES, "zoo")[0], find(FAMILIES, "open_clip")[0]
    bundled = {known.model for known in zoo.checkpoints()}
    if request.model in bundled:
        return zoo, zoo.resolve(request)
    try:
        return open_clip, open_clip.resolve(request)
    except UnknownNameError as error:
        if error.noun != "model":
            raise
        raise UnknownNameError("model", error.name, {*error.known, *bundled}, lister=error.lister) from None


def select_tasks(tasks: Sequence[str], suite: str | None, columns: Columns | None = None) -> list[Task]:
    """Return the tasks named by name, file, folder or own data, then those of the suite; core if nothing is named.

    columns: of own data (clipkstar.data.own_data); None = the usual ones. Raises InputError where they are given and no
    own data is named that they could be of.
    """
    found = _named_tasks(tasks, columns or Columns())
    if suite is None and not tasks:
        suite = DEFAULT_SUITE
    if suite is None:
        return found
    own = list_own(TASKS)
    members = [task for task in own if suite in task.groups and task not in found]
    if not members and not any(suite in task.groups for task in found):
        raise UnknownNameError("suite", suite, {group for task in own for group in task.groups})
    return found + members


def _named_tasks(wanted: Sequence[str], columns: Columns) -> list[Task]:
    own_data = {name: None if is_known(TASKS, name) else task_from(name, columns) for name in wanted}
    if columns != Columns() and not any(own_data.values()):
        raise InputError(
            "--image-column, --label-column and --split are for data files and hub:org/name; tasks name their own, so "
            "leave them out."
        )
    if not any(own_data.values()):
        return find_all(TASKS, wanted)
    each = [[made] if made is not None else find(TASKS, name) for name, made in own_data.items()]
    found = [task for tasks in each for task in tasks]
    distinct = [task for position, task in enumerate(found) if task not in found[:position]]
    known = [made.name for made in own_data.values() if made is not None and is_known(TASKS, made.name)]
    refuse_duplicates(TASKS, [*known, *(task.name for task in distinct)])
    return distinct


def select_metrics(metrics: Sequence[str]) -> list[Metric]:
    """Return the metrics named by name, file or folder; all own and installed ones if none is named."""
    return find_all(METRICS, metrics or [*(metric.name for metric in list_own(METRICS)), *strangers(METRICS)])


def check_words_fit(chosen: PromptChoice | None, tasks: Sequence[Task]) -> None:
    """Raise InputError where words of one task's classes were given for several tasks."""
    if chosen is None or len(tasks) < 2:
        return
    of_classes = chosen.class_names or (chosen.prompts if chosen.prompts and ".json" in chosen.prompts else None)
    if of_classes is not None:
        raise InputError(
            f"'{of_classes}' has the words of one task's classes, and {len(tasks)} tasks were named; evaluate one task "
            "at a time with it."
        )
