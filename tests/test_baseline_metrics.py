"""The baselines beside k*: by hand, against loops or scikit-learn, and where they are undefined."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.linalg import eigvalsh, pinvh
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from clipkstar.embeddings import Embeddings
from clipkstar.errors import InputError
from clipkstar.metrics import alignment, hubness, knn20_accuracy, nc1, rankme, silhouette, uniformity
from clipkstar.neighbors import Neighbors

BASELINES = (alignment, hubness, knn20_accuracy, nc1, rankme, silhouette, uniformity)
OF_UNIT_LENGTH = (alignment, hubness, knn20_accuracy, silhouette, uniformity)
every_baseline = pytest.mark.parametrize("module", BASELINES, ids=lambda module: module.METRIC.name)


def held(images, labels, *, n_classes=None):
    labels = np.array(labels)
    return Embeddings(
        images=np.asarray(images),
        labels=labels,
        rows=np.arange(len(labels)),
        class_names=tuple(f"class {number}" for number in range(n_classes or labels.max() + 1)),
    )


def measured(module, images, labels):
    embeddings = held(images, labels)
    return module.METRIC.compute(embeddings, Neighbors(embeddings))


def score(module, images, labels):
    """The metric's only score, for embeddings that have one."""
    found = measured(module, images, labels)
    assert found.notices == ()
    return found.scores[module.METRIC.name]


def assert_null(module, images, labels, sentence):
    found = measured(module, images, labels)
    assert found.scores == {module.METRIC.name: None}
    assert found.notices == (sentence,)


