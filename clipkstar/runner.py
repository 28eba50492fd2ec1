"""Join the parts: one checkpoint over opened tasks, both ways at once, into runs."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar import store
from clipkstar.discovery import METRICS, find_all, own_names
from clipkstar.embed import Timing, embed
from clipkstar.environment import describe, pick_device
from clipkstar.errors import InputError
from clipkstar.measure import Findings, measure, ordered
from clipkstar.metric import Metric
from clipkstar.neighbors import Engine, Neighbors
from clipkstar.run import (
    CLASS_COLUMNS,
    IMAGE_COLUMNS,
    SCHEMA,
    CheckpointRecord,
    Evaluation,
    Protocol,
    Run,
    Seconds,
    TaskRecord,
)

if TYPE_CHECKING:
    from clipkstar.checkpoint import Checkpoint, Identity
    from clipkstar.data.rows import Rows
    from clipkstar.embeddings import Embeddings
    from clipkstar.encoder import Device, Encoder, Family, Precision, Space
    from clipkstar.store import Store

EMBEDDING_VERSION = "1"
"""Raised when clipkstar's own decoding, prompting or pooling changes embeddings."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to evaluate.

    space: "output" = image embeddings as encode_image returns them, "pre_projection" = before the projection into the
        joint space, where there are no text embeddings.
    force: repeat finished work.
    """

    precision: Precision = "fp32"
    device: Device = "auto"
    batch_size: int = 64
    space: Space = "output"
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One evaluation and where it lies. skipped: it was there already, nothing was computed."""

    evaluation: Evaluation
    folder: Path
    skipped: bool


@dataclass(frozen=True, kw_only=True)
class Work:
    """One checkpoint with the loader that made it, and the metrics to compute."""

    family: Family
    checkpoint: Checkpoint
    metrics: Sequence[Metric]
    settings: Settings


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One run to be: a checkpoint, as identified, on an opened task and a device ("cpu", "cuda" or "mps")."""

    work: Work
    identity: Identity
    device: str
    rows: Rows

    def run_id(self) -> str:
        """Hash all that decides embeddings and predictions; without a weights hash no id comes twice."""
        return _digest({"task": self.rows.fingerprint} | self._encoder())[:16]

    def class_key(self) -> str | None:
        """Hash all that decides the class embeddings; None without a weights hash."""
        if self.identity.weights_sha256 is None:
            return None
        return _digest({"prompts": self.rows.words.prompts} | self._encoder())

    def about(self) -> dict[str, str]:
        """What a file of embeddings says of where they come from."""
        settings = self.work.settings
        return {
            "task": self.rows.task.name,
            "fingerprint": self.rows.fingerprint,
            "checkpoint": self.work.checkpoint.title,
            "weights_sha256": self.identity.weights_sha256 or "",
            "precision": settings.precision,
            "space": settings.space,
            "device": self.device,
        } | ({} if self.rows.limit is None else {"limit": str(self.rows.limit)})

    def _encoder(self) -> dict[str, object]:
        from importlib.metadata import version

        return {
            "weights": self.identity.weights_sha256 or uuid.uuid4().hex,
            "config": self.identity.config_sha256,
            "family": (self.work.family.name, self.work.family.version),
            "open_clip": version("open_clip_torch"),
            "code": EMBEDDING_VERSION,
            "precision": self.work.settings.precision,
            "space": self.work.settings.space,
            "device": self.device,
        }


def _digest(decisive: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


Progress = Callable[[str, int, int], None]
"""Called with the task's name, images done, images in all."""


def evaluate(work: Work, tasks: Sequence[Rows], results: Store, progress: Progress) -> Iterator[Outcome]:
    """Evaluate one checkpoint on opened tasks; each finished run is written before the next task begins.

    Work whose run is in the store is not repeated: neither is the model loaded nor a picture decoded for it. A run that
    is repeated or gets a further metric keeps all metrics it had: own ones are computed again, those of files that are
    not at hand are kept as they were found (with `force` they are left out).
    """
    if work.settings.batch_size < 1:
        raise InputError(f"--batch-size got {work.settings.batch_size}; it needs at least 1.")
    device = pick_device(work.settings.device)
    identity = work.family.identify(work.checkpoint)
    encoder: Encoder | None = None
    for rows in tasks:
        unit = Unit(work=work, identity=identity, device=device, rows=rows)
        run_id = unit.run_id()
        place = store.folder(results, task=rows.task.name, checkpoint_title=work.checkpoint.title, run_id=run_id)
        known = _stored(place, force=work.settings.force)
        if known is not None and not work.settings.force and _has_metrics(known.run, work.metrics):
            yield Outcome(evaluation=known, folder=place, skipped=True)
            continue
        if encoder is None:
            encoder = load_encoder(work, device)
        if known is not None:
            unit = replace(unit, work=replace(work, metrics=_with_recorded(work.metrics, known.run)))
        evaluation = compute(unit, run_id, encoder, progress)
        if known is not None and not work.settings.force:
            evaluation = _with_other_metrics(evaluation, known)
        yield Outcome(evaluation=evaluation, folder=store.write(results, evaluation), skipped=False)


