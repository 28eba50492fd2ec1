"""Metrics of stored runs computed again from cached embeddings, without a model or a data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar import store
from clipkstar.causes import first_line
from clipkstar.embed import recall_classes, recall_images
from clipkstar.embeddings import Embeddings
from clipkstar.errors import InputError
from clipkstar.measure import measure
from clipkstar.neighbors import Engine, Neighbors
from clipkstar.recording import has_metrics, with_other_metrics
from clipkstar.runner import with_recorded

if TYPE_CHECKING:
    from clipkstar.metric import Metric
    from clipkstar.run import Evaluation, Run
    from clipkstar.store import Store


@dataclass(frozen=True, kw_only=True)
class Rescored:
    """What came of one stored run. skipped: it has the metrics. sentence: why it could not be scored, else ""."""

    folder: Path
    run: Run | None
    skipped: bool = False
    sentence: str = ""
    notices: tuple[str, ...] = ()


def rescore(results: Store, metrics: Sequence[Metric], *, device: str, force: bool) -> Iterator[Rescored]:
    """Give every run of a store the metrics it lacks, one run after another; each is replaced when it is whole.

    force: compute those that it has, too. device: "cpu", "cuda" or "mps", where neighbours are searched; no number
    depends on it. A run whose embeddings are not in the cache stays as it is, and its sentence says so.
    """
    for folder in store.run_folders(results):
        try:
            yield _rescored(results, folder, metrics, device=device, force=force)
        except InputError as error:
            yield Rescored(folder=folder, run=None, sentence=str(error))
        except Exception as error:  # the metric may be the user's own: the other runs are scored all the same
            yield Rescored(folder=folder, run=None, sentence=f"{folder}: {type(error).__name__}: {first_line(error)}")


def _rescored(results: Store, folder: Path, metrics: Sequence[Metric], *, device: str, force: bool) -> Rescored:
    run = store.read_run(folder)
    if run is not None and not force and has_metrics(run, metrics):
        return Rescored(folder=folder, run=run, skipped=True)
    known = store.read(folder)
    if known is None:
        raise InputError(f"{folder} has no run.json any more.")
    embeddings = _embeddings(known, folder)
    chosen = with_recorded(metrics, known.run)
    measured = measure(embeddings, chosen, Neighbors(embeddings, engine=Engine(device=device)))
    run = replace(
        known.run,
        metrics={metric.name: metric.version for metric in chosen},
        scores=measured.scores,
        intervals=measured.intervals,
    )
    new = replace(known, run=run, images=measured.images, classes=measured.classes)
    written = with_other_metrics(new, store.read(folder) or known)  # a sweep may have added a metric meanwhile
    store.write(results, written)
    return Rescored(folder=folder, run=written.run, notices=measured.notices)


def _embeddings(known: Evaluation, folder: Path) -> Embeddings:
    """Put the embeddings of a run together again: labels and names from its tables, the rest from the cache."""
    keys = known.run.embeddings
    images, classes = recall_images(keys), recall_classes(keys)
    is_whole = images is not None and len(images.images) == known.images.height
    if images is None or not is_whole or (images.has_text and classes is None):
        raise InputError(
            f"the embeddings of {folder} are not in the cache; the eval or sweep that made them makes them again, with "
            "the --metric wanted."
        )
    subgroups = known.images["subgroup"].to_numpy() if "subgroup" in known.images.columns else None
    return Embeddings(
        images=images.images,
        labels=known.images["label"].to_numpy(),
        rows=known.images["row"].to_numpy(),
        class_names=tuple(known.classes["name"]),
        classes=classes if images.has_text else None,
        logit_scale=images.logit_scale,
        logit_bias=images.logit_bias,
        subgroups=subgroups,
    )
