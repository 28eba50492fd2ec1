"""A worsening with a standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

N_NODES = 100
"""Places at which the noncentral t is integrated: its chances are then right to 1e-6."""

ROUNDING = 1e-6
"""A standard error smaller than this share of what was observed is what rounding to float32 leaves of none."""

MOST_TIMES = 1e9
"""Square root of how many times the images at hand are told to be needed; more is no forecast."""


def has_spread(worsening: float, standard_error: float) -> bool:
    """Whether the standard error tells how unsure a worsening is, or there is nothing to be unsure of."""
    return worsening == 0 or standard_error > ROUNDING * abs(worsening)


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """Evidence from an estimate and its standard error: normal, or Student's t where that rests on few values.

    estimate: the worsening as observed. standard_error: 0 = candidate and baseline do not differ in anything that the
    estimate is made of; then the worsening is known to be 0, and the chance of seeing another one is 1. A difference
    without spread is no evidence: has_spread.
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

    def power(self, effect: float, *, alpha: float, tolerance: float = 0.0) -> float:  # noqa: ARG002 (the same at any)
        """Chance that a test at alpha sees a true worsening `effect` > 0 beyond its bound (noncentral t)."""
        if self.standard_error == 0:
            return 1.0
        return self._power_at(effect / self.standard_error, alpha)

    def images_needed(
        self,
        effect: float,
        *,
        alpha: float,
        power: float,
        tolerance: float = 0.0,  # noqa: ARG002 (the same at any)
    ) -> int:
        """Images with which that chance is `power`."""
        from scipy.optimize import brentq

        if self._power_at(0.0, alpha) >= power or self.standard_error == 0:
            return 1
        largest = 1.0
        while self._power_at(largest, alpha) < power:
            largest *= 2
        in_errors = float(brentq(lambda at: self._power_at(at, alpha) - power, 0.0, largest))
        times = min(in_errors * self.standard_error / effect, MOST_TIMES)
        return max(1, math.ceil(self.n_images * times**2))

    def _power_at(self, effect_in_errors: float, alpha: float) -> float:
        """Chance of a t above the critical value: the mean over the draws of the error of what it is at each.

        scipy's noncentral t is NaN in bands from 36 standard errors on.
        """
        from scipy.special import ndtr

        critical = -self._quantile(alpha)
        if self.degrees_of_freedom is None:
            return float(ndtr(effect_in_errors - critical))
        errors, weights = _drawn_errors(self.degrees_of_freedom)
        return min(1.0, float(weights @ ndtr(effect_in_errors - critical * errors)))

    def _cdf(self, value: float) -> float:
        from scipy.special import ndtr, stdtr

        return float(ndtr(value) if self.degrees_of_freedom is None else stdtr(self.degrees_of_freedom, value))

    def _quantile(self, share: float) -> float:
        from scipy.special import ndtri, stdtrit

        return float(ndtri(share) if self.degrees_of_freedom is None else stdtrit(self.degrees_of_freedom, share))


@cache
def _drawn_errors(degrees_of_freedom: int) -> tuple[Floats, Floats]:
    """Estimated standard errors as shares of the true one, and how likely each is, (N_NODES,) (Gauss-Laguerre)."""
    import numpy as np
    from scipy.special import roots_genlaguerre

    halves, weights = roots_genlaguerre(N_NODES, degrees_of_freedom / 2 - 1)  # of chi-squared
    return np.sqrt(2 * halves / degrees_of_freedom), weights / weights.sum()
