"""What can be named on the command line: tasks, checkpoints, scores."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from clipkstar.discovery import FAMILIES, METRICS, TASKS, Door, Noun, list_own, strangers
from clipkstar.errors import InputError

Entry = Mapping[str, str | int | None]


def task_entries() -> list[Entry]:
    """One entry per task; those of other packages by name only."""
    own: list[Entry] = [
        {
            "task": task.name,
            "images": task.n_images,
            "classes": len(task.class_names) if task.class_names else None,
            "suites": ", ".join(task.groups),
            "licence": task.license,
            "meaning": task.summary,
        }
        for task in list_own(TASKS)
    ]
    return own + _not_imported(TASKS, own)


def metric_entries() -> list[Entry]:
    """One entry per score; the metrics of other packages by name only."""
    own: list[Entry] = [
        {"score": score.name, "metric": metric.name, "better": score.better, "meaning": score.meaning}
        for metric in list_own(METRICS)
        for score in metric.scores
    ]
    return own + _not_imported(METRICS, own)


def model_entries(pattern: str) -> list[Entry]:
    """One entry per checkpoint whose model or model/pretrained matches the shell pattern; InputError if none does."""
    known = [checkpoint for family in list_own(FAMILIES) for checkpoint in family.checkpoints()]
    found: list[Entry] = [
        {"model": known.model, "pretrained": known.pretrained, "family": known.family, "meaning": known.summary}
        for known in sorted(known, key=lambda checkpoint: (checkpoint.family != "zoo", checkpoint.model))
        if fnmatchcase(known.model, pattern) or fnmatchcase(f"{known.model}/{known.pretrained}", pattern)
    ]
    if not found:
        raise InputError(f"none of {len(known)} checkpoints matches '{pattern}'; see 'clipkstar models'.")
    return found + _not_imported(FAMILIES, found)


def _not_imported(door: Door[Noun], entries: list[Entry]) -> list[Entry]:
    """Entries of other packages, shaped as the own ones; their code is not run for a list."""
    columns = list(entries[0]) if entries else [door.noun]
    return [
        {**dict.fromkeys(columns), columns[0]: name, columns[-1]: f"from {entry.module}, not imported for this list"}
        for name, entry in strangers(door).items()
    ]
