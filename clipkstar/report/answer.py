"""The answer of a report in one plain sentence, and what its words mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.report.intervals import LEAST_CLUSTERS
from clipkstar.report.record import JUDGEMENTS, PRIMARY
from clipkstar.wording import counted, interval, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipkstar.report.record import Pooled, Statistics

MOST_NAMED = 3
"""Data sets of one verdict that the answer names; of more it tells the number."""


def answer(statistics: Statistics) -> str:
    """Say on how many data sets a lower Γ′ goes with a higher accuracy, and the correlation over all of them."""
    judged = [verdict for verdict in statistics.verdicts if verdict.counted]
    follows, violates, undecided = (
        [verdict.data_set for verdict in judged if verdict.judgement == word] for word in JUDGEMENTS
    )
    said = (
        f"Of {counted(len(judged), 'data set')}, {_many(follows, 'follows', 'follow')} the claim that a lower Γ′ goes "
        f"with a higher zero-shot accuracy{_named(follows)}, {_many(violates, 'violates', 'violate')} it"
        f"{_named(violates)}, {_many(undecided, 'is', 'are')} undecided."
    )
    pooled = next((found for found in statistics.pooled if found.score == PRIMARY), None)
    aside = _aside(len(statistics.verdicts) - len(judged))
    return " ".join(sentence for sentence in (said, aside, _over_all(pooled)) if sentence)


def _aside(number: int) -> str:
    if not number:
        return ""
    are = "is" if number == 1 else "are"
    return f"{counted(number, 'other evaluation')} of these tasks {are} shown and not counted."


def _many(data_sets: Sequence[str], one: str, several: str) -> str:
    return f"{len(data_sets) or 'none'} {several if len(data_sets) > 1 else one}"


def _named(data_sets: Sequence[str]) -> str:
    """Name a few data sets in parentheses."""
    return f" ({', '.join(data_sets)})" if 0 < len(data_sets) <= MOST_NAMED else ""


def _over_all(pooled: Pooled | None) -> str:
    if pooled is None:
        return ""
    if pooled.value is None:
        return (
            "Over all data sets, the rank correlation of accuracy and Γ′ could not be computed: "
            f"{pooled.reason.rstrip('.')}."
        )
    between = interval(pooled.low, pooled.high)
    missing = "too few lineages for an interval" if pooled.n_lineages < LEAST_CLUSTERS else "no interval"
    return (
        f"Over {counted(pooled.n_data_sets, 'data set')} and {counted(pooled.n_models, 'model')} of "
        f"{counted(pooled.n_lineages, 'lineage')}, the rank correlation of accuracy and Γ′ is {number(pooled.value)}"
        + (f" (95 % interval {between})." if between else f" ({missing}).")
    )


def our_reading() -> str:
    """Say what Γ′ and Γ are."""
    return (
        "k\\* of an image is the rank of its first neighbour of another class; γ of a class is the skewness of its "
        "k\\*/n (above 0.5 fractured, below −0.5 clustered); Γ′ is the mean of γ over classes, Γ the skewness over all "
        "images, lower is better for both. This is our reading of arXiv 2408.09065 and 2312.04024, which print "
        "no numbers to check it against. Γ′ compares models on the same images, not data sets."
    )
