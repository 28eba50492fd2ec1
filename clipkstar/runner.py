"""Join the parts: one checkpoint over opened tasks, both ways at once, into runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar import store
from clipkstar.discovery import METRICS, find_all, own_names
from clipkstar.embed import Caching, Timing, embed
from clipkstar.environment import pick_device
from clipkstar.errors import InputError
from clipkstar.freed_memory import give_back
from clipkstar.identities import identify
from clipkstar.measure import measure
from clipkstar.metric import Metric
from clipkstar.neighbors import Engine, Neighbors
from clipkstar.recording import has_metrics, record, with_other_metrics
from clipkstar.run import Evaluation, Run, Seconds
from clipkstar.unit import Unit, Work, load_encoder

if TYPE_CHECKING:
    from clipkstar.data.rows import Rows
    from clipkstar.embeddings import Embeddings
    from clipkstar.encoder import Encoder
    from clipkstar.store import Store

Load = Callable[[], "Encoder"]
"""Gives the encoder of a unit; called only if something has to be encoded."""

Progress = Callable[[str, int, int], None]
"""Called with the task's name, images done, images in all."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One evaluation and where it lies. skipped: it was there already, nothing was computed."""

    evaluation: Evaluation
    folder: Path
    skipped: bool


def evaluate(work: Work, tasks: Sequence[Rows], results: Store, progress: Progress) -> Iterator[Outcome]:
    """Evaluate one checkpoint on opened tasks; each finished run is written before the next task begins."""
    if work.settings.batch_size < 1:
        raise InputError(f"--batch-size got {work.settings.batch_size}; it needs at least 1.")
    device = pick_device(work.settings.device)
    identity = identify(work.family, work.checkpoint)
    load = cache(partial(load_encoder, work, device))
    for rows in tasks:
        yield evaluate_unit(Unit(work=work, identity=identity, device=device, rows=rows), results, load, progress)


def evaluate_unit(unit: Unit, results: Store, load: Load, progress: Progress) -> Outcome:
    """Evaluate one unit and write its run.

    Work whose run is in the store is not repeated: neither is the model loaded nor a picture decoded for it, and what
    the cache keeps is not encoded again. A run that is repeated or gets a further metric keeps all metrics it had: own
    ones are computed again, those of files that are not at hand are kept as they were found (with `force` they are
    left out).
    """
    force, metrics = unit.work.settings.force, unit.work.metrics
    place = store.folder(
        results, task=unit.rows.task.name, checkpoint_title=unit.work.checkpoint.title, run_id=unit.run_id
    )
    known = _stored(place, force=force)
    if known is not None and not force and has_metrics(known.run, metrics):
        return Outcome(evaluation=known, folder=place, skipped=True)
    if known is not None:
        metrics = with_recorded(metrics, known.run)
    evaluation = compute(unit, metrics, load, progress)
    latest = None if force else store.read(place)  # another process may have added a metric meanwhile
    if latest is not None:
        evaluation = with_other_metrics(evaluation, latest)
    return Outcome(evaluation=evaluation, folder=store.write(results, evaluation), skipped=False)


def compute(unit: Unit, metrics: Sequence[Metric], load: Load, progress: Progress) -> Evaluation:
    """Embed and measure one unit; no run is stored."""
    started = time.perf_counter()
    rows = unit.rows
    embeddings, timing = embed_unit(unit, load, progress)
    give_back()  # pixels
    embedded = time.perf_counter()
    measured = measure(embeddings, metrics, Neighbors(embeddings, engine=Engine(device=unit.device)))
    give_back()  # distances
    done = time.perf_counter()
    seconds = Seconds(
        open=rows.seconds,
        pixels=timing.pixels,
        encode_images=timing.encode_images,
        encode_texts=timing.encode_texts,
        metrics=done - embedded,
        total=rows.seconds + done - started,
    )
    return Evaluation(
        run=record(unit, metrics, measured, seconds),
        images=measured.images,
        classes=measured.classes,
        notices=measured.notices,
    )


def unit_of(work: Work, rows: Rows) -> Unit:
    """Identify the checkpoint and the device for one opened task."""
    device = pick_device(work.settings.device)
    return Unit(work=work, identity=identify(work.family, work.checkpoint), device=device, rows=rows)


def embed_unit(unit: Unit, load: Load, progress: Progress) -> tuple[Embeddings, Timing]:
    """Embed one unit; nothing is stored but its embeddings, in the cache, where those that are there are taken from."""
    rows, settings = unit.rows, unit.work.settings
    return embed(
        load,
        rows,
        batch_size=settings.batch_size,
        progress=lambda done: progress(rows.task.name, done, rows.n_images),
        caching=Caching(
            keys=unit.keys,
            reuse=not settings.force,
            pixels=settings.keep_pixels,
            geometry=unit.identity.geometry,
        ),
    )


def with_recorded(metrics: Sequence[Metric], run: Run) -> list[Metric]:
    """Return the metrics, and those that the run has and that are found by name."""
    asked = {metric.name for metric in metrics}
    recorded = [name for name in own_names(METRICS) if name in run.metrics and name not in asked]
    return [*metrics, *find_all(METRICS, recorded)]


def _stored(place: Path, *, force: bool) -> Evaluation | None:
    """Return the run that is there; a damaged one is an error, unless it is to be repeated anyway."""
    try:
        return store.read(place)
    except InputError:
        if force:
            return None
        raise
