"""What a check found, as it stands in `check --json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from clipkstar.run import CheckpointRecord

if TYPE_CHECKING:
    from clipkstar.run import Evaluation

SCHEMA = 1
"""Raised when a reader of older checks would misread newer ones."""

Mode = Literal["regression", "non-inferiority"]
"""regression: fails where a worsening beyond the tolerance is established. non-inferiority: passes only where a
worsening beyond the tolerance is excluded, on every data set."""

Verdict = Literal["pass", "fail", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two evaluations of the same images and words. label: the task, told from others of its name."""

    label: str
    candidate: Evaluation
    baseline: Evaluation


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One score of one data set, candidate against baseline on the same images.

    better: which way the score is better. n_classes: classes that the score is over, defined for both; None = it is
        over images. n_left_out: classes that are undefined for one of the two.
    baseline, candidate: the score of each, over those classes; None where it is undefined. difference: candidate -
        baseline; None where one of them is.
    low, high: 95 % interval of the difference; None where there is none.
    tolerance, effect: as in the policy, in the unit of the score, not negative.
    p_worse: one-sided, of "the worsening is at most the tolerance"; small = a worsening beyond it is established.
    p_corrected: p_worse after weighted Holm over all data sets and scores of the check.
    p_within: one-sided, of "the worsening is the tolerance or more"; small = such a worsening is excluded.
    p_mcnemar: two-sided exact, of no difference; None where the score is no share of right images.
    discordant: share of the images that exactly one of the two has right; None as p_mcnemar.
    power: chance that the check sees a true worsening by `effect` beyond the tolerance (regression), or excludes a
        worsening beyond the tolerance when there is none (non-inferiority). None where there is no interval.
    n_needed: images of that kind that would decide it; None where it is decided, or no number would at what was seen.
    reason: why the verdict is what it is, one sentence.
    """

    task: str
    score: str
    better: Literal["higher", "lower"]
    n_images: int
    n_classes: int | None
    n_left_out: int
    baseline: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    tolerance: float
    effect: float
    p_worse: float | None
    p_corrected: float | None
    p_within: float | None
    p_mcnemar: float | None
    discordant: float | None
    verdict: Verdict
    power: float | None
    n_needed: int | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class ClassRegression:
    """One class of one data set that became worse. established: p_corrected is at most alpha.

    score: "recall" (a fall) or "gamma" (a rise). difference: candidate - baseline. low, high: 95 %.
    p_corrected: one-sided, of "it is not worse", after Holm over the classes of the data set.
    """

    task: str
    name: str
    score: Literal["recall", "gamma"]
    n_images: int
    baseline: float
    candidate: float
    difference: float
    low: float | None
    high: float | None
    p_corrected: float
    established: bool


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a check found.

    verdict: fail where one comparison fails, else undecided where one is, else pass. alpha: chance of failing an equal
    encoder, at most. classes: those that became worse, the most surely worse first; they decide nothing.
    """

    schema: int
    verdict: Verdict
    mode: Mode
    alpha: float
    candidate: CheckpointRecord
    baseline: CheckpointRecord
    comparisons: tuple[Comparison, ...]
    classes: tuple[ClassRegression, ...]
    notices: tuple[str, ...]

    @property
    def is_ok(self) -> bool:
        """Whether the command ends with 0: undecided is enough for regression, not for non-inferiority."""
        return self.verdict == "pass" or (self.verdict == "undecided" and self.mode == "regression")
