"""Why a verdict is what it is: one sentence with the number, and with what to do where it is not decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.regression.sentences import SHARES, change
from clipkstar.wording import NONE, counted, p_value, percent

if TYPE_CHECKING:
    from clipkstar.regression.evidence import Evidence
    from clipkstar.regression.question import Question

MOST_IMAGES = 10**12
"""Of more no number is told: there are no such data sets."""


def with_details(question: Question, reason: str) -> str:
    """Add over how many classes a score is where some are left out, and of a share of right images McNemar's test."""
    compared, details = question.compared, [reason]
    if compared.discordant is not None and compared.p_mcnemar is not None and not _is_identical(compared.evidence):
        details.append(
            f"{_share(compared.discordant)} of the images are right for exactly one of the two, exact McNemar "
            f"{_p(compared.p_mcnemar)}"
        )
    if compared.n_classes and compared.n_left_out:
        n = compared.n_classes + compared.n_left_out
        others = "the other is" if compared.n_left_out == 1 else f"the other {compared.n_left_out:,} are"
        details.append(
            f"over {compared.n_classes:,} of {n:,} classes, {others} undefined for one side or without a group of "
            "images"
        )
    return "; ".join(details)


def established(question: Question, p_corrected: float) -> str:
    """Say that the candidate is worse."""
    beyond = amount(question, question.rule.tolerance)
    return (
        f"a worsening beyond {beyond} is established: {observed(question)}, {_p(p_corrected)} after Holm's correction"
    )


def not_seen(question: Question, power: float) -> str:
    """Say that no worsening was established, and that one that matters would have been seen."""
    if _is_identical(question.compared.evidence):
        return "there is no difference at all"
    beyond = amount(question, question.rule.tolerance)
    return (
        f"no worsening beyond {beyond} is established: {observed(question)}; {_effect(question)} would be seen with a "
        f"chance of {_chance(power)}"
    )


def too_few(question: Question, power: float, n_needed: int) -> str:
    """Say that a worsening that matters could be there unseen."""
    return (
        f"undecided: {counted(question.n_images, 'image')} show {_effect(question)} with a chance of {_chance(power)}; "
        f"{_would_decide(n_needed)}"
    )


def excluded(question: Question, p_within: float, *, effect: float = 0.0) -> str:
    """Say that the candidate is not worse by as much as the tolerance, or as an effect beyond it."""
    if _is_identical(question.compared.evidence):
        return "there is no difference at all"
    bound = amount(question, question.rule.tolerance + effect)
    return f"a worsening of {bound} or more is excluded: {observed(question)}, {_p(p_within)}"


def not_excluded(question: Question, p_within: float, n_needed: int | None) -> str:
    """Say that the candidate may be worse by as much as the tolerance."""
    bound = amount(question, question.rule.tolerance)
    ahead = "no number of images would exclude it at what was observed" if n_needed is None else _would_decide(n_needed)
    return f"undecided: a worsening of {bound} or more is not excluded: {observed(question)}, {_p(p_within)}; {ahead}"


def amount(question: Question, value: float) -> str:
    """Write an amount of a score that is not negative: `0`, `1 point`, `0.5 points`, `0.2`."""
    if question.rule.score not in SHARES or value == 0:
        return f"{value:.4g}"
    points = f"{100 * value:.4g}"
    return f"{points} point{'' if points == '1' else 's'}"


def observed(question: Question) -> str:
    """Write the difference with its interval: `−1.20 points [−1.90, −0.50]`, candidate - baseline."""
    if question.difference is None:
        return NONE
    unit = " points" if question.rule.score in SHARES else ""
    shown, between, limits = change(question.rule.score, question.difference, *question.interval()).partition(" [")
    return f"{shown}{unit}{between}{limits}"


def _effect(question: Question) -> str:
    rule = question.rule
    beyond = f" beyond {amount(question, rule.tolerance)}" if rule.tolerance else ""
    return f"a worsening of {amount(question, rule.effect)}{beyond}"


def _would_decide(n_needed: int) -> str:
    if n_needed > MOST_IMAGES:
        return "no number of images that there are would decide it"
    return f"about {_rounded_up(n_needed):,} would decide it"


def _rounded_up(n: int) -> int:
    """Round up to two digits, which is more than such a forecast knows."""
    step = int(10 ** max(0, len(str(n)) - 2))
    return -(-n // step) * step


def _chance(power: float) -> str:
    """Write a chance in whole per cent; never 0 % or 100 %, which it is not."""
    if power >= 0.995:
        return "over 99 %"
    return "under 1 %" if power < 0.005 else f"{100 * power:.0f} %"


def _share(value: float) -> str:
    """Write a share in per cent; what one decimal cannot say as under 0.1 %."""
    return "under 0.1 %" if 0 < value < 0.0005 else f"{percent(value)} %"


def _p(value: float) -> str:
    shown = p_value(value)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def _is_identical(evidence: Evidence | None) -> bool:
    return evidence is not None and evidence.estimate == 0 and evidence.interval() == (0, 0)
