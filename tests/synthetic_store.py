"""Stores of runs that nobody made: models of several lineages on several data sets, with a relation that is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clipkstar import store
from clipkstar.checkpoint import Geometry
from clipkstar.discovery import METRICS, list_own
from clipkstar.kstar_summary import class_table, summarize
from clipkstar.metrics.zero_shot import wilson
from clipkstar.run import (
    CLASS_COLUMNS,
    IMAGE_COLUMNS,
    SCHEMA,
    CheckpointRecord,
    Environment,
    Evaluation,
    Protocol,
    Run,
    Seconds,
    TaskRecord,
)
from clipkstar.skewness import class_statistics, defined
from clipkstar.store import Store

FAMILIES = ("open_clip", "transformers", "timm")
ENVIRONMENT = Environment(
    clipkstar="0", open_clip="0", torch="0", datasets="0", faiss="0", numpy="0", python="0", platform="none",
    device="none", commit=None,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the runs of a store are to be.

    n_models: models, two of each lineage. n_stages: checkpoints of each model, "stage1" … "final".
    n_classes: of the data sets in turn. per_class: images of each class.
    relation: 0 … 1, correlation of what makes a model accurate and what makes its classes lie together.
    violating: numbers of the data sets where that correlation is turned round.
    n_perfect: classes that the best third of the models has wholly together, so that their γ is undefined there.
    """

    n_models: int = 12
    n_data_sets: int = 3
    n_stages: int = 1
    n_classes: Sequence[int] = (10,)
    per_class: int = 20
    relation: float = 0.9
    violating: tuple[int, ...] = ()
    n_perfect: int = 0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Model:
    """One checkpoint. accurate, gathered: standard normal over models; how good it is at either."""

    record: CheckpointRecord
    accurate: float
    gathered: float


def make_store(root: Path, **plan: object) -> Store:
    """Write a store of n_models × n_stages × n_data_sets runs; plan: fields of Plan. The same plan gives the same runs.

    Tables and scores fit together: those of k* and zero-shot classification are computed from the images of the run.
    The baselines are numbers that go along with them.
    """
    made = Store(root=root)
    for evaluation in evaluations(Plan(**plan)):  # type: ignore[arg-type]
        store.write(made, evaluation)
    return made


def evaluations(plan: Plan) -> Iterator[Evaluation]:
    """Yield every run of a plan, by data set."""
    models = _models(plan)
    for number in range(plan.n_data_sets):
        task = task_record(plan, number)
        for model in models:
            seed = int(_digest(f"{plan.seed} {task.name} {model.record.title}")[:8], 16)
            yield _evaluation(plan, number, model, np.random.default_rng(seed))


def task_record(plan: Plan, number: int) -> TaskRecord:
    """Return the data set of that number."""
    n_classes = plan.n_classes[number % len(plan.n_classes)]
    name = f"set{number:02d}"
    return TaskRecord(
        name=name, dataset=f"org/{name}", revision="0" * 40, split="test", n_images=n_classes * plan.per_class,
        n_classes=n_classes, limit=None, fingerprint=_digest(f"{plan.seed} {name} {n_classes} {plan.per_class}"),
    )  # fmt: skip


def _models(plan: Plan) -> list[Model]:
    rng = np.random.default_rng(plan.seed)
    n_lineages = (plan.n_models + 1) // 2
    of_lineage = rng.standard_normal((n_lineages, 2)) * 0.8
    models = []
    for number in range(plan.n_models):
        lineage = number // 2
        accurate, other = of_lineage[lineage] + rng.standard_normal(2) * 0.6
        gathered = plan.relation * accurate + (1 - plan.relation**2) ** 0.5 * other
        for stage in range(plan.n_stages):
            behind = 0.7 * (plan.n_stages - 1 - stage)
            record = _checkpoint(number, lineage, "final" if stage + 1 == plan.n_stages else f"stage{stage + 1}")
            models.append(Model(record=record, accurate=accurate - behind, gathered=gathered - behind))
    return models


def _checkpoint(number: int, lineage: int, pretrained: str) -> CheckpointRecord:
    model = f"vit-{number:03d}"
    return CheckpointRecord(
        family=FAMILIES[lineage % len(FAMILIES)], model=model, pretrained=pretrained, lineage=f"source-{lineage:03d}",
        weights_sha256=_digest(f"{model} {pretrained}"), config_sha256=_digest(model), geometry=Geometry(size=(32, 32)),
        activation="gelu",
    )  # fmt: skip


def _evaluation(plan: Plan, number: int, model: Model, rng: np.random.Generator) -> Evaluation:
    task = task_record(plan, number)
    gathered = model.gathered * (-1 if number in plan.violating else 1) + 0.2 * rng.standard_normal()
    labels = np.arange(task.n_images) % task.n_classes
    kstar = _kstar(plan, labels, gathered, rng)
    of_class = model.accurate + 0.3 * number % 1 + rng.standard_normal(task.n_classes) * 0.5
    correct = rng.random(len(labels)) < 1 / (1 + np.exp(-of_class[labels]))
    images = _images(labels, kstar, correct, rng)
    recalls = np.bincount(labels, weights=correct, minlength=task.n_classes) / plan.per_class
    scores, columns = _kstar_scores(images, rng)
    scores |= {
        "top1": float(correct.mean()),
        "top5": float(correct.mean()) ** 0.5 if task.n_classes >= 5 else None,
        "mean_class_recall": float(recalls.mean()),
        "ece": float(rng.random() / 10),
    } | _baselines(gathered, rng)
    columns |= {
        "class": np.arange(task.n_classes),
        "name": [f"class {place}" for place in range(task.n_classes)],
        "n_images": np.full(task.n_classes, plan.per_class),
        "recall": recalls,
    }
    classes = pl.DataFrame({name: columns[name] for name in CLASS_COLUMNS if name in columns})
    run = _run(task, model.record, scores, wilson(correct))
    return Evaluation(run=run, images=pl.DataFrame(images), classes=classes)


