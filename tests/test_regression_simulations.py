"""What a check promises, simulated: two encoders see the same new images, drawn again for each pair.

Encoders of equal quality see the images with the same noise, each with its own draw of it. Where k* is concerned it is
searched in the embeddings of each, with all images and without each group.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from regression_pairs import World, predicted
from scipy.stats import binom

from clipkstar.regression.checking import checked
from clipkstar.regression.comparing import SCORES, compare
from clipkstar.regression.estimated import Estimated
from clipkstar.regression.image_bootstrap import recall_standard_error
from clipkstar.regression.paired_proportions import PairedProportions
from clipkstar.regression.pairing import Paired
from clipkstar.regression.policy import DEFAULT
from clipkstar.regression.record import Pair
from clipkstar.regression.weighted_holm import weighted_holm

ALPHA = DEFAULT.alpha
N_EQUAL = 500
N_RARE = 300
WORLD = World(n_classes=8, per_class=30)
WITH_RARE_CLASSES = World(n_classes=5, sizes=(40, 30, 20, 2, 2))
WEIGHTS = [rule.weight for rule in DEFAULT.rules]
TOP1_LEVEL = ALPHA * WEIGHTS[0] / sum(WEIGHTS)
"""Level of top1 at the first and strictest step of Holm's method: 0.025."""


