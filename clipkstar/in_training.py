"""The Python function behind `clipkstar.evaluate`: a model that the caller holds, as in the middle of a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from clipkstar.errors import InputError
from clipkstar.run import Evaluation

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from clipkstar.metric import Metric
    from clipkstar.task import Task
    from clipkstar.unit import Unit


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What `evaluate` was asked for; fields as its parameters."""

    model: torch.nn.Module
    preprocess: Callable[[Image], torch.Tensor]
    tokenizer: Callable[[list[str]], torch.Tensor] | None
    task: str | Task
    name: str
    limit: int | None
    batch_size: int
    metrics: Sequence[str]
    intervals: bool


def evaluate(
    *,
    model: torch.nn.Module,
    preprocess: Callable[[Image], torch.Tensor],
    tokenizer: Callable[[list[str]], torch.Tensor] | None = None,
    task: str | Task,
    name: str = "model",
    limit: int | None = None,
    batch_size: int = 64,
    metrics: Sequence[str] = (),
    intervals: bool = True,
    broadcast: bool = True,
) -> Evaluation:
    """Evaluate a model in memory on one task; no run is written, and a training does not notice.

    model: a module with encode_image and, for zero-shot, encode_text; one without encode_image is called with the
        pictures (n, 3, height, width), and what it returns (n, dim) is the embedding, so leave a classifier's head off.
        DistributedDataParallel, torch.compile and AveragedModel are seen through.
    preprocess: RGB picture → (3, height, width) tensor. Where it is open_clip's own evaluation transform (or the same
        steps by torchvision or timm), pixels are kept in clipkstar's cache as a sweep keeps them, and a later call
        decodes nothing; any other function is called for every picture each time, on several threads at once.
    tokenizer: prompts → token tensor; None = no zero-shot scores.
    task: name, file, or a Task; opened once in a process. limit: size of a class-stratified sample.
    name: of the model in the record. metrics: names or files; () = all.
    intervals: False leaves the intervals, the permutation null and gamma_approx_n50 of k* out, which is faster.
    broadcast: under torch.distributed rank 0 computes, the others wait for its result and return the same, so every
        rank has to call it, rank 0 with a model; False = who calls computes, for loops that evaluate on one rank alone,
        as open_clip's does.
    Returns `.run.scores`, `.images`, `.classes`, and `.numbers`, a flat dict for a log. Weights, gradients, buffers,
    modes, random numbers, autocast and torch's settings are as before, also after an error. Forward hooks run,
    and plain attributes that a module sets on itself stay.
    Raises InputError for an unknown task or metric, an argument of another kind, data that do not fit the task, a model
    spread over processes.
    """
    from clipkstar.rank_zero import from_rank_zero

    asked = _Asked(
        model=model,
        preprocess=preprocess,
        tokenizer=tokenizer,
        task=task,
        name=name,
        limit=limit,
        batch_size=batch_size,
        metrics=metrics,
        intervals=intervals,
    )
    if not broadcast:
        return _evaluate(asked)
    return from_rank_zero(partial(_evaluate, asked))


def _evaluate(asked: _Asked) -> Evaluation:
    import torch

    from clipkstar.encoders._in_memory import device_of
    from clipkstar.encoders._unwrapped import unwrapped
    from clipkstar.runner import compute
    from clipkstar.undisturbed import undisturbed

    _refuse_mistakes(asked)
    model = unwrapped(asked.model)
    device = device_of(model)
    on_its_gpu = torch.cuda.device(device) if device.type == "cuda" else nullcontext()
    with undisturbed(model), on_its_gpu:
        unit = _unit(replace(asked, model=model))
        work = unit.work
        evaluation = compute(
            unit,
            work.metrics,
            lambda: work.family.load(work.checkpoint, unit.device, work.settings.precision),
            lambda _task, _done, _all: None,
        )
        return replace(evaluation, notices=unit.rows.notices + evaluation.notices)


def _refuse_mistakes(asked: _Asked) -> None:
    import torch

    from clipkstar.task import Task

    if not isinstance(asked.model, torch.nn.Module):
        raise InputError(f"evaluate got a {type(asked.model).__name__} as the model; it needs a torch.nn.Module.")
    if not callable(asked.preprocess):
        raise InputError(
            f"evaluate got a {type(asked.preprocess).__name__} as the preprocess; it needs a function from a picture "
            "to a tensor, as open_clip.create_model_and_transforms returns."
        )
    if not isinstance(asked.task, str | Task):
        raise InputError(f"evaluate got a {type(asked.task).__name__} as the task; it needs one name, file or Task.")
    if isinstance(asked.metrics, str):
        raise InputError(f"evaluate got the metrics '{asked.metrics}'; it needs a list, such as ['{asked.metrics}'].")
    if asked.batch_size < 1:
        raise InputError(f"evaluate got the batch_size {asked.batch_size}; it needs at least 1.")


def _unit(asked: _Asked) -> Unit:
    from clipkstar.encoder import Request
    from clipkstar.encoders._in_memory import device_of, in_memory_family, precision_of
    from clipkstar.known_preprocess import known_preprocess
    from clipkstar.opened_once import open_once
    from clipkstar.selection import select_tasks
    from clipkstar.unit import Settings, Unit, Work

    tasks = select_tasks([asked.task], None) if isinstance(asked.task, str) else [asked.task]
    if len(tasks) != 1:
        raise InputError(f"'{asked.task}' holds {len(tasks)} tasks; evaluate takes one.")
    metrics, rows = _metrics(asked), open_once(tasks[0], limit=asked.limit)
    recipe = known_preprocess(asked.preprocess)
    family = in_memory_family(asked.model, asked.preprocess, asked.tokenizer, recipe=recipe)
    checkpoint = family.resolve(Request(model=asked.name))
    settings = Settings(precision=precision_of(asked.model), batch_size=asked.batch_size, keep_pixels=True)
    return Unit(
        work=Work(family=family, checkpoint=checkpoint, metrics=metrics, settings=settings),
        identity=family.identify(checkpoint),
        device=device_of(asked.model).type,
        rows=rows,
    )


def _metrics(asked: _Asked) -> list[Metric]:
    """Return the metrics; k* without intervals has a version of its own, as it lacks scores that others have."""
    from clipkstar.metrics import kstar
    from clipkstar.selection import select_metrics

    chosen = select_metrics(asked.metrics)
    if asked.intervals:
        return chosen
    quick = kstar.metric_of(("euclidean", "cosine"), intervals=False)
    quick = replace(quick, version=f"{quick.version} without intervals")
    return [quick if metric is kstar.METRIC else metric for metric in chosen]