def gaussians(seed, *, sizes=(14, 9, 20, 17), dim=6, separation=1.0):
    """Float32 images of Gaussian classes of the sizes given, and labels, in a random order."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = separation * generator.normal(size=(len(sizes), dim))
    return (centres[labels] + generator.normal(size=(len(labels), dim))).astype(np.float32), labels


def units(images):
    """Unit vectors, as lists."""
    return [[value / math.hypot(*point) for value in point] for point in images.tolist()]


def squared_distance(a, b):
    return math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def nearest(images, k):
    """The k nearest other images of each, by sorting."""
    points = units(images)
    return [
        sorted((j for j in range(len(points)) if j != i), key=lambda j: squared_distance(point, points[j]))[:k]
        for i, point in enumerate(points)
    ]


# knn20_accuracy


@pytest.mark.parametrize(
    ("labels", "cosines", "expected"),
    [
        # Two votes are worth more than one that is nearer by 0.04: exp(0.04/0.07) = 1.77 < 2.
        ([0, 1, 1], [0.90, 0.86, 0.86], 1),
        # And less than one that is nearer by 0.06: exp(0.06/0.07) = 2.36 > 2.
        ([0, 1, 1], [0.92, 0.86, 0.86], 0),
        ([2, 1], [0.5, 0.5], 1),
        # Both sums are exp(0.9/0.07) + exp(0.3/0.07) + exp(-0.5/0.07).
        ([3, 1, 1, 3, 1, 3], [0.9, 0.9, 0.3, 0.3, -0.5, -0.5], 1),
        ([4], [-1.0], 4),
    ],
    ids=["two outvote one", "one outvotes two", "tie", "tie of sums", "one neighbour"],
)
def test_votes_by_hand(labels, cosines, expected):
    assert knn20_accuracy.vote(np.array([labels]), np.array([cosines])).tolist() == [expected]


def test_accuracy_of_three_directions_by_hand():
    # a at 0 and 20 degrees, b at 90 and 180. Cosines, to two digits:
    # 0:   a 0.94 against b 0 and -1          -> a, right
    # 20:  a 0.94 against b 0.34 and -0.94    -> a, right
    # 90:  b 0 against a 0 and 0.34           -> a, wrong
    # 180: b 0 against a -1 and -0.94         -> b, right
    angles = np.radians([0, 20, 90, 180])
    images = np.column_stack([np.cos(angles), np.sin(angles)]) * [[1], [7], [0.1], [3]]
    assert score(knn20_accuracy, images, [0, 0, 1, 1]) == 3 / 4


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sizes", [(14, 9, 20, 17), (5, 6)], ids=["60 images", "11 images"])
def test_accuracy_equals_that_of_scikit_learn(seed, sizes):
    images, labels = gaussians(seed, sizes=sizes)
    classifier = KNeighborsClassifier(
        n_neighbors=min(20, len(labels) - 1),
        metric="cosine",
        algorithm="brute",
        weights=lambda distances: np.exp((1 - distances) / 0.07),
    )
    predictions = cross_val_predict(classifier, images.astype(np.float64), labels, cv=LeaveOneOut())
    assert score(knn20_accuracy, images, labels) == (predictions == labels).mean()


@pytest.mark.parametrize(
    ("near", "far", "expected"),
    [
        # Each a hears 10 a and, little less loud, 10 b; one b more would win. Each b hears 13 b and 7 a.
        ([0] * 11, [1] * 14, 1),
        # Each a hears 9 a, c and 10 b, which win; without the last they would not. Each b hears 11 b, c and 8 a.
        ([0] * 10, [2] + [1] * 12, 12 / 23),
    ],
    ids=["not more", "not fewer"],
)
def test_20_neighbours_vote(near, far, expected):
    # One group within 0.1 degrees, the other within as much and one degree away.
    angles = np.radians(
        [0.1 * i / len(near) for i in range(len(near))] + [1 + 0.1 * i / len(far) for i in range(len(far))]
    )
    images = np.column_stack([np.cos(angles), np.sin(angles)])
    assert score(knn20_accuracy, images, near + far) == expected


@pytest.mark.parametrize("votes", [1, 2 * 8 * 4, 7 * 8 * 4])
def test_accuracy_does_not_depend_on_the_memory_of_votes(votes, monkeypatch):
    images, labels = gaussians(0)
    expected = score(knn20_accuracy, images, labels)
    monkeypatch.setattr(knn20_accuracy, "VOTE_BYTES", votes)
    assert score(knn20_accuracy, images, labels) == expected


def test_accuracy_has_no_interval():
    assert measured(knn20_accuracy, *gaussians(0)).intervals == {}


def test_one_image_has_no_neighbour():
    assert_null(knn20_accuracy, np.ones((1, 2)), [0], "knn20_accuracy is null: there is one image only.")


# hubness


def test_hubness_of_an_arc_by_hand():
    # Of 12 images on an arc each has one that is not among its 10 nearest, its farthest: the last for the first six,
    # the first for the last six. So N_10 is 11 - 6 = 5 twice and 11 ten times; the skewness of a value that is the
    # higher one with p = 5/6 is (1 - 2p)/sqrt(p(1 - p)) = -(2/3)/(sqrt(5)/6) = -4/sqrt(5).
    angles = np.radians([0, 3, 8, 12, 18, 20, 40, 45, 47, 50, 55, 59])
    images = np.column_stack([np.cos(angles), np.sin(angles)]) * np.arange(1, 13)[:, None]
    assert score(hubness, images, [0] * 12) == pytest.approx(-4 / math.sqrt(5), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dim", [2, 6, 40])
def test_hubness_equals_that_of_sorted_lists(seed, dim):
    images, labels = gaussians(seed, dim=dim)
    counts = [0] * len(labels)
    for neighbors in nearest(images, 10):
        for neighbor in neighbors:
            counts[neighbor] += 1
    # The mean of N_10 is 10: every image has a list of ten.
    second, third = (math.fsum((count - 10) ** power for count in counts) / len(counts) for power in (2, 3))
    assert score(hubness, images, labels) == pytest.approx(third / second**1.5, rel=1e-12)


def test_an_image_in_the_middle_of_many_directions_is_a_hub():
    generator = np.random.default_rng(0)
    images = generator.normal(size=(300, 20)) + 0.5
    with_hub = np.vstack([images, images.mean(axis=0)])
    assert score(hubness, with_hub, [0] * 301) > score(hubness, images, [0] * 300) + 1


def test_hubness_needs_eleven_images():
    sentence = "hubness is null: there are 10 images, and each needs 10 others."
    assert_null(hubness, *gaussians(0, sizes=(4, 6)), sentence)


def test_hubness_of_equal_counts_is_undefined():
    # Of 11 images every one is in all other ten lists.
    sentence = "hubness is null: every image is among the 10 nearest of equally many."
    assert_null(hubness, *gaussians(0, sizes=(5, 6)), sentence)


# silhouette


def test_silhouette_by_hand():
    # a at 0 and 60 degrees, b at 90 twice, c at 180 alone. Cosine distances: 60 degrees 1/2, 90 degrees 1,
    # 30 degrees 1 - r with r = sqrt(3)/2, 120 degrees 3/2.
    # 0:   own 1/2, b 1, c 2                 -> (1 - 1/2)/1 = 1/2
    # 60:  own 1/2, b 1 - r, c 3/2           -> (1 - r - 1/2)/(1/2) = 1 - 2r
    # 90:  own 0, a (1 + 1 - r)/2, c 1       -> 1, twice
    # 180: alone                             -> 0
    r = math.sqrt(3) / 2
    angles = np.radians([0, 60, 90, 90, 180])
    images = np.column_stack([np.cos(angles), np.sin(angles)]) * [[1], [2], [3], [4], [5]]
    labels = np.array([0, 0, 1, 1, 2])
    expected = [1 / 2, 1 - 2 * r, 1, 1, 0]
    assert score(silhouette, images, labels) == pytest.approx(sum(expected) / 5, abs=1e-12)


def silhouette_by_sums(images, labels):
    """Another way: the cosine distance is linear, so its mean over a class is that to the class's sum."""
    units = images / np.linalg.norm(images, axis=1, keepdims=True)
    sums = {label: units[labels == label].sum(axis=0) for label in set(labels.tolist())}
    sizes = {label: int((labels == label).sum()) for label in sums}
    found = []
    for unit, own in zip(units, labels.tolist(), strict=True):
        if sizes[own] == 1:
            found.append(0.0)
            continue
        within = (sizes[own] - unit @ sums[own]) / (sizes[own] - 1)
        between = min((sizes[label] - unit @ sums[label]) / sizes[label] for label in sums if label != own)
        found.append((between - within) / max(within, between))
    return np.mean(found)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("separation", [0, 1, 10], ids=["random", "overlapping", "clustered"])
