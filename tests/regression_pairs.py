"""Pairs of evaluations measured from embeddings that are made up, for what compares a candidate with its baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from hand_made_runs import hand_made
from numpy.typing import NDArray

from clipkstar.embeddings import Embeddings
from clipkstar.jackknife import class_groups
from clipkstar.kstar_summary import class_table, jackknife, summarize, without_groups
from clipkstar.measure import identity_tables
from clipkstar.metrics import zero_shot
from clipkstar.metrics.kstar import METRIC
from clipkstar.neighbors import Neighbors, search_impostors
from clipkstar.regression.record import Pair
from clipkstar.run import Evaluation, Run
from clipkstar.skewness import class_statistics


def evaluation_of(embeddings: Embeddings, model: str) -> Evaluation:
    """Measure zero_shot, and kstar under the Euclidean distance without what stands beside it."""
    labels, n_classes = embeddings.labels, embeddings.n_classes
    groups = class_groups(labels)
    found = search_impostors(embeddings.images, labels, groups=groups)["euclidean"]
    of_classes = class_statistics(found.kstar, labels, np.bincount(labels, minlength=n_classes))
    scores = summarize(found.kstar, labels, of_classes)
    everyone = np.arange(len(labels))
    replicates = without_groups(found, labels, asked=everyone, groups=groups, n_classes=n_classes)
    _, of_gammas = jackknife(scores, of_classes, replicates)
    table = class_table(of_classes, of_gammas, [classes for _, classes in replicates])
    images, classes = identity_tables(embeddings)
    images, classes = images.with_columns(kstar=pl.Series(found.kstar)), classes.hstack(table)
    if embeddings.classes is not None:
        shot = zero_shot.compute(embeddings, Neighbors(embeddings))
        images, classes, scores = images.hstack(shot.images), classes.hstack(shot.classes), scores | dict(shot.scores)
    return Evaluation(run=_run(model, scores, images.height, n_classes), images=images, classes=classes)


def predicted(labels: NDArray[np.int64], candidate: NDArray[np.bool_], baseline: NDArray[np.bool_]) -> Pair:
    """A pair of which only the zero-shot tables are known; candidate, baseline: which images each has right."""
    n_classes = int(labels.max()) + 1
    sides = []
    for model, correct in (("candidate", candidate), ("baseline", baseline)):
        predictions = np.where(correct, labels, (labels + 1) % n_classes)
        images = pl.DataFrame({"label": labels, "prediction": predictions, "confidence": np.full(len(labels), 0.5)})
        classes = pl.DataFrame({"name": [str(number) for number in range(n_classes)]})
        run = _run(model, {"top1": float(correct.mean())}, len(labels), n_classes)
        sides.append(Evaluation(run=run, images=images, classes=classes))
    return Pair(label="made", candidate=sides[0], baseline=sides[1])


def _run(model: str, scores: dict[str, float | None], n_images: int, n_classes: int) -> Run:
    versions = {"kstar": METRIC.version, "zero_shot": zero_shot.METRIC.version}
    return replace(hand_made(model, n_images=n_images, n_classes=n_classes, metrics=versions), scores=scores)


@dataclass(frozen=True, kw_only=True)
class World:
    """Classes and noise of which images are drawn, and of which two encoders of equal quality see noisy views.

    n_classes, per_class: of a data set. shared, own: spread of an image around the centre of its class in what both
    encoders see and in what each sees alone; centres have spread 1. Each encoder turns the space its own way.
    scale: of the logits. dim: of the embeddings. sizes: of the classes, where they are not equal.
    """

    n_classes: int = 10
    per_class: int = 40
    shared: float = 0.8
    own: float = 0.5
    scale: float = 10.0
    dim: int = 12
    sizes: tuple[int, ...] = ()

    def pair(self, seed: int, *, more_noise: float = 0.0) -> Pair:
        """Draw a data set and let both encoders see it; more_noise: added to the candidate's own spread."""
        return self.pair_and_embeddings(seed, more_noise=more_noise)[0]

    def pair_and_embeddings(self, seed: int, *, more_noise: float = 0.0) -> tuple[Pair, list[Embeddings]]:
        """Return also what the encoders made of the images, the candidate's first."""
        random = np.random.default_rng(seed)
        centres = np.random.default_rng(0).normal(size=(self.n_classes, self.dim))
        labels = np.repeat(np.arange(self.n_classes), self.sizes or self.per_class)
        seen = centres[labels] + self.shared * random.normal(size=(len(labels), self.dim))
        made = [
            self._encode(seen + spread * random.normal(size=seen.shape), labels, centres, number)
            for number, spread in ((1, self.own + more_noise), (2, self.own))
        ]
        candidate, baseline = (
            evaluation_of(embeddings, name) for embeddings, name in zip(made, ("candidate", "baseline"), strict=True)
        )
        return Pair(label="made", candidate=candidate, baseline=baseline), made

    def _encode(
        self, seen: NDArray[np.float64], labels: NDArray[np.int64], centres: NDArray[np.float64], number: int
    ) -> Embeddings:
        rotation = np.linalg.qr(np.random.default_rng(number).normal(size=(self.dim, self.dim)))[0]
        return Embeddings(
            images=(seen @ rotation).astype(np.float32),
            classes=(centres @ rotation / np.linalg.norm(centres, axis=1, keepdims=True)).astype(np.float32),
            labels=labels,
            rows=np.arange(len(labels)),
            class_names=tuple(f"class {number}" for number in range(self.n_classes)),
            logit_scale=self.scale,
        )
