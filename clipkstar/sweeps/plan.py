"""What a sweep is asked to do, on the command line or in a TOML file, and the sweep that it means."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.data.own_data import Columns
from clipkstar.data.words import PromptChoice
from clipkstar.encoder import Device, Precision, Space
from clipkstar.errors import InputError, UnknownNameError
from clipkstar.selection import check_words_fit, select_metrics, select_tasks
from clipkstar.sweeps.choice import CheckpointPatterns, distinct, expand
from clipkstar.sweeps.sweep import Sweep, members
from clipkstar.unit import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """A sweep as it is asked for; a plan in TOML has these keys, each as the option of that name.

    checkpoints: one or more tables of patterns.
    """

    checkpoints: tuple[CheckpointPatterns, ...]
    task: tuple[str, ...] = ()
    suite: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    split: str | None = None
    class_names: Path | None = None
    templates: Path | None = None
    prompts: str | None = None
    metric: tuple[str, ...] = ()
    precision: Precision = "fp32"
    device: Device = "auto"
    batch_size: int = 64
    space: Space = "output"
    limit: int | None = None
    revision: str | None = None
    stream: bool = False


def read_plan(path: Path) -> SweepPlan:
    """Read a plan in TOML; raises InputError for what is no TOML, keys that are not known, and values of other types.

    Where a key takes several values, a single one needs no list.
    """
    import msgspec

    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"the plan '{path}' cannot be read ({error.strerror}); check the path.") from error
    except ValueError as error:
        raise InputError(f"the plan '{path}' is no TOML ({error}); correct it.") from error
    _check_keys(found, SweepPlan)
    tables = found.get("checkpoints")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise InputError(f"the plan '{path}' names no checkpoints; it needs [[checkpoints]] with a model each.")
    for table in tables:
        _check_keys(table, CheckpointPatterns)
    whole = _listed(found) | {"checkpoints": [_listed(table) for table in tables]}
    try:
        return msgspec.convert(whole, SweepPlan, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise InputError(f"the plan '{path}' has a wrong value: {error}; correct it.") from error


def _path(kind: type, value: object) -> Path:
    """Read what TOML has no type of its own for."""
    if kind is not Path or not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
    return Path(value)


def _check_keys(table: Mapping[str, object], record: type[SweepPlan | CheckpointPatterns]) -> None:
    known = [field.name for field in dataclasses.fields(record)]
    for key in table:
        if key not in known:
            raise UnknownNameError("key of a plan", key, known)


def _listed(table: Mapping[str, object]) -> dict[str, object]:
    several = ("task", "metric", "model", "pretrained")
    return {key: [value] if key in several and isinstance(value, str) else value for key, value in table.items()}


def sweep_of(plan: SweepPlan, *, keep_pixels: bool, force: bool) -> Sweep:
    """Find everything that a plan names, before anything is computed; nothing is downloaded.

    Raises InputError for a name, pattern or file that means nothing, and for settings that do not fit.
    """
    if plan.batch_size < 1:
        raise InputError(f"batch_size is {plan.batch_size}; it needs at least 1.")
    if plan.limit is not None and plan.limit < 1:
        raise InputError(f"limit is {plan.limit}; it needs at least 1.")
    if not all(patterns.model for patterns in plan.checkpoints):
        raise InputError("a sweep got checkpoints without a model; name one model at least.")
    requests = [request for patterns in plan.checkpoints for request in expand(patterns)]
    columns = Columns(image=plan.image_column, label=plan.label_column, split=plan.split)
    prompts = PromptChoice(class_names=plan.class_names, templates=plan.templates, prompts=plan.prompts)
    sweep = Sweep(
        checkpoints=distinct(requests),
        tasks=tuple(select_tasks(plan.task, plan.suite, columns)),
        metrics=plan.metric,
        settings=Settings(
            precision=plan.precision,
            device=plan.device,
            batch_size=plan.batch_size,
            space=plan.space,
            keep_pixels=keep_pixels,
            force=force,
        ),
        limit=plan.limit,
        revision=plan.revision,
        prompts=None if prompts == PromptChoice() else prompts,
        stream=plan.stream,
    )
    check_words_fit(prompts, sweep.tasks)
    select_metrics(sweep.metrics)
    members(sweep)
    return sweep