@pytest.mark.parametrize("sizes", [(14, 9, 20, 17), (30, 0, 1, 2, 1)], ids=["ordinary", "small and empty classes"])
def test_silhouette_equals_that_by_class_sums(seed, separation, sizes):
    images, labels = gaussians(seed, separation=separation, sizes=sizes)
    expected = silhouette_by_sums(images.astype(np.float64), labels)
    assert score(silhouette, images, labels) == pytest.approx(expected, abs=1e-12)


def test_silhouette_of_too_many_images_is_null(monkeypatch):
    images, labels = gaussians(0)
    monkeypatch.setattr(silhouette, "MOST_IMAGES", len(labels) - 1)
    sentence = (
        f"silhouette is null: it compares all pairs, of {len(labels) - 1} images at most; here are {len(labels)}."
    )
    assert_null(silhouette, images, labels, sentence)


def test_images_of_one_direction_have_a_silhouette_of_zero():
    generator = np.random.default_rng(0)
    for direction in generator.normal(size=(20, 7)):
        lengths = generator.uniform(0.1, 10, size=(9, 1))
        assert score(silhouette, lengths * direction, [0, 1, 2] * 3) == 0


def test_classes_of_one_direction_each_have_a_silhouette_of_one_and_not_more():
    generator = np.random.default_rng(0)
    for direction in generator.normal(size=(20, 7)):
        images = np.array([direction, direction + 1e-4 * generator.normal(size=7)])
        lengths = generator.uniform(0.1, 10, size=(8, 1))
        assert 1 - 1e-6 < score(silhouette, lengths * images[[0, 1] * 4], [0, 1] * 4) <= 1


@pytest.mark.parametrize(("labels", "n_present"), [([3, 3, 3], 1), ([0, 3, 1], 3), ([2], 1)])
def test_silhouette_needs_two_classes_and_fewer_than_images(labels, n_present):
    images = np.arange(1.0, 1 + 2 * len(labels)).reshape(-1, 2)
    sentence = (
        "silhouette is null: it needs 2 classes or more, and fewer than images; "
        f"here are {n_present} classes with images and {len(labels)} images."
    )
    assert_null(silhouette, images, labels, sentence)


# nc1


def test_nc1_by_hand():
    # a at 0, 2 and b at 4, 6: means 1 and 5 about 3, Σ_B = 4; every image is 1 from its mean, Σ_W = 1; 1/4/2.
    assert score(nc1, np.array([[0.0], [2], [4], [6]]), [0, 0, 1, 1]) == pytest.approx(1 / 8, rel=1e-12)
    # a at 0, 2 and b at 5: means 1 and 5 about 7/3, Σ_B = (16/9 + 64/9)/2 = 40/9; Σ_W = (1 + 1 + 0)/3 = 2/3; 3/20/2.
    assert score(nc1, np.array([[0.0], [2], [5]]), [0, 0, 1]) == pytest.approx(3 / 40, rel=1e-12)