def _run(
    task: TaskRecord, checkpoint: CheckpointRecord, scores: dict[str, float | None], of_top1: tuple[float, float]
) -> Run:
    intervals = {
        name: (value - 0.1, value + 0.1)
        for plain in ("kstar_mean", "nn1_accuracy", "gamma_approx", "gamma_true")
        for name in (plain, f"cosine_{plain}")
        if (value := scores[name]) is not None
    }
    return Run(
        schema=SCHEMA,
        run_id=_digest(f"{task.fingerprint} {checkpoint.title}")[:16],
        status="done",
        task=task,
        checkpoint=checkpoint,
        protocol=Protocol(precision="fp32", space="output", templates=("{}",), batch_size=64, device="cpu"),
        metrics=_metrics(),
        scores=scores,
        intervals=intervals | {"top1": of_top1},
        seconds=Seconds(open=0, pixels=0, encode_images=0, encode_texts=0, metrics=0, total=task.n_images / 100),
        environment=ENVIRONMENT,
    )


def _images(
    labels: NDArray[np.int64], kstar: NDArray[np.int64], correct: NDArray[np.bool_], rng: np.random.Generator
) -> dict[str, NDArray[np.generic]]:
    """Columns of images.parquet. Labels go round, so that every shift by less than their number leaves the class."""
    rows = np.arange(len(labels))
    n_classes = int(labels.max()) + 1
    others = rng.integers(1, n_classes, (3, len(labels)))
    per_class = len(labels) // n_classes
    moved = kstar + rng.integers(-1, 2, len(kstar)) * (kstar < per_class)
    columns: dict[str, NDArray[np.generic]] = {
        "row": rows,
        "label": labels,
        "prediction": np.where(correct, labels, (labels + others[0]) % n_classes),
        "confidence": rng.random(len(labels)),
        "kstar": kstar,
        "impostor_row": (rows + others[1]) % len(rows),
        "cosine_kstar": np.clip(moved, 1, per_class),
        "cosine_impostor_row": (rows + others[2]) % len(rows),
    }
    return {name: columns[name] for name in IMAGE_COLUMNS}


def _kstar(plan: Plan, labels: NDArray[np.int64], gathered: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """k* of every image: k*/n_c of a class is beta distributed, the further up the better it is gathered."""
    level = gathered + 0.5 * rng.standard_normal(int(labels.max()) + 1)
    fractions = rng.beta(np.exp(level)[labels], np.exp(-level)[labels])
    fractions[: int(labels.max()) + 1] = 0.5  # the first image of each class, so that every class has a γ
    if gathered > 0.43:  # the best third of a standard normal
        fractions[labels < plan.n_perfect] = 1.0
    return np.clip(np.ceil(fractions * plan.per_class), 1, plan.per_class).astype(np.int64)


def _kstar_scores(
    images: dict[str, NDArray[np.generic]], rng: np.random.Generator
) -> tuple[dict[str, float | None], dict[str, object]]:
    """Scores and columns of classes.parquet, of both distances."""
    scores: dict[str, float | None] = {}
    columns: dict[str, object] = {}
    labels = np.asarray(images["label"], dtype=np.int64)
    for prefix in ("", "cosine_"):
        kstar = np.asarray(images[f"{prefix}kstar"], dtype=np.int64)
        statistics = class_statistics(kstar, labels, np.bincount(labels))
        found = summarize(kstar, labels, statistics)
        approx = found["gamma_approx"]
        if approx is not None:
            found["gamma_approx_n50"] = approx + 0.05 * float(rng.standard_normal())
            found["gamma_approx_z"] = (approx - 1.5) / 0.2
        found |= {"kstar_mean_null": 0.06, "gamma_approx_null": 1.5, "gamma_approx_null_sd": 0.2}
        scores |= {prefix + name: value for name, value in found.items()}
        limits = [None if gamma is None else (gamma - 0.5, gamma + 0.5) for gamma in defined(statistics.gamma)]
        columns |= {prefix + column.name: column for column in class_table(statistics, limits)}
    return scores, columns


def _baselines(gathered: float, rng: np.random.Generator) -> dict[str, float]:
    levels = gathered + 0.4 * rng.standard_normal(7)
    return {
        "knn20_accuracy": float(1 / (1 + np.exp(-levels[0]))),
        "silhouette": float(np.tanh(levels[1]) / 2),
        "nc1": float(np.exp(-levels[2])),
        "rankme": float(50 * np.exp(0.2 * levels[3])),
        "alignment": float(1 - np.tanh(levels[4]) / 2),
        "uniformity": float(-2 - np.tanh(levels[5])),
        "hubness": float(1 + np.exp(-levels[6])),
    }


@cache
def _metrics() -> dict[str, str]:
    return {metric.name: metric.version for metric in list_own(METRICS) if metric.name != "subgroups"}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
