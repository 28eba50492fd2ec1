"""What is known of a worsening: an estimate that knows how unsure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Evidence(Protocol):
    """How much worse a candidate is than its baseline in one score: positive = worse, in the unit of the score."""

    @property
    def estimate(self) -> float:
        """The worsening as observed."""

    def p_exceeds(self, tolerance: float) -> float:
        """One-sided p-value of "the worsening is at most the tolerance"; small = a worsening beyond is established."""

    def p_within(self, tolerance: float) -> float:
        """One-sided p-value of "the worsening is the tolerance or more"; small = such a worsening is excluded."""

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Two-sided interval of the worsening."""

    def power(self, effect: float, *, alpha: float, tolerance: float = 0.0) -> float:
        """Chance that a one-sided test at alpha sees a true worsening that lies `effect` > 0 off its bound.

        tolerance: the bound, where the true worsening lies beyond it; how sure an evidence is may depend on that.
        """

    def images_needed(self, effect: float, *, alpha: float, power: float, tolerance: float = 0.0) -> int:
        """Images of this kind with which that chance is `power`; at most those at hand where it is already."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One score of a pair.

    baseline, candidate: the score of each, over the same classes; None where it is undefined. evidence: None = there is
    no interval, `reason` says why. n_classes, n_left_out, p_mcnemar, discordant: as in Comparison.
    """

    baseline: float | None
    candidate: float | None
    evidence: Evidence | None
    n_classes: int | None = None
    n_left_out: int = 0
    p_mcnemar: float | None = None
    discordant: float | None = None
    reason: str = ""
