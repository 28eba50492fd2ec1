"""Evidence from an estimate and its standard error."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2, nct, norm, t

from clipkstar.regression.estimated import Estimated, has_spread


def estimated(estimate=0.02, standard_error=0.01, n_images=1000, degrees_of_freedom=None):
    return Estimated(
        estimate=estimate, standard_error=standard_error, n_images=n_images, degrees_of_freedom=degrees_of_freedom
    )


def test_p_values_and_interval_by_hand_under_the_normal_distribution():
    # 0.02 is two standard errors above 0 and one above 0.01; Φ(-2) = 0.02275, Φ(-1) = 0.15866, z of 0.975 = 1.95996.
    found = estimated()
    assert found.p_exceeds(0.0) == pytest.approx(0.02275, abs=1e-5)
    assert found.p_exceeds(0.01) == pytest.approx(0.15866, abs=1e-5)
    assert found.p_within(0.01) == pytest.approx(1 - 0.15866, abs=1e-5)
    assert found.p_within(0.04) == pytest.approx(0.02275, abs=1e-5)
    assert found.interval() == pytest.approx((0.02 - 0.0195996, 0.02 + 0.0195996), abs=1e-6)


def test_p_values_and_interval_by_hand_under_students_t():
    # t of 0.975 with 19 degrees of freedom is 2.093; that many standard errors leave 2.5 % above.
    found = estimated(estimate=0.02093, degrees_of_freedom=19)
    assert found.p_exceeds(0.0) == pytest.approx(0.025, abs=1e-5)
    assert found.p_within(0.0) == pytest.approx(0.975, abs=1e-5)
    assert found.interval() == pytest.approx((0.0, 0.04186), abs=1e-5)


@pytest.mark.parametrize("degrees_of_freedom", [None, 19])
def test_interval_and_p_value_reject_the_same(degrees_of_freedom):
    found = estimated(degrees_of_freedom=degrees_of_freedom)
    low, high = found.interval(0.9)
    assert found.p_exceeds(low) == pytest.approx(0.05)
    assert found.p_within(high) == pytest.approx(0.05)


@pytest.mark.parametrize("degrees_of_freedom", [None, 19])
@pytest.mark.parametrize("effect", [0.005, 0.02, 0.04])
def test_power_is_how_often_simulated_estimates_are_significant(degrees_of_freedom, effect):
    random = np.random.default_rng(0)
    estimates = effect + 0.01 * random.normal(size=200_000)
    errors, critical = 0.01, norm.ppf(0.95)
    if degrees_of_freedom:
        errors = 0.01 * np.sqrt(random.chisquare(degrees_of_freedom, size=200_000) / degrees_of_freedom)
        critical = t.ppf(0.95, degrees_of_freedom)
    expected = np.mean(estimates / errors > critical)
    found = estimated(degrees_of_freedom=degrees_of_freedom)
    assert found.power(effect, alpha=0.05) == pytest.approx(expected, abs=0.004)


@pytest.mark.parametrize("degrees_of_freedom", [None, 19])
@pytest.mark.parametrize("effect", [0.001, 0.02, 0.5])
def test_with_the_images_needed_the_power_is_the_one_asked_for(degrees_of_freedom, effect):
    found = estimated(degrees_of_freedom=degrees_of_freedom)
    n = found.images_needed(effect, alpha=0.01, power=0.8)
    smaller = estimated(standard_error=0.01 * (1000 / n) ** 0.5, degrees_of_freedom=degrees_of_freedom)
    assert smaller.power(effect, alpha=0.01) >= 0.8 - 1e-9
    if n > 1:
        larger = estimated(standard_error=0.01 * (1000 / (n - 1)) ** 0.5, degrees_of_freedom=degrees_of_freedom)
        assert larger.power(effect, alpha=0.01) < 0.8


def test_images_needed_by_hand():
    # z of 0.95 + z of 0.8 = 1.64485 + 0.84162 = 2.48647 standard errors are needed and 1 is there.
    assert estimated().images_needed(0.01, alpha=0.05, power=0.8) == 6183  # 1000 · 2.48647² = 6182.6


def test_without_any_difference_nothing_is_worse_and_everything_would_have_been_seen():
    found = estimated(estimate=0.0, standard_error=0.0)
    assert (found.p_exceeds(0.0), found.p_exceeds(0.01)) == (1.0, 1.0)
    assert (found.p_within(0.0), found.p_within(0.01)) == (1.0, 0.0)
    assert found.interval() == (0.0, 0.0)
    assert found.power(0.01, alpha=0.001) == 1.0
    assert found.images_needed(0.01, alpha=0.001, power=0.99) == 1


@pytest.mark.parametrize(
    ("worsening", "standard_error", "expected"),
    [(0.5, 0.0, False), (-0.5, 1e-8, False), (0.5, 0.001, True), (0.0, 0.0, True)],
)
def test_a_difference_without_spread_is_no_evidence_but_no_difference_is(worsening, standard_error, expected):
    assert has_spread(worsening, standard_error) is expected


def test_a_power_below_the_level_needs_no_images():
    assert estimated().images_needed(0.01, alpha=0.5, power=0.4) == 1


EFFECTS = [0.01, 0.5, *np.linspace(1, 60, 60), 100, 1e4, 1e6]
"""In standard errors; scipy's noncentral t is NaN in bands of them from 36 on."""


@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.005, 0.00167, 0.0005, 1e-4, 1e-6, 1e-9])
def test_power_under_students_t_is_an_integral_over_the_error_at_every_level_and_effect(alpha):
    powers = [estimated(standard_error=1.0, degrees_of_freedom=19).power(effect, alpha=alpha) for effect in EFFECTS]
    critical = t.isf(alpha, 19)

    def density(error, effect):
        return norm.cdf(effect - critical * error) * chi2.pdf(19 * error**2, 19) * 38 * error

    for effect, power in zip(EFFECTS, powers, strict=True):
        expected = sum(quad(density, *ends, args=(effect,), epsabs=1e-9)[0] for ends in ((0, 1), (1, 4)))
        assert power == pytest.approx(expected, abs=1e-6)
    assert (np.diff(powers) >= -1e-12).all()
    assert powers[-1] == pytest.approx(1.0)


def test_power_under_students_t_is_scipys_where_that_is_known():
    for effect in (0.5, 2.0, 5.0, 12.0):
        power = estimated(standard_error=1.0, degrees_of_freedom=19).power(effect, alpha=0.005)
        assert power == pytest.approx(nct.sf(t.isf(0.005, 19), 19, effect), abs=1e-6)


@pytest.mark.parametrize("degrees_of_freedom", [None, 19])
@pytest.mark.parametrize("alpha", [0.05, 1e-6, 1e-14])
def test_images_needed_are_a_number_for_any_level_and_however_small_an_effect(degrees_of_freedom, alpha):
    found = estimated(degrees_of_freedom=degrees_of_freedom)
    numbers = [found.images_needed(effect, alpha=alpha, power=0.999) for effect in (0.01, 1e-6, 1e-200, 5e-324)]
    assert numbers == sorted(numbers)
    assert numbers[0] > 1000
    assert numbers[-1] == 1000 * 10**18
