"""Tango's test and interval against a numerical maximum likelihood, published figures, and enumeration."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest, multinomial, norm

from clipkstar.regression.paired_proportions import PairedProportions

COUNTS = [(161, 16, 6), (50, 3, 0), (50, 0, 3), (400, 60, 60), (1000, 1, 12), (30, 30, 0), (30, 0, 30), (20, 12, 8)]


def paired(n, n_worse, n_better):
    return PairedProportions(n=n, n_worse=n_worse, n_better=n_better)


def numerical_score(n, n_worse, n_better, worsening):
    """The same statistic with the shares found by maximising the likelihood of the three kinds of images."""

    def minus_log_likelihood(better):
        shares = [better + worsening, better, 1 - 2 * better - worsening]
        counts = [n_worse, n_better, n - n_worse - n_better]
        return -sum(count * np.log(np.maximum(share, 1e-300)) for count, share in zip(counts, shares, strict=True))

    least, most = max(0.0, -worsening), (1 - worsening) / 2
    grid = np.linspace(least, most, 2001)
    start = int(np.argmin(minus_log_likelihood(grid)))
    bounds = grid[max(start - 1, 0)], grid[min(start + 1, 2000)]
    better = minimize_scalar(minus_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-13}).x
    ends = [end for end in (least, most) if minus_log_likelihood(end) <= minus_log_likelihood(better)]
    better = ends[0] if ends else better
    variance = n * (2 * better + worsening - worsening**2)
    return (n_worse - n_better - n * worsening) / np.sqrt(variance)


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("tolerance", [0.0, 0.001, 0.01, 0.1, 0.6])
def test_p_values_are_those_of_the_score_at_the_numerical_maximum_of_the_likelihood(counts, tolerance):
    score = numerical_score(*counts, tolerance)
    assert paired(*counts).p_exceeds(tolerance) == pytest.approx(norm.sf(score), rel=1e-4, abs=1e-12)
    assert paired(*counts).p_within(tolerance) == pytest.approx(norm.cdf(score), rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("counts", COUNTS)
def test_the_interval_holds_what_a_grid_of_score_tests_does_not_reject(counts):
    grid = np.linspace(-0.998, 0.998, 499)
    kept = grid[[abs(numerical_score(*counts, worsening)) <= norm.ppf(0.975) for worsening in grid]]
    low, high = paired(*counts).interval()
    step = grid[1] - grid[0]
    assert low <= kept[0] <= low + step
    assert high - step <= kept[-1] <= high


def test_published_figures_of_complete_response_before_and_after_consolidation_therapy():
    # Cavo et al. 2012 as in Fagerland, Lydersen, Laake, Statistical Analysis of Contingency Tables (2017), chapter 8,
    # by their software: 161 patients, 6 and 16 discordant; Tango's interval of the difference -0.1240 to -0.0054,
    # asymptotic McNemar p 0.033006, exact conditional McNemar p 0.052479.
    found = paired(161, 16, 6)
    assert found.interval() == pytest.approx((0.0054, 0.1240), abs=5e-5)
    assert 2 * found.p_exceeds(0.0) == pytest.approx(0.033006, abs=5e-7)
    assert found.p_mcnemar == pytest.approx(0.052479, abs=5e-7)


def test_mcnemar_by_hand():
    # 5 of 6 discordant images are worse: 2 (C(6, 5) + C(6, 6)) / 2^6 = 2 · 7 / 64.
    assert paired(100, 5, 1).p_mcnemar == pytest.approx(14 / 64)
    assert paired(100, 1, 5).p_mcnemar == pytest.approx(14 / 64)
    assert paired(100, 0, 0).p_mcnemar == 1.0


@pytest.mark.parametrize("tolerance", [0.0, 0.003, 0.2])
def test_exchanging_the_sides_turns_the_worsening_round(tolerance):
    found, mirrored = paired(300, 20, 7), paired(300, 7, 20)
    low, high = found.interval()
    assert mirrored.interval() == pytest.approx((-high, -low), abs=1e-10)
    assert mirrored.estimate == -found.estimate
    assert mirrored.p_within(-tolerance) == pytest.approx(found.p_exceeds(tolerance), abs=1e-12)


def test_without_discordant_images_nothing_is_worse_and_a_large_worsening_is_excluded():
    found = paired(500, 0, 0)
    assert (found.estimate, found.discordant) == (0.0, 0.0)
    assert (found.p_exceeds(0.0), found.p_within(0.0)) == (1.0, 1.0)
    # Without any discordant image Tango's statistic is -sqrt(n t / (1 - t)).
    assert found.p_within(0.01) == pytest.approx(norm.cdf(-np.sqrt(500 * 0.01 / 0.99)))
    low, high = found.interval()
    assert low == pytest.approx(-high)
    # z² = n t / (1 - t) at the end: t = z² / (n + z²).
    assert high == pytest.approx(norm.ppf(0.975) ** 2 / (500 + norm.ppf(0.975) ** 2))


def test_nothing_is_more_than_one_worse():
    every, some = paired(10, 10, 0), paired(10, 3, 0)
    assert (every.p_exceeds(1.0), every.p_within(1.0)) == (1.0, 1.0)
    assert (some.p_exceeds(1.0), some.p_within(1.0)) == (1.0, 0.0)
    assert (every.p_exceeds(1.5), every.p_within(1.5)) == (1.0, 0.0)
    assert every.interval()[1] == 1.0
    assert paired(10, 0, 10).interval()[0] == -1.0


def rejections(n, worse, better, rejects):
    """Exact chance of a rejection where the true shares are these, over all outcomes that matter."""
    counts = np.arange(int(n * (worse + better) + 12 * np.sqrt(n * (worse + better)) + 15))
    n_worse, n_better = (axis.ravel() for axis in np.meshgrid(counts, counts))
    possible = n_worse + n_better <= n
    n_worse, n_better = n_worse[possible], n_better[possible]
    outcomes = np.stack([n_worse, n_better, n - n_worse - n_better], axis=1)
    chance = multinomial.pmf(outcomes, n, [worse, better, 1 - worse - better])
    likely = chance > 1e-9
    return sum(
        share
        for share, *pair in zip(chance[likely], n_worse[likely], n_better[likely], strict=True)
        if rejects(paired(n, int(pair[0]), int(pair[1])))
    )


@pytest.mark.parametrize(("n", "discordant"), [(60, 0.05), (60, 0.3), (500, 0.004), (500, 0.01), (500, 0.03)])
def test_equal_shares_are_rejected_as_rarely_as_stated(n, discordant):
    half = discordant / 2
    assert rejections(n, half, half, lambda found: found.p_exceeds(0.0) <= 0.05) <= 0.053


@pytest.mark.parametrize(("n", "worse", "better"), [(500, 0.03, 0.01), (500, 0.02, 0.0), (200, 0.1, 0.08)])
def test_a_worsening_of_just_the_tolerance_is_as_rarely_excluded_or_established_as_stated(n, worse, better):
    tolerance = worse - better
    assert rejections(n, worse, better, lambda found: found.p_within(tolerance) <= 0.05) <= 0.053
    assert rejections(n, worse, better, lambda found: found.p_exceeds(tolerance) <= 0.05) <= 0.056


def test_with_a_tolerance_of_a_handful_of_images_the_stated_seven_per_cent_are_the_worst():
    sizes = [
        rejections(2000, better + 0.001, better, lambda found: found.p_exceeds(0.001) <= 0.05)
        for better in (0.0, 0.0003, 0.0005, 0.001, 0.003)
    ]
    assert 0.06 < max(sizes) <= 0.075


def exact_power(n, discordant, effect, alpha):
    """Chance of p <= alpha at tolerance 0: the number of discordant images, and of these the worse ones, binomial."""
    of_discordant = np.arange(n + 1)
    z = norm.ppf(1 - alpha)
    # (2 w - m) / sqrt(m) >= z for w worse ones of m.
    least = np.ceil((of_discordant + z * np.sqrt(of_discordant)) / 2 - 1e-9)
    share = (discordant + effect) / (2 * discordant)
    return np.sum(binom.pmf(of_discordant, n, discordant) * binom.sf(least - 1, of_discordant, share) * (least > 0))


@pytest.mark.parametrize(
    ("n", "n_discordant", "effect", "alpha"),
    [(10_000, 800, 0.01, 0.025), (2000, 200, 0.02, 0.05), (1000, 80, 0.02, 0.005), (500, 100, 0.03, 0.05)],
)
def test_power_is_that_of_an_exact_sum_over_all_outcomes(n, n_discordant, effect, alpha):
    found = paired(n, n_discordant // 2, n_discordant - n_discordant // 2)
    expected = exact_power(n, n_discordant / n, effect, alpha)
    assert found.power(effect, alpha=alpha) == pytest.approx(expected, abs=0.02)


def test_at_the_images_needed_the_power_is_the_one_asked_for():
    found = paired(1000, 45, 35)
    n = found.images_needed(0.01, alpha=0.025, power=0.8)
    many = paired(n, round(0.04 * n), round(0.04 * n))
    assert many.power(0.01, alpha=0.025) == pytest.approx(0.8, abs=0.001)
    assert exact_power(n, 0.08, 0.01, 0.025) == pytest.approx(0.8, abs=0.02)


def test_fewer_images_than_at_hand_are_needed_where_the_power_is_there():
    found = paired(50_000, 2000, 2000)
    assert found.power(0.01, alpha=0.05) > 0.999
    assert found.images_needed(0.01, alpha=0.05, power=0.8) < 50_000


def test_an_effect_needs_as_many_discordant_images_as_it_is_large():
    # Of 100 images none is discordant; a fall by 0.01 would make one so.
    found = paired(100, 0, 0)
    assert found.power(0.01, alpha=0.05) < 0.5
    assert found.images_needed(0.01, alpha=0.05, power=0.8) > 100
    assert found.power(1.0, alpha=0.05) == 1.0


@pytest.mark.parametrize(
    ("tolerance", "effect", "discordant"),
    [(0.05, 0.01, 0.02), (0.05, 0.01, 0.06), (0.02, 0.01, 0.08), (0.01, 0.01, 0.03), (0.05, 0.02, 0.2)],
)
def test_power_beyond_a_tolerance_is_how_often_such_a_worsening_is_established(tolerance, effect, discordant):
    random, n, number = np.random.default_rng(0), 1500, 4000
    equal = random.multinomial(n, [discordant / 2, discordant / 2, 1 - discordant], size=200)
    stated = [paired(n, int(a), int(b)).power(effect, alpha=0.05, tolerance=tolerance) for a, b, _ in equal]
    # What is so much worse has at least so many discordant images.
    fall = tolerance + effect
    worse = (max(discordant, fall) + fall) / 2
    fallen = random.multinomial(n, [worse, worse - fall, 1 - 2 * worse + fall], size=number)
    seen = np.mean([paired(n, int(a), int(b)).p_exceeds(tolerance) <= 0.05 for a, b, _ in fallen])
    assert np.mean(stated) == pytest.approx(seen, abs=0.04)


def test_at_the_images_needed_the_power_beyond_a_tolerance_is_the_one_asked_for():
    n = paired(1500, 15, 15).images_needed(0.01, alpha=0.05, power=0.8, tolerance=0.05)
    many = paired(n, round(0.01 * n), round(0.01 * n))
    assert n > 1500
    assert many.power(0.01, alpha=0.05, tolerance=0.05) == pytest.approx(0.8, abs=0.001)


def test_images_needed_are_a_number_however_small_an_effect():
    numbers = [paired(1000, 45, 35).images_needed(effect, alpha=1e-6, power=0.999) for effect in (1e-6, 1e-200, 5e-324)]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 10**18


def test_the_exact_test_is_scipys():
    assert paired(80, 9, 2).p_mcnemar == binomtest(9, 11).pvalue
