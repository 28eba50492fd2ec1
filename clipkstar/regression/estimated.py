"""A worsening with a standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass

SURELY_SEEN = 1e4
"""Standard errors beyond which the power is 1; from 1e9 on scipy's noncentral t is NaN."""


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """Evidence from an estimate and its standard error: normal, or Student's t where that rests on few values.

    estimate: the worsening as observed. standard_error: 0 = candidate and baseline do not differ in anything that the
    estimate is made of; then the worsening is known, and the chance of seeing another one is 1.
    n_images: images behind it. degrees_of_freedom: of the standard error; None = normal.
    images_needed takes the variance for inversely proportional to the images, in the same classes: near enough for
    means over images; for γ, which depends on the size of the classes itself, it is an order of magnitude.
    Where the standard error is rather too large, as the jackknife's of γ and nn1_accuracy is, a chance stated above one
    half is in truth higher, and one stated below it lower.
    """

    estimate: float
    standard_error: float
    n_images: int
    degrees_of_freedom: int | None

    def p_exceeds(self, tolerance: float) -> float:
        """One-sided p-value of "the worsening is at most the tolerance"."""
        if self.standard_error == 0:
            return float(self.estimate <= tolerance)
        return self._cdf((tolerance - self.estimate) / self.standard_error)

    def p_within(self, tolerance: float) -> float:
        """One-sided p-value of "the worsening is the tolerance or more"."""
        if self.standard_error == 0:
            return float(self.estimate >= tolerance)
        return self._cdf((self.estimate - tolerance) / self.standard_error)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Two-sided interval of the worsening."""
        half_width = -self._quantile((1 - confidence) / 2) * self.standard_error
        return self.estimate - half_width, self.estimate + half_width

    def power(self, effect: float, *, alpha: float) -> float:
        """Chance that a test at alpha sees a true worsening `effect` > 0 beyond its bound (noncentral t)."""
        if self.standard_error == 0:
            return 1.0
        return self._power_at(effect / self.standard_error, alpha)

    def images_needed(self, effect: float, *, alpha: float, power: float) -> int:
        """Images with which that chance is `power`."""
        from scipy.optimize import brentq

        if self._power_at(0.0, alpha) >= power or self.standard_error == 0:
            return 1
        largest = 1.0
        while self._power_at(largest, alpha) < power:
            largest *= 2
        in_errors = float(brentq(lambda at: self._power_at(at, alpha) - power, 0.0, largest))
        return max(1, math.ceil(self.n_images * (in_errors * self.standard_error / effect) ** 2))

    def _power_at(self, effect_in_errors: float, alpha: float) -> float:
        from scipy.special import nctdtr, ndtr

        critical = -self._quantile(alpha)
        if self.degrees_of_freedom is None:
            return float(ndtr(effect_in_errors - critical))
        return float(1 - nctdtr(self.degrees_of_freedom, min(effect_in_errors, SURELY_SEEN), critical))

    def _cdf(self, value: float) -> float:
        from scipy.special import ndtr, stdtr

        return float(ndtr(value) if self.degrees_of_freedom is None else stdtr(self.degrees_of_freedom, value))

    def _quantile(self, share: float) -> float:
        from scipy.special import ndtri, stdtrit

        return float(ndtri(share) if self.degrees_of_freedom is None else stdtrit(self.degrees_of_freedom, share))
