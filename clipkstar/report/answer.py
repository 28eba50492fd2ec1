"""The answer of a report in one plain sentence, and what its words mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.report.record import JUDGEMENTS, PRIMARY
from clipkstar.report.wording import counted, interval, number

if TYPE_CHECKING:
    from clipkstar.report.record import Pooled, Statistics


def answer(statistics: Statistics) -> str:
    """Say on how many data sets a lower Γ′ goes with a higher accuracy, and the correlation over all of them."""
    judged = [verdict.judgement for verdict in statistics.verdicts]
    follows, violates, undecided = (judged.count(word) for word in JUDGEMENTS)
    said = (
        f"Of {counted(len(judged), 'data set')}, {_none_or(follows)} {'follow' if follows > 1 else 'follows'} the "
        "claim that a lower Γ′ goes with a higher zero-shot accuracy, "
        f"{_none_or(violates)} {'violate' if violates > 1 else 'violates'} it, "
        f"{_none_or(undecided)} {'are' if undecided > 1 else 'is'} undecided."
    )
    pooled = next((found for found in statistics.pooled if found.score == PRIMARY), None)
    return f"{said} {_over_all(pooled)}".strip()


def _none_or(number: int) -> str:
    return str(number or "none")


def _over_all(pooled: Pooled | None) -> str:
    if pooled is None:
        return ""
    if pooled.value is None:
        return f"Over all data sets there is no correlation: {pooled.reason.rstrip('.')}."
    between = interval(pooled.low, pooled.high)
    return (
        f"Over {counted(pooled.n_data_sets, 'data set')} and {counted(pooled.n_models, 'model')} of "
        f"{counted(pooled.n_lineages, 'lineage')}, the rank correlation of accuracy and Γ′ is {number(pooled.value)}"
        + (f" (95 % interval {between})." if between else " (no interval).")
    )


def our_reading() -> str:
    """Say what Γ′ and Γ are."""
    return (
        "k\\* of an image is the rank of its first neighbour of another class; γ of a class is the skewness of its "
        "k\\*/n (above 0.5 fractured, below -0.5 clustered); Γ′ is the mean of γ over classes, Γ the skewness over all "
        "images, lower is better for both. This is our reading of arXiv 2408.09065 and 2312.04024, which print "
        "no numbers to check it against. Γ′ compares models on the same images, not data sets."
    )
