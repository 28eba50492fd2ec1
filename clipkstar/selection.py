"""What the user named → the family and checkpoint, the tasks, the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clipkstar.checkpoint import Checkpoint
from clipkstar.discovery import FAMILIES, METRICS, TASKS, find, find_all, list_own, strangers
from clipkstar.encoder import Family, Request
from clipkstar.errors import UnknownNameError
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


def select_tasks(tasks: Sequence[str], suite: str | None) -> list[Task]:
    """Return the tasks named by name, file or folder, then those of the suite; the core suite if nothing is named."""
    found = find_all(TASKS, tasks)
    if suite is None and not tasks:
        suite = DEFAULT_SUITE
    if suite is None:
        return found
    own = list_own(TASKS)
    members = [task for task in own if suite in task.groups and task not in found]
    if not members and not any(suite in task.groups for task in found):
        raise UnknownNameError("suite", suite, {group for task in own for group in task.groups})
    return found + members


def select_metrics(metrics: Sequence[str]) -> list[Metric]:
    """Return the metrics named by name, file or folder; all own and installed ones if none is named."""
    return find_all(METRICS, metrics or [*(metric.name for metric in list_own(METRICS)), *strangers(METRICS)])
