"""The record of an evaluated unit, and how it keeps what earlier metrics had found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clipkstar.environment import describe
from clipkstar.measure import Findings, ordered
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
    from clipkstar.metric import Metric
    from clipkstar.unit import Unit


def record(unit: Unit, metrics: Sequence[Metric], measured: Findings, seconds: Seconds) -> Run:
    """Put what was evaluated, how, and what was found into one record."""
    rows, work, identity = unit.rows, unit.work, unit.identity
    return Run(
        schema=SCHEMA,
        run_id=unit.run_id,
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
            images_digest=rows.images_digest,
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
        metrics={metric.name: metric.version for metric in metrics},
        scores=measured.scores,
        intervals=measured.intervals,
        seconds=seconds,
        environment=describe(unit.device),
        embeddings=unit.keys,
    )


def with_other_metrics(new: Evaluation, old: Evaluation) -> Evaluation:
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


def has_metrics(run: Run, metrics: Sequence[Metric]) -> bool:
    """Whether a run has the metrics in their versions."""
    return all(run.metrics.get(metric.name) == metric.version for metric in metrics)