def test_nc1_across_the_class_means_costs_nothing():
    # a at (0, ±9) and b at (4, ±9): within the classes nothing moves along the direction in which the means differ.
    images = np.array([[0.0, 9], [0, -9], [4, 9], [4, -9]])
    assert score(nc1, images, [0, 0, 1, 1]) == pytest.approx(0, abs=1e-12)


def explicit_nc1(images, labels):
    """Tr(Σ_W Σ_B†)/C from both covariances, summed up image by image, and scipy's pseudo-inverse."""
    images = images.astype(np.float64)
    classes = sorted(set(labels.tolist()))
    overall = images.mean(axis=0)
    pairs = list(zip(images, labels.tolist(), strict=True))
    means = {label: images[labels == label].mean(axis=0) for label in classes}
    within = sum(np.outer(image - means[label], image - means[label]) for image, label in pairs)
    between = sum(np.outer(means[label] - overall, means[label] - overall) for label in classes)
    inverse = pinvh(between / len(classes), rtol=1e-10)
    return np.trace(within / len(images) @ inverse) / len(classes)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dim", [2, 3, 6, 40])
@pytest.mark.parametrize("sizes", [(14, 9, 20, 17), (10, 0, 1, 25), (8, 8)], ids=str)
def test_nc1_equals_the_trace_of_explicit_covariances(seed, dim, sizes):
    images, labels = gaussians(seed, dim=dim, sizes=sizes)
    assert score(nc1, images, labels) == pytest.approx(explicit_nc1(images, labels), rel=1e-8)


def test_nc1_does_not_weigh_images_by_the_rounding_of_their_embeddings():
    # Eight classes in a plane, turned into 20 dimensions: float32 rounding lets them stick out of it by 1e-7.
    flat, labels = gaussians(0, dim=2, sizes=(10,) * 8)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 20)))[0][:2]
    turned = (flat.astype(np.float64) @ turn).astype(np.float32)
    assert np.linalg.matrix_rank(turned.astype(np.float64)) == 20
    assert score(nc1, turned, labels) == pytest.approx(score(nc1, flat, labels), rel=1e-4)


def test_nc1_of_classes_of_equal_means_is_undefined():
    sentence = "nc1 is null: the class means do not differ."
    assert_null(nc1, np.array([[1.0, 0], [3, 0], [2, 1], [2, -1]]), [0, 0, 1, 1], sentence)
    assert_null(nc1, np.full((6, 3), 0.1), [0, 0, 0, 1, 2, 2], sentence)
    assert_null(nc1, np.zeros((4, 3)), [0, 0, 1, 1], sentence)
    assert_null(nc1, gaussians(0)[0], [1] * 60, sentence)


# rankme


def test_rankme_by_hand():
    # Singular values 3 and 1: p = 3/4 and 1/4, the entropy is ln 4 - 3/4 ln 3.
    assert score(rankme, np.array([[3.0, 0], [0, -1]]), [0, 1]) == pytest.approx(4 / 3**0.75, abs=1e-6)
    # Equal images span one direction: they are not centred.
    assert score(rankme, np.full((9, 1), 0.5), [0] * 9) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("shape", [(30, 5), (5, 30)], ids=["tall", "wide"])