def load_encoder(work: Work, device: str) -> Encoder:
    """Load the checkpoint so that it gives embeddings of the space asked for; InputError where it has no such space."""
    if work.settings.space == "output":
        return work.family.load(work.checkpoint, device, work.settings.precision)
    if work.family.load_pre_projection is None:
        raise InputError(
            f"--space {work.settings.space} was asked for, and encoders of the family '{work.family.name}' have no "
            "embeddings before a projection; leave it out."
        )
    return work.family.load_pre_projection(work.checkpoint, device, work.settings.precision)


def compute(unit: Unit, run_id: str, encoder: Encoder, progress: Progress) -> Evaluation:
    """Embed and measure one unit; nothing is stored."""
    started = time.perf_counter()
    rows = unit.rows
    embeddings, timing = embed_unit(unit, encoder, progress)
    embedded = time.perf_counter()
    measured = measure(embeddings, unit.work.metrics, Neighbors(embeddings, engine=Engine(device=unit.device)))
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
        run=_record(unit, run_id, measured, seconds),
        images=measured.images,
        classes=measured.classes,
        notices=measured.notices,
    )


def unit_of(work: Work, rows: Rows) -> Unit:
    """Identify the checkpoint and the device for one opened task."""
    device = pick_device(work.settings.device)
    return Unit(work=work, identity=work.family.identify(work.checkpoint), device=device, rows=rows)


def embed_unit(unit: Unit, encoder: Encoder, progress: Progress) -> tuple[Embeddings, Timing]:
    """Embed one unit; nothing is stored but its class embeddings, in the cache."""
    rows = unit.rows
    return embed(
        encoder,
        rows,
        batch_size=unit.work.settings.batch_size,
        progress=lambda done: progress(rows.task.name, done, rows.n_images),
        class_key=unit.class_key(),
    )


def _record(unit: Unit, run_id: str, measured: Findings, seconds: Seconds) -> Run:
    rows, work, identity = unit.rows, unit.work, unit.identity
    return Run(
        schema=SCHEMA,
        run_id=run_id,
        status="done",
        task=TaskRecord(
            name=rows.task.name,
            dataset=rows.task.dataset.title,
            revision=rows.revision,
            split=rows.task.dataset.split,
            n_images=rows.n_images,
            n_classes=len(rows.class_names),
            limit=rows.limit,
            fingerprint=rows.fingerprint,
        ),
        checkpoint=CheckpointRecord(
            family=work.checkpoint.family,
            model=work.checkpoint.model,
            pretrained=work.checkpoint.pretrained,
            lineage=work.checkpoint.lineage,
            weights_sha256=identity.weights_sha256,
            config_sha256=identity.config_sha256,
            geometry=identity.geometry,
            activation=identity.activation,
        ),
        protocol=Protocol(
            precision=work.settings.precision,
            space=work.settings.space,
            templates=rows.words.templates,
            prompt_set=rows.words.prompt_set,
            batch_size=work.settings.batch_size,
            device=unit.device,
        ),
        metrics={metric.name: metric.version for metric in work.metrics},
        scores=measured.scores,
        intervals=measured.intervals,
        seconds=seconds,
        environment=describe(unit.device),
    )


def _stored(place: Path, *, force: bool) -> Evaluation | None:
    """Return the run that is there; a damaged one is an error, unless it is to be repeated anyway."""
    try:
        return store.read(place)
    except InputError:
        if force:
            return None
        raise


def _has_metrics(run: Run, metrics: Sequence[Metric]) -> bool:
    return all(run.metrics.get(metric.name) == metric.version for metric in metrics)


def _with_recorded(metrics: Sequence[Metric], run: Run) -> list[Metric]:
    """Return the metrics, and those that the run has and that are found by name."""
    asked = {metric.name for metric in metrics}
    recorded = [name for name in own_names(METRICS) if name in run.metrics and name not in asked]
    return [*metrics, *find_all(METRICS, recorded)]


def _with_other_metrics(new: Evaluation, old: Evaluation) -> Evaluation:
    """Keep what metrics that were not computed now had found for the same embeddings.

    Where a metric's version changed, its old scores and columns cannot be told from those of the others, which are
    then left out too: their metrics count as missing and are computed when they are asked for.
    """
    if any(version != old.run.metrics.get(name, version) for name, version in new.run.metrics.items()):
        return new
    images = new.images.hstack(old.images.select(name for name in old.images.columns if name not in new.images.columns))
    classes = new.classes.hstack(
        old.classes.select(name for name in old.classes.columns if name not in new.classes.columns)
    )
    run = replace(
        new.run,
        metrics=old.run.metrics | new.run.metrics,
        scores=old.run.scores | new.run.scores,
        intervals=old.run.intervals | new.run.intervals,
    )
    return replace(new, run=run, images=ordered(images, IMAGE_COLUMNS), classes=ordered(classes, CLASS_COLUMNS))
