"""Scores that cannot be compared since a side lacks what they are computed from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from clipkstar.errors import InputError
from clipkstar.metric_versions import version_key

if TYPE_CHECKING:
    from clipkstar.regression.policy import Rule
    from clipkstar.regression.record import Pair
    from clipkstar.run import Evaluation

OF_GROUPS = ("gamma_approx", "kstar_mean", "nn1_accuracy")
"""Scores whose evidence is made of the values without each group of images."""

FIRST_WITH_GROUPS = "3"
"""Version of kstar from which on a run keeps the values without each group, which the evidence is made of."""


def comparable(pair: Pair, rules: Sequence[Rule]) -> tuple[list[Rule], list[str]]:
    """Return the rules of the scores that both sides have, and sentences on those that neither has.

    A side lacks a score that was not measured, that an encoder without a text tower cannot have, or that is undefined.
    Raises InputError for a score that one side lacks, and for k* measured by a version that kept no values without each
    group.
    """
    kept, absent = [], []
    for rule in rules:
        lacking = [role for role, side in _sides(pair) if side.run.scores.get(rule.score) is None]
        if len(lacking) == 2:
            absent.append(rule.score)
            continue
        if lacking:
            other = "baseline" if lacking == ["candidate"] else "candidate"
            raise InputError(
                f"the {lacking[0]} has no {rule.score} on {pair.label}, which the {other} has; measure it, or leave "
                "it out by naming the other scores in [scores.*] of a policy."
            )
        if rule.score in OF_GROUPS:
            _refuse_without_groups(pair)
        kept.append(rule)
    return kept, [f"{pair.label}: neither side has {', '.join(absent)}."] if absent else []


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
