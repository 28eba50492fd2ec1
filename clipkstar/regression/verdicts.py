"""From what is known of each score of each data set to a verdict, by the rules of a policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from clipkstar.regression import reasons
from clipkstar.regression.record import Comparison, Verdict
from clipkstar.regression.weighted_holm import weighted_holm

if TYPE_CHECKING:
    from clipkstar.regression.evidence import Evidence
    from clipkstar.regression.policy import Policy
    from clipkstar.regression.question import Question


class Judged(NamedTuple):
    """A verdict with what belongs to it; fields as in Comparison."""

    verdict: Verdict
    power: float | None
    n_needed: int | None
    reason: str


def judge(questions: Sequence[Question], policy: Policy) -> tuple[Comparison, ...]:
    """Answer every question of a check; the order is kept.

    regression: fail where a worsening beyond the tolerance is established at alpha after weighted Holm over all
    questions; else pass where the chance of seeing the rule's effect, at the level of Holm's first and strictest step,
    is the policy's power, or where a worsening by the effect beyond the tolerance is excluded; else undecided.
    non-inferiority: pass where a worsening beyond the tolerance is excluded; fail as in regression; else undecided.
    To exclude, alpha holds for each by itself, without a correction, since all must pass.
    """
    weights = [question.rule.weight for question in questions]
    p_values = [
        1.0 if one.compared.evidence is None else one.compared.evidence.p_exceeds(one.rule.tolerance)
        for one in questions
    ]
    corrected = weighted_holm(p_values, weights)
    total = sum(weights)
    return tuple(
        _comparison(question, policy, p_worse=p_worse, p_corrected=p, level=policy.alpha * question.rule.weight / total)
        for question, p_worse, p in zip(questions, p_values, corrected, strict=True)
    )


def overall(comparisons: Sequence[Comparison]) -> Verdict:
    """Return fail where one comparison fails, else undecided where one is, else pass."""
    found = {one.verdict for one in comparisons}
    return "fail" if "fail" in found else "undecided" if "undecided" in found else "pass"


def _comparison(question: Question, policy: Policy, *, p_worse: float, p_corrected: float, level: float) -> Comparison:
    compared, rule, evidence = question.compared, question.rule, question.compared.evidence
    judged = _judged(question, policy, p_corrected=p_corrected, level=level)
    low, high = question.interval()
    return Comparison(
        task=question.label,
        score=rule.score,
        better=question.better,
        n_images=question.n_images,
        n_classes=compared.n_classes,
        n_left_out=compared.n_left_out,
        baseline=compared.baseline,
        candidate=compared.candidate,
        difference=question.difference,
        low=low,
        high=high,
        tolerance=rule.tolerance,
        effect=rule.effect,
        p_worse=None if evidence is None else p_worse,
        p_corrected=None if evidence is None else p_corrected,
        p_within=None if evidence is None else evidence.p_within(rule.tolerance),
        p_mcnemar=compared.p_mcnemar,
        discordant=compared.discordant,
        verdict=judged.verdict,
        power=judged.power,
        n_needed=judged.n_needed,
        reason=reasons.with_details(question, judged.reason),
    )


def _judged(question: Question, policy: Policy, *, p_corrected: float, level: float) -> Judged:
    evidence = question.compared.evidence
    if evidence is None:
        return Judged(verdict="undecided", power=None, n_needed=None, reason=f"undecided: {question.compared.reason}")
    if policy.mode == "regression":
        return _seen(question, evidence, policy, p_corrected=p_corrected, level=level)
    return _excluded(question, evidence, policy, p_corrected=p_corrected)


def _seen(question: Question, evidence: Evidence, policy: Policy, *, p_corrected: float, level: float) -> Judged:
    """Judge in regression mode: is a worsening there, and would one that matters have been seen, or is it excluded?"""
    tolerance, effect = question.rule.tolerance, question.rule.effect
    power = evidence.power(effect, alpha=level, tolerance=tolerance)
    if p_corrected <= policy.alpha:
        return Judged("fail", power, None, reasons.established(question, p_corrected))
    if power >= policy.power:
        return Judged("pass", power, None, reasons.not_seen(question, power))
    p_matters = evidence.p_within(tolerance + effect)
    if p_matters <= policy.alpha:
        return Judged("pass", power, None, reasons.excluded(question, p_matters, effect=effect))
    needed = evidence.images_needed(effect, alpha=level, power=policy.power, tolerance=tolerance)
    return Judged("undecided", power, needed, reasons.too_few(question, power, needed))


def _excluded(question: Question, evidence: Evidence, policy: Policy, *, p_corrected: float) -> Judged:
    """Judge in non-inferiority mode: is a worsening beyond the tolerance excluded?"""
    tolerance, alpha = question.rule.tolerance, policy.alpha
    power, p_within = evidence.power(tolerance, alpha=alpha), evidence.p_within(tolerance)
    if p_within <= alpha:
        return Judged("pass", power, None, reasons.excluded(question, p_within))
    if p_corrected <= alpha:
        return Judged("fail", power, None, reasons.established(question, p_corrected))
    room = tolerance - evidence.estimate
    needed = evidence.images_needed(room, alpha=alpha, power=policy.power) if room > 0 else None
    return Judged("undecided", power, needed, reasons.not_excluded(question, p_within, needed))