def test_rankme_of_equal_singular_values_is_their_number(shape):
    orthonormal = np.linalg.qr(np.random.default_rng(0).normal(size=(30, 5)))[0]
    images = orthonormal if shape == (30, 5) else orthonormal.T
    assert score(rankme, images, [0] * shape[0]) == pytest.approx(5, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dim", [1, 6, 90])
def test_rankme_equals_that_of_the_eigenvalues_of_the_gram_matrix(seed, dim):
    images, labels = gaussians(seed, dim=dim)
    images = images.astype(np.float64)
    gram = images.T @ images if dim <= len(labels) else images @ images.T
    lengths = [math.sqrt(value) for value in eigvalsh(gram)]
    shares = [length / math.fsum(lengths) + 1e-7 for length in lengths]
    expected = math.exp(-math.fsum(share * math.log(share) for share in shares))
    assert score(rankme, images, labels) == pytest.approx(expected, rel=1e-9)


def test_what_epsilon_adds_to_one_direction_is_small():
    # p = 1 + 1e-7 once and 1e-7 otherwise, 255 times: the entropy is 255·1e-7·7·ln 10 - 1e-7 = 0.0004.
    images = np.outer(np.ones(256), np.arange(256.0))
    expected = math.exp(255 * 1e-7 * 7 * math.log(10) - 1e-7)
    assert score(rankme, images, [0] * 256) == pytest.approx(expected, rel=1e-7)


def test_rankme_of_zeros_is_undefined():
    assert_null(rankme, np.zeros((4, 3)), [0, 0, 1, 1], "rankme is null: all image embeddings are zero.")


# alignment and uniformity


def test_alignment_by_hand():
    # a: directions x, y, y, squared distances 2, 2, 0; b: x and -x, 4; c is alone. (2 + 2 + 0 + 4)/4 pairs.
    images = np.array([[1.0, 0], [0, 2], [0, 5], [3, 0], [-7, 0], [1, 1]])
    assert score(alignment, images, [0, 0, 0, 1, 1, 2]) == pytest.approx(2, abs=1e-12)


def test_uniformity_by_hand():
    # x, y and -x: squared distances 2, 4, 2.
    images = np.array([[1.0, 0], [0, 3], [-2, 0]])
    assert score(uniformity, images, [0, 0, 1]) == pytest.approx(math.log((2 * math.exp(-4) + math.exp(-8)) / 3))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dim", [1, 2, 6, 40])
def test_alignment_and_uniformity_equal_a_loop_over_pairs(seed, dim):
    images, labels = gaussians(seed, dim=dim)
    points = units(images)
    pairs = [(i, j, squared_distance(points[i], points[j])) for i, j in combinations(range(len(points)), 2)]
    of_one_class = [squared for i, j, squared in pairs if labels[i] == labels[j]]
    expected = math.fsum(of_one_class) / len(of_one_class)
    assert score(alignment, images, labels) == pytest.approx(expected, rel=1e-12)
    expected = math.log(math.fsum(math.exp(-2 * squared) for _, _, squared in pairs) / len(pairs))
    assert score(uniformity, images, labels) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("tile", [1, 7, 59, 60, 61])
def test_uniformity_does_not_depend_on_the_tile(tile, monkeypatch):
    images, labels = gaussians(0)
    expected = score(uniformity, images, labels)
    monkeypatch.setattr(uniformity, "TILE", tile)
    assert score(uniformity, images, labels) == pytest.approx(expected, rel=1e-12)


def test_alignment_and_uniformity_at_the_ends_of_their_ranges():
    generator = np.random.default_rng(0)
    for direction in generator.normal(size=(200, 7)):
        equal, opposite = np.array([direction, 3 * direction]), np.array([direction, -0.7 * direction])
        assert score(alignment, equal, [0, 0]) == pytest.approx(0, abs=1e-12)
        assert score(uniformity, equal, [0, 0]) == pytest.approx(0, abs=1e-12)
        assert 4 - 1e-12 < score(alignment, opposite, [0, 0]) <= 4
        assert -8 <= score(uniformity, opposite, [0, 0]) < -8 + 1e-12


def test_alignment_needs_a_class_of_two():
    assert_null(alignment, np.eye(3), [0, 2, 1], "alignment is null: no class has two images.")


def test_uniformity_needs_two_images():
    assert_null(uniformity, np.ones((1, 2)), [0], "uniformity is null: there is one image only.")


def test_uniformity_of_too_many_images_is_null(monkeypatch):
    images, labels = gaussians(0)
    monkeypatch.setattr(uniformity, "MOST_IMAGES", 60)
    assert score(uniformity, images, labels) < 0
    monkeypatch.setattr(uniformity, "MOST_IMAGES", 59)
    sentence = "uniformity is null: it compares all pairs, of 59 images at most; here are 60."
    assert_null(uniformity, images, labels, sentence)


# All of them.


@every_baseline
def test_the_file_the_metric_and_its_only_score_have_one_name(module):
    metric = module.METRIC
    assert module.__name__ == f"clipkstar.metrics.{metric.name}"
    assert [score.name for score in metric.scores] == [metric.name]


@every_baseline
def test_embeddings_that_are_not_finite_are_one_sentence(module):
    images, labels = gaussians(0)
    images[7, 2], images[9, 0] = math.nan, -math.inf
    with pytest.raises(InputError) as raised:
        measured(module, images, labels)
    assert str(raised.value) == (
        "the embedding of row 7 holds NaN or infinity (2 of 60 rows do); metrics need finite embeddings, "
        "try --precision fp32."
    )


@every_baseline
def test_zero_embeddings_have_no_direction_but_a_place(module):
    images, labels = gaussians(0)
    images[[7, 9]] = 0
    if module in OF_UNIT_LENGTH:
        name = module.METRIC.name
        assert_null(module, images, labels, f"{name} is null: 2 of 60 image embeddings are zero and have no direction.")
    else:
        assert score(module, images, labels) > 0


FORMS = {
    "float16": lambda images: images.astype(np.float16),
    "float64": lambda images: images.astype(np.float64),
    "by columns": np.asfortranarray,
    "every third number of another array": lambda images: np.repeat(images, 3, axis=1)[:, ::3],
    "backwards in memory": lambda images: images[::-1].copy()[::-1],
}


@pytest.mark.parametrize("form", FORMS)
@every_baseline
def test_type_and_layout_of_the_embeddings_do_not_matter(module, form):
    images, labels = gaussians(3)
    images = images.astype(np.float16).astype(np.float32)
    given = FORMS[form](images)
    given.flags.writeable = False
    assert score(module, given, labels) == pytest.approx(score(module, images, labels), rel=1e-12)


@pytest.mark.parametrize("exponent", [-1000, 900])
@every_baseline
def test_embeddings_whose_squares_are_out_of_range_have_the_same_scores(module, exponent):
    images, labels = gaussians(4)
    expected = score(module, images, labels)
    assert score(module, np.ldexp(images.astype(np.float64), exponent), labels) == pytest.approx(expected, rel=1e-12)


def _no_ties_in_float32(images):
    """Whether the 10th and 11th, and the 20th and 21st neighbours of each image are told apart by float32."""
    points = np.array(units(images))
    squared = np.sort(2 - 2 * points @ points.T, axis=1)
    return (squared[:, 11] - squared[:, 10] > 1e-5).all() and (squared[:, 21] - squared[:, 20] > 1e-5).all()


@every_baseline
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**20), scale=st.floats(1e-6, 1e6))
def test_rotation_scale_order_and_names_of_the_classes_do_not_matter(module, seed, scale):
    images, labels = gaussians(seed)
    images = images.astype(np.float64)
    assume(_no_ties_in_float32(images))
    expected = pytest.approx(score(module, images, labels), rel=1e-6, abs=1e-9)
    generator = np.random.default_rng(seed)
    rotation = np.linalg.qr(generator.normal(size=(images.shape[1], images.shape[1])))[0]
    assert score(module, images @ rotation, labels) == expected
    assert score(module, scale * images, labels) == expected
    order = generator.permutation(len(labels))
    assert score(module, images[order], labels[order]) == expected
    assert score(module, images, generator.permutation(9)[:4][labels]) == expected


