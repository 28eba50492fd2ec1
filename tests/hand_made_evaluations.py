"""Evaluations made by hand, with the columns that a check reads; equal calls give equal ones."""

from __future__ import annotations

import numpy as np
import polars as pl
from hand_made_runs import hand_made

from clipkstar.run import Evaluation

GROUPS = 20


def evaluation(
    model: str = "a", /, *, seed: int = 0, names: tuple[str, ...] = ("zero", "one", "two"), **changes: object
) -> Evaluation:
    """Return an evaluation of 60 images of three classes; changes: as of hand_made, seed: of what the encoder did."""
    random = np.random.default_rng(seed)
    n_images, n_classes = 60, len(names)
    sizes = {"n_images": n_images, "n_classes": n_classes, "metrics": {"kstar": "3", "zero_shot": "1"}}
    own_scores = dict(changes.pop("scores", {}))  # type: ignore[call-overload]
    labels = np.arange(n_images) % n_classes
    images = pl.DataFrame(
        {
            "row": np.arange(n_images),
            "label": labels,
            "prediction": np.where(random.random(n_images) < 0.8, labels, (labels + 1) % n_classes),
            "confidence": random.random(n_images),
            "kstar": random.integers(1, 21, n_images),
            "impostor_row": random.integers(0, n_images, n_images),
        }
    )
    values = random.random((3, n_classes))
    classes = pl.DataFrame(
        {
            "class": range(n_classes),
            "name": names,
            "n_images": np.bincount(labels),
            "recall": random.random(n_classes),
            "gamma": values[0],
            "kstar_mean": values[1],
            "nn1_accuracy": values[2],
            "pattern": ["clustered"] * n_classes,
        }
    )
    scores = _scores(images, classes) | own_scores
    run = hand_made(model, **(sizes | changes), scores=scores)
    return Evaluation(run=run, images=images, classes=classes.with_columns(*_without(values, random)))


def _scores(images: pl.DataFrame, classes: pl.DataFrame) -> dict[str, float]:
    """The scores that the tables stand for."""
    judged = images.with_columns(correct=(pl.col("prediction") == pl.col("label")).cast(pl.Float64))
    bins = judged.group_by((pl.col("confidence") * 15).ceil(), maintain_order=True).agg(
        (pl.col("correct") - pl.col("confidence")).sum()
    )
    return {
        "top1": judged["correct"].mean(),
        "mean_class_recall": judged.group_by("label", maintain_order=True)
        .agg(pl.col("correct").mean())["correct"]
        .mean(),
        "ece": bins["correct"].abs().sum() / images.height,
        "gamma_approx": classes["gamma"].mean(),
        "kstar_mean": classes["kstar_mean"].mean(),
        "nn1_accuracy": (classes["nn1_accuracy"] * classes["n_images"]).sum() / images.height,
    }


def _without(values: np.ndarray, random: np.random.Generator) -> list[pl.Series]:
    return [
        pl.Series(
            f"{name}_without",
            (row[:, None] + 0.01 * random.standard_normal((len(row), GROUPS))).astype(np.float32),
            dtype=pl.Array(pl.Float32, GROUPS),
        )
        for name, row in zip(("gamma", "kstar_mean", "nn1_accuracy"), values, strict=True)
    ]
