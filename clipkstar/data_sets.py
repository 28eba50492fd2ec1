"""Which runs may be compared: those of the same images, words, precision and space; and how each such set is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from clipkstar.run import Run

HASH_LENGTH = 8
"""Digits of a hash in a name."""


class Key(NamedTuple):
    """What the runs of one data set have in common; fingerprint: of images, labels, class names, prompts and limit."""

    task: str
    fingerprint: str
    precision: str
    space: str


def key_of(run: Run) -> Key:
    """Return what decides with which runs a run may be compared."""
    return Key(
        task=run.task.name,
        fingerprint=run.task.fingerprint,
        precision=run.protocol.precision,
        space=run.protocol.space,
    )


def data_set_labels(runs: Sequence[Run]) -> dict[Key, str]:
    """Return a name for each data set of the runs, in the order in which they are shown.

    The largest of one task keeps the task's name, the others say in parentheses what differs from it. A sample always
    says so, even where there is nothing else.
    """
    examples: dict[Key, Run] = {}
    sizes: Counter[Key] = Counter()
    for run in sorted(runs, key=lambda run: (key_of(run), run.protocol.templates, run.run_id)):
        examples.setdefault(key_of(run), run)
        sizes[key_of(run)] += 1
    order = sorted(
        sizes, key=lambda key: (key.task, examples[key].task.limit is not None, -sizes[key], _unusual(examples[key]))
    )
    plain: dict[str, Run] = {}
    for key in order:
        plain.setdefault(key.task, examples[key])
    labels = {key: _label(examples[key], plain[key.task]) for key in order}
    taken = Counter(labels.values())
    return {
        key: f"{label} ({key.fingerprint[:HASH_LENGTH]})" if taken[label] > 1 else label
        for key, label in labels.items()
    }


def split_notices(runs: Sequence[Run], labels: dict[Key, str]) -> list[str]:
    """Say of each task with several data sets which they are, with the number of runs."""
    sizes = Counter(key_of(run) for run in runs)
    notices = []
    for task in sorted({key.task for key in labels}):
        parts = [f"{label}: {_runs(sizes[key])}" for key, label in labels.items() if key.task == task]
        if len(parts) > 1:
            notices.append(
                f"{task} was evaluated in {len(parts)} ways, which are kept apart, since only equal images, prompts, "
                f"precision and space compare ({'; '.join(parts)})."
            )
    return notices


def _unusual(run: Run) -> tuple[bool, bool, bool, Key]:
    """Of data sets of equal size, the one that is evaluated as by default comes first."""
    protocol = run.protocol
    return protocol.prompt_set != "", protocol.precision != "fp32", protocol.space != "output", key_of(run)


def _label(run: Run, plain: Run) -> str:
    fingerprint = run.task.fingerprint[:HASH_LENGTH]
    said = [] if run.task.limit is None else [f"sample of {run.task.limit}"]
    if run.protocol.precision != plain.protocol.precision:
        said.append(run.protocol.precision)
    if run.protocol.space != plain.protocol.space:
        said.append(run.protocol.space)
    if _words(run) != _words(plain):
        said.append(f"prompts {run.protocol.prompt_set or fingerprint}")
    elif run.task.fingerprint != plain.task.fingerprint and run.task.limit == plain.task.limit:
        said.append(f"images {fingerprint}" if _images(run) != _images(plain) else f"variant {fingerprint}")
    return f"{run.task.name} ({', '.join(said)})" if said else run.task.name


def _words(run: Run) -> tuple[str, tuple[str, ...]]:
    return run.protocol.prompt_set, run.protocol.templates


def _images(run: Run) -> tuple[str, str | None, str, int]:
    return run.task.dataset, run.task.revision, run.task.split, run.task.n_images


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"
