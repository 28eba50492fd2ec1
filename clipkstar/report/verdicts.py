"""Whether each data set follows the claim: a lower Γ′ goes with a higher accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from clipkstar.report.record import PRIMARY, Correlation, Judgement, Verdict

LEAST_LINEAGES = 6
"""Fewer have too few orders: five lineages have 120, so p is 1/120 at least, and 7/120 after Holm over 7 data sets."""
LEVEL = 0.05
NONE: Mapping[str, str] = MappingProxyType({})


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values so that the chance of any false alarm among them stays at the level. Source: Holm (1979)."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def verdicts(correlations: Iterable[Correlation], *, judged_by: Mapping[str, str] = NONE) -> tuple[Verdict, ...]:
    """Judge every data set by the Spearman correlation of accuracy and Γ′ among the correlations.

    judged_by: for each data set that is not counted, the one that counts for its task; it has no test of its own.
    The permutation of whole lineages decides; the interval, safe and therefore wide with few lineages, does not.
    """
    primary = [one for one in correlations if one.score == PRIMARY and one.coefficient == "spearman"]
    tested = [
        one
        for one in primary
        if one.p_value is not None and one.n_lineages >= LEAST_LINEAGES and one.data_set not in judged_by
    ]
    p_holm = dict(
        zip(
            (one.data_set for one in tested),
            holm([one.p_value for one in tested if one.p_value is not None]),
            strict=True,
        )
    )
    return tuple(
        _verdict(one, p_holm.get(one.data_set), n_tests=len(tested), judged_by=judged_by.get(one.data_set))
        for one in primary
    )


def _verdict(one: Correlation, p_holm: float | None, *, n_tests: int, judged_by: str | None) -> Verdict:
    judgement: Judgement = "undecided"
    if one.value and p_holm is not None and p_holm <= LEVEL:
        judgement = "follows" if one.value < 0 else "violates"
    return Verdict(
        data_set=one.data_set,
        judgement=judgement,
        value=one.value,
        low=one.low,
        high=one.high,
        p_value=one.p_value,
        p_holm=p_holm,
        n_models=one.n_models,
        n_lineages=one.n_lineages,
        reason=_reason(one, p_holm, judgement=judgement, n_tests=n_tests) if judged_by is None else _aside(judged_by),
        counted=judged_by is None,
    )


def _aside(judged_by: str) -> str:
    return f"The task is judged by its evaluation '{judged_by}'; this one is shown and not counted."


def _reason(one: Correlation, p_holm: float | None, *, judgement: Judgement, n_tests: int) -> str:
    """Say why a data set is judged so, in a sentence."""
    if one.value is None:
        return f"{one.reason}."
    if p_holm is None:
        are = "lineage is" if one.n_lineages == 1 else "lineages are"
        return f"{one.n_lineages} {are} too few: a verdict needs {LEAST_LINEAGES}."
    chance = f"p = {p_holm:.3g}" + (f" after Holm's correction for {n_tests} data sets" if n_tests > 1 else "")
    if judgement == "undecided":
        return f"It may be chance: {chance}."
    goes = "higher" if judgement == "follows" else "lower"
    wide = ""
    if one.low is not None and one.high is not None and one.low <= 0 <= one.high:
        wide = ", although the interval, wide with few lineages, holds 0"
    return f"A lower Γ′ goes with a {goes} accuracy: {chance}{wide}."
