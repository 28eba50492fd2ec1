"""The reference gate: our scores beside published ones, and whether they are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from clipkstar.discovery import TASKS, list_own
from clipkstar.reference_tables import PUBLISHED, Key, Published, read_published

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from clipkstar.run import Run
    from clipkstar.task import Task

Verdict = Literal["equal", "differs", "not comparable"]
Row = Mapping[str, str | float | None]

LEAST_TOLERANCE = 2e-4
"""Two float32 runs of different harnesses agree to 1e-4 on ImageNet; published numbers have four decimals."""

TOLERATED_IMAGES = 3
"""Images of a small data set whose prediction may flip."""

WIDER_TOLERANCES = {"mnist": 0.0045, "objectnet": 0.002}
"""Sets whose published numbers scatter more, for reasons that are not known: the largest difference between open_clip's
table and CLIP_benchmark's of June 2022 over the nine models that both have (0.0044, 0.0018), rounded up to 0.0005. That
those two tables agree here is therefore no finding."""

SUBGROUP_SHARE = 0.1
"""Assumed share of the images that the worst subgroup has: each of its images weighs so much more. The record of a run
does not say how large it is; FMoW's, GeoDE's and Dollar Street's main ones hold a tenth to a quarter of the images."""

DECIMALS = 1e-9
"""0.7556 and 0.7554 differ by 0.0002, as floats by a little more."""

QUICK_GELU = "-quickgelu"
"""End of the names under which open_clip lists a model with that activation."""

COLUMNS = (
    "task", "model", "pretrained", "run_id", "reference_model", "score", "ours", "reference", "delta", "tolerance",
    "verdict", "fault",
)  # fmt: skip
NUMBERS = ("ours", "reference", "delta", "tolerance")


def compare_with_reference(runs: Sequence[Run], table: Path) -> pl.DataFrame:
    """Put each run beside the published number of its model on its data set; runs without one are left out.

    table: CSV file of open_clip's results or of CLIP_benchmark's (see `read_published` for what is refused).
    One row per run, in the order given. score: the task's main score. ours, reference: 0 … 1; ours is null where the
    run has no such score. delta = ours - reference. tolerance: `tolerance`. verdict: "equal" = |delta| ≤ tolerance,
    "differs", or "not comparable" with the reasons in `fault` (else null): known faults of the table, a sample, another
    precision than fp32, other prompts, another activation. delta is given all the same.
    reference_model: the row compared with. Weights are the same with and without "-quickgelu" in the model's name, so
    a run whose activation is quick_gelu is compared with the row of that name if there is one, else with the plain one.
    """
    import polars as pl

    tasks = {task.name: task for task in list_own(TASKS) if task.name in PUBLISHED}
    published = read_published(table, {name: task.main_score for name, task in tasks.items()})
    rows: list[Row] = []
    for run in runs:
        task = tasks.get(run.task.name)
        key = None if task is None else _key(run, published)
        if task is not None and key is not None:
            rows.append(_compared(run, task, key[1], published[key]))
    schema = {column: pl.Float64 if column in NUMBERS else pl.String for column in COLUMNS}
    return pl.DataFrame(rows, schema=schema)


def tolerance(task: str, n_images: int) -> float:
    """Largest difference that counts as equal: max(0.0002, 3 / n_images), more for MNIST and ObjectNet."""
    return max(LEAST_TOLERANCE, TOLERATED_IMAGES / n_images, WIDER_TOLERANCES.get(task, 0.0))


def _key(run: Run, published: Mapping[Key, Published]) -> Key | None:
    checkpoint = run.checkpoint
    plain = checkpoint.model.removesuffix(QUICK_GELU)
    quick = checkpoint.activation == "quick_gelu"
    models = (plain + QUICK_GELU, plain) if quick else (checkpoint.model,)
    keys = ((run.task.name, model, checkpoint.pretrained) for model in models)
    return next((key for key in keys if key in published), None)


def _compared(run: Run, task: Task, model: str, reference: Published) -> Row:
    ours = run.scores.get(task.main_score)
    delta = None if ours is None else ours - reference.value
    in_subgroup = task.main_score.startswith("worst_group")
    allowed = tolerance(task.name, round(run.task.n_images * (SUBGROUP_SHARE if in_subgroup else 1)))
    faults = [*_faults(run, task, model), *([reference.fault] if reference.fault else [])]
    verdict: Verdict
    if faults or delta is None:
        verdict = "not comparable"
    else:
        verdict = "equal" if abs(delta) <= allowed + DECIMALS else "differs"
    return {
        "task": run.task.name,
        "model": run.checkpoint.model,
        "pretrained": run.checkpoint.pretrained,
        "run_id": run.run_id,
        "reference_model": model,
        "score": task.main_score,
        "ours": ours,
        "reference": reference.value,
        "delta": delta,
        "tolerance": allowed,
        "verdict": verdict,
        "fault": "; ".join(faults) or None,
    }


def _faults(run: Run, task: Task, model: str) -> list[str]:
    """Say what keeps a run from being compared with the row of that model, whatever the table."""
    faults = []
    if run.scores.get(task.main_score) is None:
        faults.append(f"the run has no {task.main_score}")
    if run.task.limit is not None:
        faults.append(f"the run is of a sample of {run.task.n_images} images")
    if run.protocol.precision != "fp32":
        faults.append(f"the run's precision is {run.protocol.precision}, not fp32")
    if run.protocol.prompt_set:
        faults.append("the run has other prompts than the task's own")
    quick = model.endswith(QUICK_GELU) or run.checkpoint.pretrained == "openai"
    if quick and run.checkpoint.activation != "quick_gelu":
        faults.append(f"the run's activation is {run.checkpoint.activation or 'not known'}, the reference's quick_gelu")
    return faults