@pytest.mark.parametrize("module", OF_UNIT_LENGTH, ids=lambda module: module.METRIC.name)
def test_lengths_do_not_matter_to_those_of_unit_length(module):
    images, labels = gaussians(5)
    lengths = np.random.default_rng(5).uniform(0.1, 10, size=(60, 1))
    expected = score(module, images, labels)
    assert score(module, images * lengths, labels) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("module", [nc1, rankme], ids=["nc1", "rankme"])
def test_lengths_matter_to_those_of_the_embeddings_as_returned(module):
    images, labels = gaussians(5)
    lengths = np.random.default_rng(5).uniform(0.1, 10, size=(60, 1))
    assert abs(score(module, images * lengths, labels) - score(module, images, labels)) > 0.01


def test_nc1_is_centred_and_rankme_is_not():
    images, labels = gaussians(6)
    moved = images.astype(np.float64) + 5
    assert score(nc1, moved, labels) == pytest.approx(score(nc1, images, labels), rel=1e-9)
    assert score(rankme, moved, labels) < score(rankme, images, labels) - 1


@pytest.mark.parametrize("module", [knn20_accuracy, silhouette, nc1, alignment], ids=lambda module: module.METRIC.name)
def test_classes_that_lie_further_apart_are_better_by_the_scores_that_know_them(module):
    (near, labels), (far, _) = gaussians(7), gaussians(7, separation=8.0)
    change = score(module, far, labels) - score(module, near, labels)
    assert change > 0 if module.METRIC.scores[0].better == "higher" else change < 0
