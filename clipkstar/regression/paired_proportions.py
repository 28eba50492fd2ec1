"""Two shares of right images, over the same images: Tango's score test and interval, and McNemar's exact test."""

from __future__ import annotations

import math
from dataclasses import dataclass

TINY = 1e-12


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

    def power(self, effect: float, *, alpha: float) -> float:
        """Chance at the observed share of discordant images, which is taken for at least the effect.

        Normal approximation for a bound at 0. Source: Connor, Biometrics 43 (1987), 207-211.
        """
        from scipy.special import ndtr, ndtri

        if effect >= 1:
            return 1.0
        discordant = max(self.discordant, effect)
        shift = effect * math.sqrt(self.n) + ndtri(alpha) * math.sqrt(discordant)
        return float(ndtr(shift / math.sqrt(discordant - effect**2)))

    def images_needed(self, effect: float, *, alpha: float, power: float) -> int:
        """Images with which `power` is that chance, at the same share of discordant images."""
        from scipy.special import ndtri

        discordant = max(self.discordant, effect)
        spread = -ndtri(alpha) * math.sqrt(discordant) + ndtri(power) * math.sqrt(max(discordant - effect**2, 0.0))
        return max(1, math.ceil(float(max(spread, 0.0) / effect) ** 2))

    def _score(self, worsening: float) -> float | None:
        """Tango's statistic, standard normal where that is the true worsening; positive = more was observed.

        None where only what was observed can be observed under that worsening, so that nothing speaks against it.
        """
        if worsening < 0:
            mirrored = PairedProportions(n=self.n, n_worse=self.n_better, n_better=self.n_worse)._score(-worsening)
            return None if mirrored is None else -mirrored
        variance = 2 * self._share_better(worsening) + worsening * (1 - worsening) if worsening < 1 else 0.0
        if variance > 0:
            return (self.estimate - worsening) * math.sqrt(self.n / variance)
        return None if self.estimate == worsening else math.copysign(math.inf, self.estimate - worsening)

    def _share_better(self, worsening: float) -> float:
        """Maximum likelihood estimate of the share of n_better where the worsening, at least 0, is given.

        The likelihood of the three kinds of images has its maximum at the larger root of
        2 n x² + ((2 n - n_worse + n_better) worsening - n_worse - n_better) x - n_better worsening (1 - worsening).
        """
        half = ((2 * self.n - self.n_worse + self.n_better) * worsening - self.n_worse - self.n_better) / 2
        constant = self.n_better * worsening * (1 - worsening)
        root = math.sqrt(half * half + 2 * self.n * constant)
        if half <= 0:
            return (root - half) / (2 * self.n)
        return constant / (root + half)  # the same without the difference of two nearly equal numbers


def _normal_cdf(value: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(value))
