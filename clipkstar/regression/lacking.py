"""Scores that cannot be compared since a side lacks what they are computed from, or that are undefined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from clipkstar.errors import InputError
from clipkstar.metric_versions import version_key
from clipkstar.regression.sentences import MOST_NAMED

if TYPE_CHECKING:
    from clipkstar.regression.policy import Rule
    from clipkstar.regression.record import Pair
    from clipkstar.run import Evaluation

OF_CLASSES = {"gamma_approx": "gamma", "kstar_mean": "kstar_mean"}
"""Scores that may be undefined although they were measured, and the columns of the class table they are made of."""

OF_GROUPS = ("gamma_approx", "kstar_mean", "nn1_accuracy")
"""Scores whose evidence is made of the values without each group of images."""

FIRST_WITH_GROUPS = "3"
"""Version of kstar from which on a run keeps the values without each group, which the evidence is made of."""


def comparable(pair: Pair, rules: Sequence[Rule]) -> tuple[list[Rule], list[str]]:
    """Return the rules of the scores that can be asked for, and sentences on those that neither side has.

    A side lacks a score that was not measured, or that an encoder without a text tower cannot have. One that was
    measured and is undefined for one side is asked for, since it may have become so.
    Raises InputError for a score that one side lacks, and for k* measured by a version that kept no values without each
    group.
    """
    kept, absent = [], []
    for rule in rules:
        lacking = [role for role, side in _sides(pair) if side.run.scores.get(rule.score) is None]
        if len(lacking) == 2:
            absent.append(rule.score)
            continue
        if lacking and not all(_is_undefined(side, rule.score) for role, side in _sides(pair) if role in lacking):
            other = "baseline" if lacking == ["candidate"] else "candidate"
            raise InputError(
                f"the {lacking[0]} has no {rule.score} on {pair.label}, which the {other} has; measure it, or leave "
                "it out by naming the other scores in [scores.*] of a policy."
            )
        if rule.score in OF_GROUPS:
            _refuse_without_groups(pair)
        kept.append(rule)
    return kept, [f"{pair.label}: neither side has {', '.join(absent)}."] if absent else []


def newly_undefined(pair: Pair) -> list[str]:
    """Name the classes, in a sentence, whose γ is undefined for the candidate only: Γ′ does not tell of them."""
    sides = pair.candidate.classes, pair.baseline.classes
    if not all("gamma" in classes.columns for classes in sides):
        return []
    candidate, baseline = (classes["gamma"].is_null() | classes["gamma"].is_nan() for classes in sides)
    names = [str(name) for name in pair.candidate.classes["name"].filter(candidate & ~baseline)]
    if not names:
        return []
    named = ", ".join(f'"{name}"' for name in names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return [
        f"{pair.label}: γ is undefined for the candidate only, since all k* of a class are equal, in {named}{more}; "
        "Γ′ does not tell of them."
    ]


def _is_undefined(side: Evaluation, score: str) -> bool:
    """Whether a score that is not there was measured nevertheless."""
    return "kstar" in side.run.metrics and OF_CLASSES.get(score) in side.classes.columns


def _refuse_without_groups(pair: Pair) -> None:
    for role, side in _sides(pair):
        version = side.run.metrics.get("kstar", "")
        if version_key(version) < version_key(FIRST_WITH_GROUPS):
            raise InputError(
                f"the {role} was measured on {pair.label} by version {version or 'unknown'} of kstar, which kept too "
                "little to compare k*; 'clipkstar score RUNS' measures it anew."
            )


def _sides(pair: Pair) -> Iterator[tuple[str, Evaluation]]:
    yield "candidate", pair.candidate
    yield "baseline", pair.baseline
