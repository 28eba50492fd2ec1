"""Runs made by hand, for what reads records only; each is unlike every other in what is not said to be equal."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import polars as pl
from synthetic_store import ENVIRONMENT

from clipkstar import store
from clipkstar.run import SCHEMA, CheckpointRecord, Evaluation, FailedRun, Protocol, Run, Seconds, TaskRecord
from clipkstar.store import Store

N_CLASSES = 4
N_IMAGES = 8
SCORES = (
    "gamma_approx",
    "gamma_true",
    "kstar_mean",
    "silhouette",
    "rankme",
    "top1",
    "nn1_accuracy",
    "cosine_gamma_approx",
)


def hand_made(model: str = "a", pretrained: str = "final", /, **changes: object) -> Run:
    """Return a run of zoo--<model>--<pretrained> on digits; changes: fields of the run, its task, checkpoint, protocol.

    scores: these are set, None = undefined; `without`: names of scores that were not measured.
    """
    name = f"{model} {pretrained} {changes.get('weights_sha256', '')}"
    scores = {score: digest_number(f"{name} {score}") for score in SCORES}
    scores |= {"gamma_undefined": 0.0, "singleton_classes": 0.0, "fractured": 1.0, "overlapped": 2.0, "clustered": 1.0}
    scores |= {"cosine_gamma_undefined": 0.0, "cosine_singleton_classes": 0.0}
    scores |= {"cosine_fractured": 1.0, "cosine_overlapped": 2.0, "cosine_clustered": 1.0}
    scores |= dict(changes.pop("scores", {}))  # type: ignore[call-overload]
    for absent in changes.pop("without", ()):  # type: ignore[attr-defined]
        del scores[absent]
    run = Run(
        schema=SCHEMA, run_id=digest(f"run {name} {sorted(changes.items())}")[:16], status="done",
        task=TaskRecord(
            name="digits", dataset="org/digits", revision=None, split="test", n_images=N_IMAGES, n_classes=N_CLASSES,
            limit=None, fingerprint="f" * 64,
        ),
        checkpoint=CheckpointRecord(
            family="zoo", model=model, pretrained=pretrained, lineage=f"zoo/{model}", weights_sha256=digest(name),
            config_sha256=digest(model), geometry=None, activation="gelu",
        ),
        protocol=Protocol(precision="fp32", space="output", templates=("{}",), batch_size=64, device="cpu"),
        metrics={"kstar": "2", "zero_shot": "1"}, scores=scores, intervals={"top1": (0.0, 1.0)},
        seconds=Seconds(open=0, pixels=0, encode_images=0, encode_texts=0, metrics=0, total=1.5),
        environment=ENVIRONMENT,
    )  # fmt: skip
    parts = {}
    for part in ("task", "checkpoint", "protocol"):
        old = getattr(run, part)
        own = {field.name: changes.pop(field.name) for field in fields(old) if field.name in changes}
        parts[part] = replace(old, **own)
    return replace(run, **parts, **changes)  # type: ignore[arg-type]


def write_run(root: Path, run: Run, gammas: Mapping[str, Sequence[float | None]] | None = None) -> Path:
    """Write a run into a store; gammas: columns of its class table, 0, 0.1, 0.2, … where none are given."""
    plain = [0.1 * number for number in range(run.task.n_classes)]
    columns = {"gamma": plain, "cosine_gamma": plain} | dict(gammas or {})
    classes = pl.DataFrame(
        {"class": range(run.task.n_classes), **columns},
        schema={"class": pl.Int64, **dict.fromkeys(columns, pl.Float64)},
    )
    images = pl.DataFrame({"row": range(run.task.n_images)})
    return store.write(Store(root=root), Evaluation(run=run, images=images, classes=classes))


def write_failure(root: Path, checkpoint: str, sentence: str, *, task: str = "digits") -> None:
    """Write the failure of a pair into a store."""
    failed = FailedRun(
        schema=SCHEMA, status="failed", task=task, checkpoint=checkpoint, sentence=sentence,
        when="2024-01-01T00:00:00+00:00", environment=ENVIRONMENT,
    )  # fmt: skip
    store.write_failure(Store(root=root), failed)


def digest(text: str) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_number(text: str) -> float:
    """A number in 0 … 1 that depends on the text alone."""
    return int(digest(text)[:12], 16) / 16**12