def at_most(count, number, share):
    """Whether so many of the number are likely enough where each happens with that chance, at most."""
    return binom.sf(count - 1, number, share) > 0.001


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """These searches are too small for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class Simulated:
    """Of each pair: whether the check failed, p of each score (n_pairs, 6), and what fixed k* would say (n_pairs,)."""

    fails: np.ndarray
    p_worse: np.ndarray
    fixed_kstar: np.ndarray


def fixed_kstar_ratio(pair):
    """Fall of kstar_mean in standard errors of a bootstrap over images that keeps each k* as it is."""
    labels = pair.candidate.images["label"].to_numpy()
    sides = [side.images["kstar"].to_numpy() for side in (pair.baseline, pair.candidate)]
    falls = (sides[0] - sides[1]) / np.bincount(labels)[labels]
    of_classes = [falls[labels == label].mean() for label in np.unique(labels)]
    return np.mean(of_classes) / recall_standard_error(labels, falls)


@pytest.fixture(scope="module")
def equal():
    """Check N_EQUAL pairs of encoders of equal quality by the default policy."""
    found = []
    for seed in range(N_EQUAL):
        pair = WORLD.pair(seed)
        check = checked(Paired(pairs=(pair,), notices=()), DEFAULT)
        found.append((check.verdict, [one.p_worse for one in check.comparisons], fixed_kstar_ratio(pair)))
    verdicts, p_worse, ratios = zip(*found, strict=True)
    fails = np.array([verdict == "fail" for verdict in verdicts])
    return Simulated(fails=fails, p_worse=np.array(p_worse), fixed_kstar=np.array(ratios))


@dataclass(frozen=True)
class Rare:
    """Of each pair with rare classes: whether it failed, alone and beside an identical one, and p (n_pairs, 6)."""

    fails: np.ndarray
    fails_beside_identical: np.ndarray
    p_worse: np.ndarray


@pytest.fixture(scope="module")
def rare():
    """Check N_RARE pairs of equal quality on data sets that have classes of two images."""
    alone, beside, p_worse = [], [], []
    for seed in range(20_000, 20_000 + N_RARE):
        pair = WITH_RARE_CLASSES.pair(seed)
        same = Pair(label="same", candidate=pair.baseline, baseline=pair.baseline)
        check = checked(Paired(pairs=(pair,), notices=()), DEFAULT)
        alone.append(check.verdict == "fail")
        p_worse.append([one.p_worse for one in check.comparisons])
        beside.append(checked(Paired(pairs=(same, pair), notices=()), DEFAULT).verdict == "fail")
    return Rare(
        fails=np.array(alone), fails_beside_identical=np.array(beside), p_worse=np.array(p_worse, dtype=np.float64)
    )


def test_encoders_of_equal_quality_fail_at_most_at_alpha(equal):
    assert equal.fails.mean() <= ALPHA


def test_equal_encoders_fail_at_most_at_alpha_where_classes_are_rare(rare):
    assert rare.fails.mean() <= ALPHA


@pytest.mark.parametrize("score", SCORES)
def test_where_classes_are_rare_a_score_of_equal_encoders_is_called_worse_at_most_at_alpha(rare, score):
    p_values = rare.p_worse[:, list(SCORES).index(score)]
    assert not np.isnan(p_values).any()
    for level in (ALPHA, ALPHA / 10):
        assert at_most((p_values <= level).sum(), N_RARE, level)
        assert at_most((p_values >= 1 - level).sum(), N_RARE, level)


def test_equal_encoders_fail_at_most_at_alpha_beside_a_data_set_on_which_they_are_identical(rare):
    assert rare.fails_beside_identical.mean() <= ALPHA
    assert not (rare.fails_beside_identical & ~rare.fails).any()


@pytest.mark.parametrize("score", SCORES)
def test_a_single_score_of_equal_encoders_is_called_worse_at_most_at_alpha(equal, score):
    p_values = equal.p_worse[:, list(SCORES).index(score)]
    assert at_most((p_values <= ALPHA).sum(), N_EQUAL, ALPHA)
    # The other way round the same pairs are as equal.
    assert at_most((p_values >= 1 - ALPHA).sum(), N_EQUAL, ALPHA)
    assert 0.4 < np.mean(p_values) < 0.6


def test_resampling_fixed_kstar_calls_the_same_equal_pairs_worse_far_too_often(equal):
    worse = (equal.fixed_kstar > 1.645).sum()
    assert not at_most(worse, N_EQUAL, ALPHA)
    assert not at_most((np.abs(equal.fixed_kstar) > 1.96).sum(), N_EQUAL, 0.05)
    assert worse > 3 * (equal.p_worse[:, list(SCORES).index("kstar_mean")] <= ALPHA).sum()


def top1_of(random, n, worse, better):
    """Compare top1 of n images, each worse or better with these chances."""
    kinds = random.choice(3, size=n, p=[worse, better, 1 - worse - better])
    both = random.random(n) < 0.7
    candidate, baseline = (kinds == 1) | ((kinds == 2) & both), (kinds == 0) | ((kinds == 2) & both)
    return compare(predicted(np.arange(n) % 10, candidate, baseline), "top1")


@pytest.mark.parametrize("discordant", [0.03, 0.05, 0.08])
def test_a_fall_of_top1_by_one_point_is_caught_at_ten_thousand_images_and_the_power_says_so(discordant):
    random, number = np.random.default_rng(round(1000 * discordant)), 500
    found = [top1_of(random, 10_000, discordant / 2 + 0.005, discordant / 2 - 0.005).evidence for _ in range(number)]
    p_values = [evidence.p_exceeds(0.0) for evidence in found]
    # All other scores as good as ever.
    weighted = np.mean([weighted_holm([p_value, 1, 1, 1, 1, 1], WEIGHTS)[0] <= ALPHA for p_value in p_values])
    alone = np.mean([p_value <= ALPHA for p_value in p_values])
    assert 0.9 <= weighted <= alone
    for level, caught in ((TOP1_LEVEL, weighted), (ALPHA, alone)):
        stated = np.mean([evidence.power(0.01, alpha=level) for evidence in found])
        assert abs(caught - stated) <= 0.01 + 3 * np.sqrt(stated * (1 - stated) / number)


@pytest.mark.parametrize(("fall", "tolerance"), [(0.01, 0.01), (0.005, 0.01), (0.002, 0.002), (-0.01, 0.0)])
def test_a_fall_of_top1_inside_the_tolerance_is_called_worse_at_most_at_alpha(fall, tolerance):
    random, number = np.random.default_rng(round(1e4 * abs(fall + tolerance))), 2000
    worse, better = 0.04 + fall / 2, 0.04 - fall / 2
    outcomes = random.multinomial(3000, [worse, better, 1 - worse - better], size=number)
    found = [PairedProportions(n=3000, n_worse=int(one[0]), n_better=int(one[1])) for one in outcomes]
    assert at_most(sum(evidence.p_exceeds(tolerance) <= ALPHA for evidence in found), number, ALPHA)


def pairs_with(more_noise):
    """Pairs where the candidate sees the images with more noise."""
    return [WORLD.pair(seed, more_noise=more_noise) for seed in range(10_000, 10_120)]


def evidence_of(pairs):
    """Evidence of every score: score → one of each pair."""
    return {score: [compare(pair, score).evidence for pair in pairs] for score in SCORES}


@pytest.fixture(scope="module")
def worse_pairs():
    return pairs_with(0.2)


@pytest.fixture(scope="module")
def worse(worse_pairs):
    return evidence_of(worse_pairs)


@pytest.fixture(scope="module")
def much_worse():
    return evidence_of(pairs_with(0.4))


def test_a_check_of_encoders_that_are_worse_by_just_the_tolerances_fails_at_most_at_alpha(worse_pairs, worse):
    rules = [
        replace(rule, tolerance=max(0.0, float(np.mean([one.estimate for one in worse[rule.score]]))))
        for rule in DEFAULT.rules
    ]
    inside = replace(DEFAULT, rules=tuple(rules))
    verdicts = [
        [checked(Paired(pairs=(pair,), notices=()), policy).verdict for pair in worse_pairs]
        for policy in (inside, DEFAULT)
    ]
    fails, fails_without = (np.mean([one == "fail" for one in found]) for found in verdicts)
    assert fails <= ALPHA
    assert fails_without > 0.5


@pytest.mark.parametrize("score", SCORES)
def test_a_worsening_of_just_the_tolerance_is_established_at_most_at_alpha(worse, score):
    # The tolerance is the true worsening: the mean over the pairs.
    tolerance = np.mean([evidence.estimate for evidence in worse[score]])
    established = sum(evidence.p_exceeds(tolerance) <= ALPHA for evidence in worse[score])
    assert at_most(established, len(worse[score]), ALPHA)


@pytest.mark.parametrize("score", ["top1", "mean_class_recall", "kstar_mean", "nn1_accuracy"])
def test_a_large_worsening_is_seen_as_often_as_the_power_says_or_more(much_worse, score):
    true = np.mean([evidence.estimate for evidence in much_worse[score]])
    stated = np.mean([evidence.power(true, alpha=ALPHA) for evidence in much_worse[score]])
    seen = np.mean([evidence.p_exceeds(0.0) <= ALPHA for evidence in much_worse[score]])
    assert stated > 0.6
    assert seen >= stated - 0.02 - 3 * np.sqrt(stated * (1 - stated) / len(much_worse[score]))


def test_too_few_images_are_undecided_and_with_the_images_needed_a_fall_is_seen_as_often_as_asked_for():
    random, number = np.random.default_rng(0), 500
    few = top1_of(random, 400, 0.04, 0.04).evidence
    assert few.power(0.01, alpha=TOP1_LEVEL) < DEFAULT.power
    # The share of discordant images that was observed is taken for the true one.
    share = few.discordant
    n = few.images_needed(0.01, alpha=TOP1_LEVEL, power=DEFAULT.power)
    assert n > 400
    falls = [top1_of(random, n, share / 2 + 0.005, share / 2 - 0.005).evidence for _ in range(number)]
    seen = np.mean([evidence.p_exceeds(0.0) <= TOP1_LEVEL for evidence in falls])
    assert abs(seen - DEFAULT.power) <= 0.01 + 3 * np.sqrt(0.16 / number)


def test_equal_encoders_on_few_images_are_undecided_with_a_number_that_would_decide():
    check = checked(Paired(pairs=(World(per_class=10).pair(1),), notices=()), DEFAULT)
    assert check.verdict == "undecided"
    for one in check.comparisons:
        assert (one.verdict, one.power < DEFAULT.power, one.n_needed > 100) == ("undecided", True, True)


def test_with_the_images_needed_a_fall_of_recall_is_seen_as_often_as_asked_for():
    random, number = np.random.default_rng(1), 300
    sizes = np.array([10, 20, 40, 130])

    def evidence(times, fall):
        labels = np.repeat(np.arange(4), sizes * times)
        worse, better = (random.random((2, len(labels))) < [[0.1 + fall / 2], [0.1 - fall / 2]]).astype(bool)
        kept = random.random(len(labels)) < 0.6
        pair = predicted(labels, np.where(worse ^ better, better, kept), np.where(worse ^ better, worse, kept))
        return compare(pair, "mean_class_recall").evidence

    few = evidence(1, 0.0)
    assert isinstance(few, Estimated)
    assert few.power(0.03, alpha=ALPHA) < DEFAULT.power
    times = few.images_needed(0.03, alpha=ALPHA, power=DEFAULT.power) / 200
    assert times > 2
    true_error = np.mean([evidence(1, 0.0).standard_error for _ in range(50)])
    expected = Estimated(
        estimate=0.0, standard_error=true_error / round(times) ** 0.5, n_images=1, degrees_of_freedom=None
    ).power(0.03, alpha=ALPHA)
    seen = np.mean([evidence(round(times), 0.03).p_exceeds(0.0) <= ALPHA for _ in range(number)])
    assert abs(seen - expected) <= 0.03 + 3 * np.sqrt(0.25 / number)
