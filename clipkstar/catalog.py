"""What can be named on the command line: tasks, checkpoints, scores."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from clipkstar.discovery import FAMILIES, METRICS, TASKS, Door, Noun, list_own, strangers
from clipkstar.errors import InputError

if TYPE_CHECKING:
    from clipkstar.checkpoint import Checkpoint, Geometry
    from clipkstar.encoder import Family

Entry = Mapping[str, str | int | None]


def task_entries() -> list[Entry]:
    """One entry per task; those of other packages by name only."""
    own: list[Entry] = [
        {
            "task": task.name,
            "images": task.n_images,
            "classes": task.n_classes or (len(task.class_names) if isinstance(task.class_names, tuple) else None),
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
    """One entry per checkpoint whose model or model/pretrained matches the shell pattern; InputError if none does.

    For a pattern other than "*", parameters that are not known yet are counted, which takes up to seconds per model;
    the counts are remembered.
    """
    known = [(family, checkpoint) for family in list_own(FAMILIES) for checkpoint in family.checkpoints()]
    known.sort(key=lambda pair: (pair[1].family != "zoo", pair[1].model))
    found = [
        _model_entry(family, checkpoint, may_count=pattern != "*")
        for family, checkpoint in known
        if fnmatchcase(checkpoint.model, pattern) or fnmatchcase(f"{checkpoint.model}/{checkpoint.pretrained}", pattern)
    ]
    if not found:
        raise InputError(f"none of {len(known)} checkpoints matches '{pattern}'; see 'clipkstar models'.")
    return found + _not_imported(FAMILIES, found)


def _model_entry(family: Family, checkpoint: Checkpoint, *, may_count: bool) -> Entry:
    told = family.describe(checkpoint, may_count) if family.describe else None
    described: Entry = dict.fromkeys(("activation", "picture", "context", "tokenizer", "parameters", "cached"))
    if told is not None:
        described = {
            "activation": told.activation,
            "picture": _geometry_title(told.geometry),
            "context": told.context_length,
            "tokenizer": told.tokenizer,
            "parameters": told.parameters,
            "cached": "yes" if told.cached else "no",
        }
    names = {"model": checkpoint.model, "pretrained": checkpoint.pretrained, "family": checkpoint.family}
    return {**names, **described, "weights": checkpoint.summary}


def _geometry_title(geometry: Geometry) -> str:
    """Such as "224 shortest bicubic": side, or height×width, what is done with other shapes, interpolation."""
    height, width = geometry.size
    return f"{height if height == width else f'{height}×{width}'} {geometry.resize_mode} {geometry.interpolation}"


def _not_imported(door: Door[Noun], entries: list[Entry]) -> list[Entry]:
    """Entries of other packages, shaped as the own ones; their code is not run for a list."""
    columns = list(entries[0]) if entries else [door.noun]
    return [
        {**dict.fromkeys(columns), columns[0]: name, columns[-1]: f"from {entry.module}, not imported for this list"}
        for name, entry in strangers(door).items()
    ]
