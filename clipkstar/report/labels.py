"""What checkpoints and training runs are called in a report, so that two of them never share a name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from clipkstar.data_sets import HASH_LENGTH, Key, key_of
from clipkstar.report.replicates import TrainingRun

if TYPE_CHECKING:
    from clipkstar.run import Run


def model_labels(runs: Sequence[Run], counted: Sequence[bool]) -> list[str]:
    """Return a name for the checkpoint of each run: its title, with a hash where checkpoints of one title differ.

    counted: whether the run counts in its data set. Where nobody knows the weights, runs of one title are taken for one
    checkpoint, unless several of them count on one data set: then each has a name of its own.
    """
    weights: defaultdict[str, set[str]] = defaultdict(set)
    configs: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for run in runs:
        weights[run.checkpoint.title].add(_weights(run))
        configs[run.checkpoint.title, _weights(run)].add(run.checkpoint.config_sha256)
    labels = []
    for run in runs:
        title, of = run.checkpoint.title, _weights(run)
        hashes = [of] if len(weights[title]) > 1 and of else []
        hashes += [run.checkpoint.config_sha256] if len(configs[title, of]) > 1 else []
        labels.append(_hashed(title, hashes))
    many: Counter[tuple[Key, str]] = Counter(
        (key_of(run), label) for run, label, counts in zip(runs, labels, counted, strict=True) if counts
    )
    return [
        _hashed(label, [run.run_id]) if many[key_of(run), label] > 1 else label
        for run, label in zip(runs, labels, strict=True)
    ]


def training_run_labels(training_runs: Iterable[TrainingRun]) -> dict[TrainingRun, str]:
    """Return a name for each training run: its lineage, with the model where that leaves several, then with a hash."""
    every = sorted(set(training_runs))
    labels = {one: one.lineage for one in every}
    for length in (0, HASH_LENGTH):
        taken = Counter(labels.values())
        labels = {one: _with_model(one, length) if taken[label] > 1 else label for one, label in labels.items()}
    return labels


def _with_model(one: TrainingRun, hash_length: int) -> str:
    config = f", {one.config_sha256[:hash_length]}" if hash_length else ""
    return f"{one.lineage} ({one.family}--{one.model}{config})"


def _weights(run: Run) -> str:
    return run.checkpoint.weights_sha256 or ""


def _hashed(name: str, hashes: Sequence[str]) -> str:
    return f"{name} ({', '.join(one[:HASH_LENGTH] for one in hashes)})" if hashes else name
