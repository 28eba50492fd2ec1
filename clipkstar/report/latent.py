"""Which scores describe the latent space alone, and which way each of them is better."""

from __future__ import annotations

from typing import Literal

from clipkstar.discovery import METRICS, list_own
from clipkstar.report.record import PRIMARY

OF_TEXT = ("zero_shot", "subgroups")
"""Metrics that need the text tower: accuracy itself, not the space it is read from."""

COUNTS = ("fractured", "clustered", "cosine_fractured", "cosine_clustered")
"""Counts of classes: the same as γ, only coarser."""

COMMON = {"gamma_approx": "gamma_approx_common", "cosine_gamma_approx": "cosine_gamma_approx_common"}
"""Scores whose values over several models are means over the classes that are defined for all that count, and the
columns that hold them."""


def latent_scores() -> dict[str, Literal["higher", "lower"]]:
    """Return each latent score of our own metrics and which way it is better; Γ′ first, then those of k*.

    Scores without a direction say nothing of better or worse; those that need the text tower and counts are left out.
    """
    metrics = sorted(list_own(METRICS), key=lambda metric: (metric.name != "kstar", metric.name))
    found: dict[str, Literal["higher", "lower"]] = {PRIMARY: "lower"}
    for metric in metrics:
        for score in metric.scores:
            if metric.name not in OF_TEXT and score.name not in COUNTS and score.better != "none":
                found[score.name] = score.better
    return found


def column(score: str) -> str:
    """Return the column of the points that holds a score's values."""
    return COMMON.get(score, score)
