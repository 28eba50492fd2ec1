import math

import numpy as np
import pytest
from scipy.stats import skew

import clipkstar
from clipkstar.jackknife import N_GROUPS, class_groups, interval, standard_error
from clipkstar.neighbors import search_impostors
from clipkstar.stratified_sample import stratified_sample


def _clouds(n_images, n_classes, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_images) % n_classes
    return (rng.normal(size=(n_images, 6)) + 1.5 * np.eye(6)[labels % 6]).astype(np.float32), labels


def test_groups_have_equal_sizes_and_take_equal_shares_of_every_class():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(5), [200, 100, 60, 41, 2]))
    groups = class_groups(labels)
    sizes = np.bincount(groups, minlength=N_GROUPS)
    assert sizes.max() - sizes.min() <= 1
    for label in range(5):
        of_class = np.bincount(groups[labels == label], minlength=N_GROUPS)
        assert of_class.max() - of_class.min() <= 1


def test_fewer_images_than_groups_have_no_groups():
    assert class_groups(np.arange(N_GROUPS - 1) % 2) is None


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize(("n_images", "n_classes"), [(203, 4), (60, 17), (25, 2)])
def test_kstar_without_a_group_is_kstar_of_the_images_that_remain(n_images, n_classes, distance):
    points, labels = _clouds(n_images, n_classes)
    groups = class_groups(labels)
    found = search_impostors(points, labels, (distance,), groups=groups)[distance]
    assert (found.kstar == search_impostors(points, labels, (distance,))[distance].kstar).all()
    for group in range(N_GROUPS):
        kept = groups != group
        again = search_impostors(points[kept], labels[kept], (distance,))[distance]
        assert found.kstar_without[group][kept].tolist() == again.kstar.tolist()


def test_the_interval_is_the_t_interval_of_the_delete_group_jackknife():
    # Replicates 1, 2, 3, 4: mean 2.5, squared deviations 2.25 + 0.25 + 0.25 + 2.25 = 5; times 3/4 = 3.75 is the
    # variance. t of 0.975 with 3 degrees of freedom is 3.18245: half width 3.18245 · sqrt(3.75) = 6.16277.
    low, high = interval(10.0, [1.0, 2.0, 3.0, 4.0])
    assert (low, high) == pytest.approx((10 - 6.16277, 10 + 6.16277), abs=1e-4)
    assert standard_error(np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(3.75**0.5)
    assert interval(10.0, [1.0, 2.0, 3.0, 4.0], low=5.0, high=12.0) == (5.0, 12.0)


def test_an_undefined_estimate_or_replicate_has_no_interval():
    assert interval(None, [1.0, 2.0]) is None
    assert interval(1.0, [1.0, None]) is None
    assert interval(1.0, []) is None


def test_intervals_of_scores_and_classes_are_those_of_brute_force_replicates():
    points, labels = _clouds(240, 4)
    result = clipkstar.kstar(points, labels)
    groups = class_groups(labels)
    replicates = [clipkstar.kstar(points[groups != g], labels[groups != g], intervals=False) for g in range(N_GROUPS)]
    for prefix in ("", "cosine_"):
        for score in ("kstar_mean", "nn1_accuracy", "gamma_approx", "gamma_true"):
            name = prefix + score
            expected = interval(result.scores[name], [replicate.scores[name] for replicate in replicates])
            assert result.intervals[name] == pytest.approx(expected, abs=1e-12)
        for row in range(4):
            gammas = [replicate.classes[f"{prefix}gamma"][row] for replicate in replicates]
            expected = interval(result.classes[f"{prefix}gamma"][row], gammas)
            ends = result.classes[f"{prefix}gamma_low"][row], result.classes[f"{prefix}gamma_high"][row]
            assert ends == pytest.approx(expected, abs=1e-12)
            assert all(math.isfinite(end) for end in ends)


def test_a_sample_and_its_pool_are_both_dealt_evenly_to_the_groups():
    labels = np.repeat(np.arange(10), 200)
    sample = stratified_sample(labels, 100)
    groups = class_groups(labels, sample)
    assert np.bincount(groups[sample]).tolist() == [5] * N_GROUPS
    assert np.bincount(groups).tolist() == [100] * N_GROUPS
    assert class_groups(labels, sample[:19]) is None


def test_intervals_of_a_sample_are_those_of_brute_force_replicates():
    # Without a group, the sampled images that stay are compared with all images that stay.
    points, labels = _clouds(240, 4)
    found = clipkstar.kstar(points, labels, distances="euclidean", queries=100)
    queries = found.images["row"].to_numpy()
    groups = class_groups(labels, queries)
    replicates = []
    for group in range(N_GROUPS):
        kept = groups != group
        asked = np.flatnonzero(np.isin(np.flatnonzero(kept), queries))
        kstar = search_impostors(points[kept], labels[kept], queries=asked)["euclidean"].kstar
        sizes = np.bincount(labels[kept])
        replicates.append((kstar / sizes[labels[kept][asked]], kstar > 1, labels[kept][asked]))
    means = [np.mean([fractions[of == label].mean() for label in range(4)]) for fractions, _, of in replicates]
    gammas = [[float(skew(fractions[of == label])) for label in range(4)] for fractions, _, of in replicates]
    expected = {
        "kstar_mean": interval(found.scores["kstar_mean"], means, low=0, high=1),
        "nn1_accuracy": interval(found.scores["nn1_accuracy"], [right.mean() for _, right, _ in replicates], high=1),
        "gamma_approx": interval(found.scores["gamma_approx"], [np.mean(values) for values in gammas]),
        "gamma_true": interval(found.scores["gamma_true"], [float(skew(fractions)) for fractions, _, _ in replicates]),
    }
    assert found.intervals.keys() == expected.keys()
    for name, limits in expected.items():
        assert found.intervals[name] == pytest.approx(limits, abs=1e-9), name
    for label in range(4):
        limits = interval(found.classes["gamma"][label], [values[label] for values in gammas])
        assert found.classes.select("gamma_low", "gamma_high").row(label) == pytest.approx(limits, abs=1e-9)


def test_without_intervals_the_scores_are_the_same_but_for_null_and_n50_and_the_columns_null():
    points, labels = _clouds(120, 3)
    with_them, without = clipkstar.kstar(points, labels), clipkstar.kstar(points, labels, intervals=False)
    assert without.scores == {name: with_them.scores[name] for name in without.scores}
    names = ("kstar_mean_null", "gamma_approx_null", "gamma_approx_null_sd", "gamma_approx_z", "gamma_approx_n50")
    left_out = {prefix + name for prefix in ("", "cosine_") for name in names}
    assert with_them.scores.keys() - without.scores.keys() == left_out
    assert not without.intervals
    assert without.classes["gamma_low"].null_count() == 3
