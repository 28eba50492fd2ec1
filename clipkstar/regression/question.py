"""What a check asks: is the candidate worse in this score on this data set?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from clipkstar.regression.evidence import Compared
    from clipkstar.regression.policy import Rule


@dataclass(frozen=True, kw_only=True)
class Question:
    """One score of one pair, the rule that it is held against, and what is known of it.

    label: of the data set. better: which way the score is better.
    """

    label: str
    n_images: int
    better: Literal["higher", "lower"]
    rule: Rule
    compared: Compared

    @property
    def difference(self) -> float | None:
        """Candidate - baseline; None where one of them is undefined."""
        candidate, baseline = self.compared.candidate, self.compared.baseline
        return None if candidate is None or baseline is None else candidate - baseline

    def interval(self) -> tuple[float, float] | tuple[None, None]:
        """95 % interval of the difference, as far as there is one; that of the evidence is of the worsening."""
        if self.compared.evidence is None:
            return None, None
        low, high = self.compared.evidence.interval()
        return (0.0 - high, 0.0 - low) if self.better == "higher" else (low, high)
