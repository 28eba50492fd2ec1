"""How the stages of a training run follow each other, as far as their names tell."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Literal

FIRST_STAGES = ("scratch", "random", "untrained", "initial", "init", "start", "warmup")
"""Words in the name of a stage that comes before all numbered ones; among themselves in this order."""

CHOSEN = "best"
"""Word for a stage that was chosen by its results; when in the training it was is not known."""

LAST_STAGES = (CHOSEN, "latest", "last", "final")
"""Words in the name of a stage that comes after all numbered ones; among themselves in this order."""

NUMBER = "#"
"""Stands for a number in the form of a name."""

Told = Literal["last", "chosen", "by name"]
"""What the stage that comes last is: the last of the training, one chosen by its results, or nobody knows."""


def stage_key(pretrained: str) -> tuple[int, tuple[tuple[int, int, str], ...]]:
    """Sort names of stages as they follow each other: FIRST_STAGES, then numbers by value, then LAST_STAGES."""
    return _rank(pretrained), tuple(
        (1, int(word), "") if word.isdecimal() else (0, 0, word) for word in _words(pretrained)
    )


def told_by(names: Collection[str]) -> Told:
    """Tell what the names of the stages of one training run say about the one that stage_key puts last.

    They tell an order where those without a known word differ in their numbers alone, and no known word is in two; a
    name may go on where another ends, as in epoch_1 and epoch_1_step_500.
    """
    of_rank: defaultdict[int, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        of_rank[_rank(name)].append(name)
    if not all(_is_ordered(group) or (rank != 0 and len(group) == 1) for rank, group in of_rank.items()):
        return "by name"
    return "chosen" if max(of_rank) == 1 + LAST_STAGES.index(CHOSEN) else "last"


def _is_ordered(names: Sequence[str]) -> bool:
    forms = sorted((_form(name) for name in names), key=len)
    return all(NUMBER in form and forms[-1][: len(form)] == form for form in forms)


def _form(name: str) -> tuple[str, ...]:
    return tuple(NUMBER if word.isdecimal() else word for word in _words(name))


def _rank(name: str) -> int:
    """Below 0 for a first stage, 0 for what no known word is in, above 0 for a last one."""
    words = _words(name)
    last = max((1 + LAST_STAGES.index(word) for word in words if word in LAST_STAGES), default=0)
    first = min((FIRST_STAGES.index(word) for word in words if word in FIRST_STAGES), default=len(FIRST_STAGES))
    return last or first - len(FIRST_STAGES)


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+|\d+", name.lower())
