"""What two runs differ in that makes them no pair, each difference named with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipkstar.regression.policy import Across
    from clipkstar.regression.sides import Offered
    from clipkstar.run import Run, TaskRecord

COMPARED_METRICS = ("zero_shot", "kstar")
"""Metrics whose scores are checked; numbers of two versions of one do not compare."""

ALIKE = "evaluate both alike"
AGAIN = "measure both by one clipkstar ('clipkstar score RUNS', then 'clipkstar baseline save')"

HASH_LENGTH = 8
"""Digits of a hash in an error."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What a candidate's run differs in from a baseline's, in words. across: what makes it count for nothing."""

    said: str
    across: Across | None = None


def is_pair(candidate: Run, baseline: Run, across: Sequence[Across]) -> bool:
    """Whether two runs are of the same images and words, evaluated alike but for what `across` names."""
    return candidate.task.fingerprint == baseline.task.fingerprint and not any(_protocol(candidate, baseline, across))


def differences(candidate: Offered, baseline: Offered, across: Sequence[Across]) -> list[Difference]:
    """Return all that keeps two runs of one task from being a pair, by what can be told from their records."""
    found = [*_protocol(candidate.run, baseline.run, across)]
    if candidate.run.task.fingerprint == baseline.run.task.fingerprint:
        return found
    of_data = [*_limit(candidate.run.task, baseline.run.task), *_images(candidate.run.task, baseline.run.task)]
    of_words = [*_class_names(candidate, baseline), *_prompts(candidate.run, baseline.run)]
    named = [*of_data, *of_words] or ["other labels, another order, or prompts written out otherwise"]
    return [*(Difference(said=said) for said in named), *found]


def remedy(found: Sequence[Difference]) -> str:
    """Return what to do about differences."""
    options = [f"--across {one.across}" for one in found if one.across is not None]
    return f"{ALIKE}, or compare with {' '.join(options)}" if len(options) == len(found) else ALIKE


def version_differences(candidate: Run, baseline: Run) -> list[Difference]:
    """Return the metrics that both were measured by in other versions; AGAIN is what to do about these."""
    return [
        Difference(said=f"another version of {name} ({candidate.metrics[name]} instead of {old})")
        for name, old in baseline.metrics.items()
        if name in COMPARED_METRICS and candidate.metrics.get(name, old) != old
    ]


def _protocol(candidate: Run, baseline: Run, across: Sequence[Across]) -> Iterator[Difference]:
    new, old = candidate.protocol, baseline.protocol
    if new.precision != old.precision and "precision" not in across:
        said = f"another precision ({new.precision} instead of {old.precision})"
        yield Difference(said=said, across="precision")
    if new.space != old.space and "space" not in across:
        yield Difference(said=f"another space ({new.space} instead of {old.space})", across="space")


def _limit(new: TaskRecord, old: TaskRecord) -> Iterator[str]:
    if new.limit != old.limit:
        yield f"another limit ({new.limit or 'none'} instead of {old.limit or 'none'})"


def _images(new: TaskRecord, old: TaskRecord) -> Iterator[str]:
    """Yield what of the images differs; those of another limit are others anyway."""
    if (new.dataset, new.split) != (old.dataset, old.split):
        yield f"another data set ({new.dataset} {new.split} instead of {old.dataset} {old.split})"
    if new.revision != old.revision:
        yield f"another revision of the data ({new.revision or 'none'} instead of {old.revision or 'none'})"
    if new.limit != old.limit:
        return
    if new.n_images != old.n_images:
        yield f"other images ({new.n_images:,} instead of {old.n_images:,})"
    elif new.images_digest != old.images_digest and new.images_digest and old.images_digest:
        yield f"other images ({new.images_digest[:HASH_LENGTH]} instead of {old.images_digest[:HASH_LENGTH]})"


def _class_names(candidate: Offered, baseline: Offered) -> Iterator[str]:
    new, old = (list(one.load().classes["name"]) for one in (candidate, baseline))
    if len(new) != len(old):
        yield f"other classes ({len(new):,} instead of {len(old):,})"
    elif renamed := [pair for pair in zip(new, old, strict=True) if pair[0] != pair[1]]:
        yield f"other class names ('{renamed[0][0]}' instead of '{renamed[0][1]}', {len(renamed):,} of {len(new):,})"


def _prompts(candidate: Run, baseline: Run) -> Iterator[str]:
    new, old = candidate.protocol, baseline.protocol
    if new.prompt_set != old.prompt_set:
        yield f"other prompts ({_set(new.prompt_set)} instead of {_set(old.prompt_set)})"
    elif new.templates != old.templates:
        yield f"other prompts ({_first_other(new.templates, old.templates)})"


def _set(name: str) -> str:
    return f"the set '{name}'" if name else "the task's own"


def _first_other(new: Sequence[str], old: Sequence[str]) -> str:
    """Name the first template that is another, and how many there are where that differs, too."""
    pairs = zip_longest((f"'{one}'" for one in new), (f"'{one}'" for one in old), fillvalue="none")
    said = next(f"{one} instead of {other}" for one, other in pairs if one != other)
    return said if len(new) == len(old) else f"{said}, {len(new)} templates instead of {len(old)}"
