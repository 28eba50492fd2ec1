"""Two shares of right images, over the same images: Tango's score test and interval, and McNemar's exact test."""

from __future__ import annotations

import math
from dataclasses import dataclass

TINY = 1e-12

MOST_ROOT = 1e9
"""Square root of the most images that are told to be needed; more is no forecast."""


@dataclass(frozen=True, kw_only=True)
class PairedProportions:
    """Evidence that a candidate has fewer images right than its baseline; the worsening is a difference of shares.

    n: images. n_worse: those that only the baseline has right. n_better: those that only the candidate has right.

    p_exceeds, p_within and interval come from one statistic, the score test of Tango, Statistics in Medicine 17 (1998),
    891-908; at tolerance 0 it is McNemar's without continuity correction. By enumeration at a level of 5 %, p_exceeds
    rejects at most 5.2 % of the time at tolerance 0, and p_within as often at any; with a tolerance of a handful of
    images, and a candidate that is hardly ever better, p_exceeds rejects up to 7 %.
    """

    n: int
    n_worse: int
    n_better: int

    @property
    def estimate(self) -> float:
        """Share of the baseline - share of the candidate."""
        return (self.n_worse - self.n_better) / self.n

    @property
    def discordant(self) -> float:
        """Share of the images that exactly one of the two has right."""
        return (self.n_worse + self.n_better) / self.n

    @property
    def p_mcnemar(self) -> float:
        """Two-sided exact p-value of no difference; 1 without discordant images. McNemar, Psychometrika 12 (1947)."""
        from scipy.stats import binomtest

        n_discordant = self.n_worse + self.n_better
        return float(binomtest(self.n_worse, n_discordant).pvalue) if n_discordant else 1.0

    def p_exceeds(self, tolerance: float) -> float:
        """One-sided p-value of "the worsening is at most the tolerance"."""
        score = self._score(tolerance)
        return 1.0 if score is None else _normal_cdf(-score)

    def p_within(self, tolerance: float) -> float:
        """One-sided p-value of "the worsening is the tolerance or more"."""
        score = self._score(tolerance)
        return 1.0 if score is None else _normal_cdf(score)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Every worsening that a two-sided score test at 1 - confidence does not reject."""
        from scipy.optimize import brentq
        from scipy.special import ndtri

        quantile = float(ndtri((1 + confidence) / 2))

        def end(bound: float, sign: float) -> float:
            def excess(worsening: float) -> float:
                return sign * (self._score(worsening) or 0.0) - quantile

            if bound == self.estimate:
                return bound
            return float(brentq(excess, bound * (1 - TINY), self.estimate - sign * TINY, xtol=TINY))

        return end(-1.0, 1.0), end(1.0, -1.0)

    def power(self, effect: float, *, alpha: float, tolerance: float = 0.0) -> float:
        """Chance at the observed share of discordant images, taken for at least the worsening that is to be seen.

        Normal approximation. Source for a bound at 0: Connor, Biometrics 43 (1987), 207-211.
        """
        from scipy.special import ndtr, ndtri

        if tolerance + effect >= 1:
            return 1.0
        at_bound, at_truth = self._spreads(effect, tolerance)
        return float(ndtr((effect * math.sqrt(self.n) + ndtri(alpha) * at_bound) / at_truth))

    def images_needed(self, effect: float, *, alpha: float, power: float, tolerance: float = 0.0) -> int:
        """Images with which `power` is that chance, at the same share of discordant images."""
        from scipy.special import ndtri

        if tolerance + effect >= 1:
            return 1
        at_bound, at_truth = self._spreads(effect, tolerance)
        root = float(-ndtri(alpha) * at_bound + ndtri(power) * at_truth) / effect
        return max(1, math.ceil(min(max(root, 0.0), MOST_ROOT) ** 2))

    def _spreads(self, effect: float, tolerance: float) -> tuple[float, float]:
        """Standard deviations of one image's worsening: as the test at the tolerance has it, and as it then is."""
        worsening = tolerance + effect
        discordant = max(self.discordant, worsening)
        worse, better = (discordant + worsening) / 2, (discordant - worsening) / 2
        return math.sqrt(_variance(worse, better, tolerance)), math.sqrt(discordant - worsening**2)

    def _score(self, worsening: float) -> float | None:
        """Tango's statistic, standard normal where that is the true worsening; positive = more was observed.

        None where only what was observed can be observed under that worsening, so that nothing speaks against it.
        """
        if worsening < 0:
            mirrored = PairedProportions(n=self.n, n_worse=self.n_better, n_better=self.n_worse)._score(-worsening)
            return None if mirrored is None else -mirrored
        variance = _variance(self.n_worse / self.n, self.n_better / self.n, worsening)
        if variance > 0:
            return (self.estimate - worsening) * math.sqrt(self.n / variance)
        return None if self.estimate == worsening else math.copysign(math.inf, self.estimate - worsening)


def _variance(worse: float, better: float, worsening: float) -> float:
    """Variance of one image's worsening where its mean, at least 0, is given, by maximum likelihood.

    worse, better: shares of the images as observed. The likelihood of the three kinds of images has its maximum, in the
    share of the better ones, at the larger root of
    2 x² + ((2 - worse + better) worsening - worse - better) x - better worsening (1 - worsening).
    """
    if worsening >= 1:
        return 0.0
    half = ((2 - worse + better) * worsening - worse - better) / 2
    constant = better * worsening * (1 - worsening)
    root = math.sqrt(half * half + 2 * constant)
    # Both are the same; each without the difference of two nearly equal numbers.
    share = (root - half) / 2 if half <= 0 else constant / (root + half)
    return 2 * share + worsening * (1 - worsening)


def _normal_cdf(value: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(value))
