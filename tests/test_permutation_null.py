"""The permutation null against the definition in a loop over all distances, and against what theory says of it."""

import math

import numpy as np
import pytest
from scipy.stats import skew

import clipkstar
from clipkstar.neighbors.nearest import LIST_LENGTH, Nearest, search_nearest
from clipkstar.permutation_null import PERMUTATION_SEED, permutation_null

FEW = 50
"""Permutations where a loop over images has to follow."""

ALL_OF = {
    "three classes of 20": [20, 20, 20],
    "uneven classes": [50, 30, 15, 5],
    "pairs and large ones": [2, 2, 30, 40, 50],
    "one of a single image": [100, 60, 39, 1],
    "names without an image": [60, 0, 70, 0],
}


def labels_of(sizes, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


def gaussians(n_images, seed=0, dim=5):
    return np.random.default_rng(seed).normal(size=(n_images, dim))


def null_of(points, labels, distance="euclidean", images=None, n_permutations=FEW):
    images = np.arange(len(labels)) if images is None else images
    nearest = search_nearest(points, distance, images)
    return permutation_null(nearest, labels, images=images, n_permutations=n_permutations)


def by_definition(points, labels, images=None, longest=None):
    """Γ′ and kstar_mean of every permutation, and the shares of classes without γ and of images with k* > longest.

    k* over all distances, in float64 differences; above `longest` it counts as longest + 1.
    """
    images = range(len(labels)) if images is None else images
    distances = np.square(points[:, None] - points[None]).sum(axis=2)
    draws, sizes = np.random.default_rng(PERMUTATION_SEED), np.bincount(labels)
    gammas, kstar_means, undefined, exhausted = [], [], [], []
    for _ in range(FEW):
        permuted = draws.permutation(labels)
        fractions = [[] for _ in sizes]
        for i in images:
            others = [j for j in np.flatnonzero(permuted == permuted[i]) if j != i]
            radius = distances[i, permuted != permuted[i]].min()
            kstar = 1 + int((distances[i, others] < radius).sum())
            exhausted.append(longest is not None and kstar > longest)
            kstar = longest + 1 if exhausted[-1] else kstar
            fractions[permuted[i]].append(kstar / sizes[permuted[i]])
        kept = [values for values, n in zip(fractions, sizes, strict=True) if n >= 2 and values]
        skews = [float(skew(values)) for values in kept if len(set(values)) > 1]
        undefined.append(1 - len(skews) / int((sizes >= 2).sum()))
        gammas.append(np.mean(skews) if skews else math.nan)
        kstar_means.append(np.mean([np.mean(values) for values in kept]))
    return np.array(gammas), np.array(kstar_means), np.mean(undefined), np.mean(exhausted)


def assert_equals_definition(found, gammas, kstar_means):
    # One k* that differs by one moves kstar_mean by at least 1 / (50 permutations · 5 classes · 170²), about 1e-7.
    assert found.reason is None
    assert found.gamma_approx == pytest.approx(np.mean(gammas), rel=1e-11)
    assert found.gamma_approx_sd == pytest.approx(np.std(gammas, ddof=1), rel=1e-9)
    assert found.kstar_mean == pytest.approx(np.mean(kstar_means), rel=1e-11)


@pytest.mark.parametrize("sizes", ALL_OF.values(), ids=ALL_OF)
def test_the_null_is_that_of_the_definition_with_the_same_permutations(sizes):
    points, labels = gaussians(sum(sizes)), labels_of(sizes)
    gammas, kstar_means, undefined, _ = by_definition(points, labels)
    assert undefined <= 0.5
    assert_equals_definition(null_of(points, labels), gammas, kstar_means)


def test_the_cosine_null_is_that_of_unit_length_embeddings():
    points, labels = gaussians(100) + 0.5, labels_of([40, 40, 20])
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    gammas, kstar_means, _, _ = by_definition(units, labels)
    assert_equals_definition(null_of(points, labels, "cosine"), gammas, kstar_means)
    assert null_of(points, labels).gamma_approx != pytest.approx(np.mean(gammas), rel=1e-6)


def test_the_null_of_a_sample_is_over_its_images_with_class_sizes_of_the_pool():
    points, labels = gaussians(150), labels_of([70, 50, 30])
    images = np.sort(np.random.default_rng(1).choice(150, 60, replace=False))
    gammas, kstar_means, _, _ = by_definition(points, labels, images)
    assert_equals_definition(null_of(points, labels, images=images), gammas, kstar_means)


def test_ties_in_the_list_go_to_the_impostor():
    # Whole numbers, and every point with its opposite: the mean is 0 and all squared distances are exact in float32.
    half = np.random.default_rng(0).integers(-2, 3, size=(70, 3)).astype(np.float64)
    points, labels = np.concatenate([half, -half]), labels_of([60, 50, 30])
    assert len(np.unique(points, axis=0)) < 100  # duplicates too
    gammas, kstar_means, undefined, _ = by_definition(points, labels)
    assert undefined <= 0.5
    assert_equals_definition(null_of(points, labels), gammas, kstar_means)


def test_images_at_one_distance_from_each_other_all_have_kstar_of_one():
    # 64 unit vectors: every pair lies √2 apart, so every own image ties with an impostor. mean 1/n_c: 1/32 and 1/32.
    found = null_of(np.eye(64), labels_of([32, 32]))
    assert found.kstar_mean == 1 / 32
    assert (found.gamma_approx, found.gamma_approx_sd) == (None, None)
    assert found.reason == "gamma_approx_null is null: with permuted labels 100 % of the classes have no γ."


def test_a_few_images_whose_list_runs_out_get_the_length_of_the_list_and_one():
    # 14 of 15 images are of one class: (14/15)^65 = 1.1 % of the lists hold nobody else, of images and list together.
    points, labels = gaussians(180), labels_of([168, 12])
    gammas, kstar_means, _, exhausted = by_definition(points, labels, longest=LIST_LENGTH)
    assert 0 < exhausted <= 0.01
    assert_equals_definition(null_of(points, labels), gammas, kstar_means)


def test_more_than_one_image_in_a_hundred_whose_list_runs_out_leave_the_null_undefined():
    # 24 of 25: (24/25)^65 = 7 %.
    points, labels = gaussians(200), labels_of([192, 8])
    *_, exhausted = by_definition(points, labels, longest=LIST_LENGTH)
    assert exhausted > 0.02
    found = null_of(points, labels)
    assert (found.gamma_approx, found.gamma_approx_sd, found.kstar_mean) == (None, None, None)
    assert found.reason == (
        f"the permutation null is null: {100 * exhausted:.1f} % of the images find nobody of another class among their "
        "64 nearest when labels are permuted."
    )


def test_a_list_that_holds_all_other_images_never_runs_out():
    points, labels = gaussians(64), labels_of([62, 2])
    gammas, kstar_means, undefined, _ = by_definition(points, labels)
    assert undefined <= 0.5
    assert_equals_definition(null_of(points, labels), gammas, kstar_means)


def test_where_most_classes_have_no_gamma_the_null_of_gamma_is_undefined_and_that_of_kstar_mean_stays():
    # A class of two has a γ where one image, but not both, is the other's nearest: rare among 60.
    points, labels = gaussians(60), labels_of([2] * 30)
    _, kstar_means, undefined, _ = by_definition(points, labels)
    assert undefined > 0.9
    found = null_of(points, labels)
    assert (found.gamma_approx, found.gamma_approx_sd) == (None, None)
    assert found.kstar_mean == pytest.approx(np.mean(kstar_means), rel=1e-11)
    assert found.reason == (
        f"gamma_approx_null is null: with permuted labels {100 * undefined:.0f} % of the classes have no γ."
    )


def test_classes_of_one_image_only_have_no_null_at_all():
    found = null_of(gaussians(5), np.arange(5))
    assert (found.gamma_approx, found.gamma_approx_sd, found.kstar_mean) == (None, None, None)
    assert found.reason == "gamma_approx_null is null: with permuted labels 100 % of the classes have no γ."


@pytest.mark.parametrize("prefix", ["", "cosine_"])
def test_the_scores_of_kstar_are_those_of_two_hundred_permutations(prefix):
    points, labels = gaussians(100) + 0.5, labels_of([40, 40, 20])
    found = clipkstar.kstar(points, labels).scores
    null = null_of(points, labels, "cosine" if prefix else "euclidean", n_permutations=200)
    assert found[f"{prefix}gamma_approx_null"] == null.gamma_approx
    assert found[f"{prefix}gamma_approx_null_sd"] == null.gamma_approx_sd
    assert found[f"{prefix}kstar_mean_null"] == null.kstar_mean
    z = (found[f"{prefix}gamma_approx"] - null.gamma_approx) / null.gamma_approx_sd
    assert found[f"{prefix}gamma_approx_z"] == pytest.approx(z, rel=1e-12)


def test_an_undefined_null_is_null_in_the_scores_and_said_for_each_distance():
    points, labels = gaussians(60), labels_of([2] * 30)
    found = clipkstar.kstar(points, labels)
    for prefix in ("", "cosine_"):
        names = ("gamma_approx_null", "gamma_approx_null_sd", "gamma_approx_z")
        assert [found.scores[prefix + name] for name in names] == [None] * 3
        assert found.scores[f"{prefix}kstar_mean_null"] > 0.5
    said = [notice for notice in found.notices if "gamma_approx_null is null" in notice]
    assert [notice.split()[0] for notice in said] == ["euclidean", "cosine"]


def test_classes_that_lie_apart_are_far_below_the_null_and_random_labels_near_it():
    labels = np.arange(150) % 3
    apart = gaussians(150) + 20 * np.eye(5)[labels]
    apart[:3] = 100.0
    # One image of each class at one place far away, k* = 1; the other 49 have k* = 49: γ = -48/√49.
    found = clipkstar.kstar(apart, labels, distances="euclidean").scores
    assert found["gamma_approx"] == pytest.approx(-48 / 7, rel=1e-9)
    assert found["gamma_approx_z"] < -10
    # Of random labels z has mean 0 and standard deviation 1: the mean of 12 lies within 4/√12.
    z = [
        clipkstar.kstar(gaussians(150, seed), labels, distances="euclidean").scores["gamma_approx_z"]
        for seed in range(12)
    ]
    assert abs(np.mean(z)) < 4 / math.sqrt(12)
    assert 0.5 < np.std(z) < 2
    assert np.abs(z).max() < 4


def test_images_that_avoid_their_own_class_are_above_the_null():
    # 148 images of each class stand beside one of the next class or the last, k* = 1; two beside each other, far away,
    # p = 2/150, have k* = 2, γ = (1 - 2p)/√(p(1 - p)) = 8.486. Random labels of four classes: about
    # 5/√4 and less, as classes are not large.
    twins = gaussians(296).repeat(2, axis=0) + 1e-6 * gaussians(592, seed=1)
    pairs = 100.0 * np.arange(1, 5).repeat(2)[:, None] + 0.01 * gaussians(8, seed=2)
    of_twins = np.stack([np.arange(296) % 4, (np.arange(296) + 1) % 4], axis=1).ravel()
    labels = np.concatenate([of_twins, np.arange(4).repeat(2)])
    found = clipkstar.kstar(np.concatenate([twins, pairs]), labels, distances="euclidean").scores
    p = 2 / 150
    assert found["gamma_approx"] == pytest.approx((1 - 2 * p) / math.sqrt(p * (1 - p)), rel=1e-9)
    assert 1.5 < found["gamma_approx_null"] < 3
    assert found["gamma_approx_z"] > 10


def test_the_null_is_repeatable():
    points, labels = gaussians(120), labels_of([60, 40, 20])
    assert null_of(points, labels) == null_of(points.copy(), labels.copy())
    assert null_of(points, labels, n_permutations=FEW + 1) != null_of(points, labels)


def test_another_order_of_the_images_moves_the_null_by_no_more_than_chance():
    points, labels = gaussians(200), labels_of([80, 70, 50])
    first = null_of(points, labels)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(200)
        second = null_of(points[order], labels[order])
        # Two means of 50 permutations each; an sd of 50 has a relative error of 1/√100 = 10 % and more where γ leans.
        error = math.sqrt((first.gamma_approx_sd**2 + second.gamma_approx_sd**2) / FEW)
        assert abs(first.gamma_approx - second.gamma_approx) < 4 * error
        assert second.gamma_approx_sd == pytest.approx(first.gamma_approx_sd, rel=0.5)
        assert second.kstar_mean == pytest.approx(first.kstar_mean, rel=0.02)


def test_the_null_does_not_look_at_the_labels_but_at_the_class_sizes():
    points = gaussians(150)
    first, second = null_of(points, labels_of([70, 50, 30])), null_of(points, labels_of([70, 50, 30], seed=1))
    error = math.sqrt((first.gamma_approx_sd**2 + second.gamma_approx_sd**2) / FEW)
    assert abs(first.gamma_approx - second.gamma_approx) < 4 * error


def test_large_classes_reach_the_closed_form():
    # k* - 1 is geometric where classes are endless: each neighbour is of the own class with 1/C, of skewness
    # (C + 1)/√C = 11/√10 = 3.479; its mean is 1/(1 - 1/C), so k*/n is 10/9/2000 on average.
    found = null_of(gaussians(20_000, dim=8), np.arange(20_000) % 10)
    assert abs(found.gamma_approx - 11 / math.sqrt(10)) < 3 * found.gamma_approx_sd
    assert found.gamma_approx_sd < 0.2
    assert found.kstar_mean == pytest.approx(10 / 9 / 2000, rel=0.002)


def test_classes_that_are_not_far_larger_than_their_number_are_far_from_the_closed_form():
    # 100 classes of 50: (C + 1)/√C = 10.1, and a class of 50 cannot exceed 48/√49 = 6.86. An image has an own image as
    # nearest neighbour with 49/4999, so a class has no γ with about e^-0.49 = 61 %: the null says so, and the mean over
    # the others is that of classes with one such image or two.
    points, labels = gaussians(5_000, dim=8), np.arange(5_000) % 100
    found = null_of(points, labels)
    assert found.gamma_approx is None
    share = int(found.reason.removeprefix("gamma_approx_null is null: with permuted labels ").split()[0])
    assert 55 < share < 75
    assert found.kstar_mean == pytest.approx(1 / 50 * (1 + 49 / 4999), rel=0.002)
    lists = search_nearest(points, "euclidean").positions
    draws, gammas = np.random.default_rng(PERMUTATION_SEED), []
    for _ in range(FEW):
        permuted = draws.permutation(labels)
        kstar = 1 + (permuted[lists] != permuted[:, None]).argmax(axis=1)
        by_class = kstar[np.argsort(permuted, kind="stable")].reshape(100, 50)
        gammas.append(skew(by_class[by_class.max(axis=1) > 1], axis=1).mean())
    assert np.mean(gammas) == pytest.approx(6.0, abs=0.3)


def test_a_list_without_distances_that_rise_gives_every_tie_to_the_impostor():
    # Lists by hand: three images nearest to image 0, at 1, 1 and 2. Whichever label stands at the second place, an
    # impostor there ties with the first: k* = 1; one at the third place is preceded by two.
    positions = np.array([[1, 2, 3], [0, 2, 3], [3, 0, 1], [2, 0, 1]])
    squared = np.array([[1, 1, 2]] * 4, dtype=np.float32)
    labels, draws = np.array([0, 0, 0, 1]), np.random.default_rng(PERMUTATION_SEED)
    expected = []
    for _ in range(FEW):
        apart = int(np.flatnonzero(draws.permutation(labels) == 1)[0])
        # The one image of the other class is the impostor of the three others; last in a list: k* = 3, else 1.
        expected.append(np.mean([3 if positions[i, 2] == apart else 1 for i in range(4) if i != apart]) / 3)
    found = permutation_null(
        Nearest(positions=positions, squared_distances=squared), labels, images=np.arange(4), n_permutations=FEW
    )
    assert found.kstar_mean == pytest.approx(np.mean(expected), rel=1e-12)
