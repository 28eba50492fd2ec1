"""A comparison in words and numbers, the same in the terminal, in Markdown, in JUnit and in annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.wording import NONE, counted, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clipkstar.regression.record import Check, ClassRegression, Comparison, Mode, Verdict

SHARES = ("top1", "mean_class_recall", "nn1_accuracy", "recall")
"""Scores that are shares of images, which are written in per cent."""

DIGITS = {"ece": 3, "kstar_mean": 3}
"""Decimals of a score where they are not two."""

MARKS: dict[Verdict, str] = {"pass": "✓ pass", "fail": "✗ fail", "undecided": "? undecided"}
"""Verdicts as tables show them; no colour is needed to tell them apart."""

MOST_NAMED = 5
"""Data sets, or classes, that one sentence names."""


def verdict_words(check: Check) -> str:
    """Return the verdict and what it means: `Fail: the candidate is worse in 2 of 24 comparisons`."""
    n = counted(len(check.comparisons), "comparison")
    n_failed, n_open = (sum(one.verdict == verdict for one in check.comparisons) for verdict in ("fail", "undecided"))
    if check.verdict == "fail":
        return f"Fail: the candidate is worse in {n_failed} of {n}"
    if check.mode == "regression":
        if check.verdict == "undecided":
            return f"Undecided, which does not fail: {n_open} of {n} had too few images to see or exclude a worsening"
        return (
            f"Pass: no worsening beyond the tolerance is established in {n}; each would show, or excludes, one that "
            "matters"
        )
    if check.verdict == "undecided":
        return f"Undecided, which fails here: a worsening beyond the tolerance is not excluded in {n_open} of {n}"
    return f"Pass: a worsening beyond the tolerance is excluded in {n}"


def sides(check: Check) -> str:
    """Return who was compared with whom, and by which rule."""
    level = f"α {number(100 * check.alpha, 3).rstrip('0').rstrip('.')} %"
    return f"Candidate {check.candidate.title} against baseline {check.baseline.title}; mode {check.mode}, {level}."


def headline(comparison: Comparison) -> str:
    """Return what happened to a score: `digits: top1 fell by 3.14 points`."""
    if comparison.difference is None:
        whom = "both sides" if comparison.candidate is None and comparison.baseline is None else "one side"
        return f"{comparison.task}: {comparison.score} is undefined for {whom}"
    if comparison.difference == 0:
        return f"{comparison.task}: {comparison.score} is equal"
    size = score_value(comparison.score, abs(comparison.difference))
    unit = " points" if comparison.score in SHARES else ""
    verb = "rose" if comparison.difference > 0 else "fell"
    return f"{comparison.task}: {comparison.score} {verb} by {size}{unit}"


def direction(comparison: Comparison) -> str:
    """Return `worse`, `better` or `equal`, as observed; – where the score of a side is undefined."""
    if comparison.difference is None:
        return NONE
    if comparison.difference == 0:
        return "equal"
    return "better" if (comparison.difference > 0) == (comparison.better == "higher") else "worse"


def score_value(score: str, value: float | None) -> str:
    """Write a score, a share in per cent; – where it is undefined."""
    return number(100 * value if value is not None and score in SHARES else value, DIGITS.get(score, 2))


def change(score: str, difference: float | None, low: float | None, high: float | None) -> str:
    """Write `−3.14 [−4.41, −1.87]`, every number with its sign."""
    shown = _signed(score, difference)
    return shown if low is None or high is None else f"{shown} [{_signed(score, low)}, {_signed(score, high)}]"


def p_shown(comparison: Comparison, mode: Mode) -> float | None:
    """Return the p-value that decides whether it passes: corrected in regression, of `within` in non-inferiority."""
    return comparison.p_corrected if mode == "regression" else comparison.p_within


def p_name(mode: Mode) -> str:
    """Return the head of the column of `p_shown`."""
    return "p (Holm)" if mode == "regression" else "p (within)"


def why(comparison: Comparison) -> str:
    """Return the reason, to stand behind a colon; that it is undecided is said beside it."""
    return f"{comparison.reason.removeprefix('undecided: ')}."


def by_importance(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Sort by verdict (fail, undecided, pass), then by how sure a worsening is, then by how little would be seen."""
    ranks: Sequence[Verdict] = ("fail", "undecided", "pass")
    return sorted(
        comparisons,
        key=lambda one: (
            ranks.index(one.verdict),
            1.0 if one.p_corrected is None else one.p_corrected,
            1.0 if one.p_worse is None else one.p_worse,
            0.0 if one.power is None else one.power,
        ),
    )


def class_words(classes: Sequence[ClassRegression]) -> str:
    """Name classes that became worse and what happened to them: `"8" (recall −12.00), "3" (gamma +1.20) and 2 more`."""
    named = [f'"{one.name}" ({one.score} {_signed(one.score, one.difference)})' for one in classes[:MOST_NAMED]]
    more = len(classes) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _signed(score: str, value: float | None) -> str:
    shown = score_value(score, value)
    is_zero = not shown.strip("0.−")
    return shown if value is None or value <= 0 or is_zero or shown == NONE else f"+{shown}"
