"""One level for many comparisons, some of which matter more."""

from __future__ import annotations

from collections.abc import Sequence


def weighted_holm(p_values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the corrected p-values, in the order given: those at most alpha are established at alpha over all.

    weights: positive, one for each p-value; its share of their sum is its share of alpha at the first step. However the
    comparisons depend on each other, the chance of one false "established" is at most alpha. With equal weights it is
    Holm's method. Source: Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place] / weights[place])
    corrected, left, largest = [0.0] * len(p_values), float(sum(weights)), 0.0
    for place in order:
        largest = max(largest, min(1.0, p_values[place] * left / weights[place]))
        corrected[place] = largest
        left -= weights[place]
    return corrected
