"""k* against an independent reference: the definition read aloud, sorting in pure Python, with exact sums."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from clipkstar.embeddings import Embeddings
from clipkstar.errors import InputError
from clipkstar.neighbors import DISTANCES, Neighbors, impostors, search_impostors


def search(images, labels, distance="euclidean", **options):
    return search_impostors(images, labels, (distance,), **options)[distance]


def reference(images, labels, distance):
    """k* and nearest impostor: sort the other images by distance, impostors first among equals, find the first one."""
    points = [[float(value) for value in row] for row in images.tolist()]
    if distance == "cosine":
        points = [[value / math.hypot(*point) for value in point] for point in points]
    kstar, positions = [], []
    for i, point in enumerate(points):
        ranking = sorted(
            (math.fsum((a - b) * (a - b) for a, b in zip(point, other, strict=True)), labels[j] == labels[i], j)
            for j, other in enumerate(points)
            if j != i
        )
        rank = next(rank for rank, (_, same_class, _) in enumerate(ranking, start=1) if not same_class)
        kstar.append(rank)
        positions.append(ranking[rank - 1][2])
    return kstar, positions


def assert_equals_reference(images, labels, distance):
    found = search(images, np.asarray(labels), distance)
    kstar, positions = reference(images, list(labels), distance)
    assert found.kstar.tolist() == kstar
    assert found.positions.tolist() == positions


def two_or_more_labels(seed, n_images, n_classes):
    labels = np.random.default_rng(seed).integers(0, n_classes, n_images)
    labels[:2] = 0, 1
    return labels


def gaussians(seed, n_images, dim, n_classes, separation):
    """Labels, and one unit Gaussian per class around centres that lie about `separation` apart."""
    generator = np.random.default_rng(seed)
    labels = two_or_more_labels(seed, n_images, n_classes)
    centres = generator.normal(size=(n_classes, dim)) * separation / math.sqrt(2 * dim)
    return centres[labels] + generator.normal(size=(n_images, dim)), labels


def test_six_points_on_a_line_by_hand():
    # class 0 at 0, 1, 3; class 1 at 4.5, 6, 10.
    # 0:   impostor 4.5 at 4.5; own at 1 and 3 are nearer           -> 3
    # 1:   impostor 4.5 at 3.5; own at 1 and 2 are nearer           -> 3
    # 3:   impostor 4.5 at 1.5; own at 2 and 3 are not              -> 1
    # 4.5: impostor 3 at 1.5; own 6 at 1.5 ties, the impostor wins  -> 1
    # 6:   impostor 3 at 3; own 4.5 at 1.5 is nearer, 10 at 4 not   -> 2
    # 10:  impostor 3 at 7; own at 4 and 5.5 are nearer             -> 3
    images = np.array([[0], [1], [3], [4.5], [6], [10]], dtype=np.float32)
    labels = np.array([0, 0, 0, 1, 1, 1])
    found = search(images, labels)
    assert found.kstar.tolist() == [3, 3, 1, 1, 2, 3]
    assert found.positions.tolist() == [3, 3, 3, 2, 2, 2]
    assert found.kstar.dtype == found.positions.dtype == np.int64
    assert_equals_reference(images, labels, "euclidean")


def test_six_directions_by_hand():
    # class 0 at 0 and 0 and 90 degrees, class 1 at 45, 180 and 180 degrees.
    # 0 (twice): impostor 45 degrees away, the other 0 coincides    -> 2
    # 90:        impostor 45 away, own are 90 away                  -> 1
    # 45:        all impostors 45 away, own are 135 away            -> 1, first of the three
    # 180 twice: impostor 90 away, the other 180 coincides          -> 2
    images = np.array([[1, 0], [5, 0], [0, 2], [3, 3], [-1, 0], [-2, 0]], dtype=np.float32)
    labels = np.array([0, 0, 0, 1, 1, 1])
    found = search(images, labels, "cosine")
    assert found.kstar.tolist() == [2, 2, 1, 1, 2, 2]
    assert found.positions.tolist() == [3, 3, 3, 0, 2, 2]
    # The lengths change everything for the Euclidean distance: (1, 0) to (-1, 0) is 2, to (5, 0) is 4.
    assert search(images, labels).kstar.tolist() == [1, 1, 1, 1, 2, 2]


def test_interleaved_classes_have_impostors_first_everywhere():
    # 0, 1, 2, … alternate: the neighbours at distance 1 are impostors, the first own image is at 2.
    found = search(np.arange(8.0)[:, None], np.arange(8) % 2)
    assert found.kstar.tolist() == [1] * 8
    assert found.positions.tolist() == [1, 0, 1, 2, 3, 4, 5, 6]


def test_exact_duplicates_within_a_class_are_all_nearer_than_the_impostor():
    # three images at 0 and one impostor at 2: each of the three has the two others at distance 0.
    found = search(np.array([[0.0], [2.0], [0.0], [0.0]]), np.array([0, 1, 0, 0]))
    assert found.kstar.tolist() == [3, 1, 3, 3]
    assert found.positions.tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("value", [0.1, 1.0, 1e4, 3e-7])
def test_exact_duplicates_across_classes_are_ties_that_go_to_the_impostor(distance, value):
    # Positions 0, 1, 2 coincide with labels 0, 0, 1, so nothing is nearer than d = 0; 3 and 4 coincide.
    same, far = [value, -3 * value, 7 * value], [-value, 5 * value, value]
    images = np.array([same, same, same, far, far], dtype=np.float32)
    found = search(images, np.array([0, 0, 1, 1, 1]), distance)
    assert found.kstar.tolist() == [1, 1, 1, 2, 2]
    assert found.positions.tolist() == [2, 2, 0, 0, 0]


def test_equal_directions_of_different_lengths_are_ties_under_cosine():
    direction = np.array([0.3, -0.7, 0.2, 0.9], dtype=np.float32).astype(np.float64)
    images = np.array([direction, 3 * direction, 7 * direction, 1e5 * direction, -direction])
    found = search(images, np.array([0, 0, 1, 0, 1]), "cosine")
    assert found.kstar.tolist() == [1, 1, 1, 1, 1]
    assert found.positions.tolist() == [2, 2, 0, 2, 0]


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dim", [1, 2, 3, 64])
@pytest.mark.parametrize("separation", [0, 2, 20], ids=["random", "overlapping", "clustered"])
def test_gaussians_equal_the_reference(distance, dim, separation):
    images, labels = gaussians(dim, n_images=50, dim=dim, n_classes=4, separation=separation)
    if distance == "cosine" and dim == 1:
        # On a line there are two directions only: k* > 1 needs a direction that one class has for itself.
        images[labels == 0], images[labels > 0] = np.abs(images[labels == 0]), -np.abs(images[labels > 0])
    assert_equals_reference(images.astype(np.float32), labels, distance)


@pytest.mark.parametrize("dim", [1, 2, 3, 16])
@pytest.mark.parametrize("steps", [2, 8, 256])
def test_embeddings_on_an_eight_bit_grid_with_many_ties_equal_the_reference(dim, steps):
    generator = np.random.default_rng(steps + dim)
    images = (generator.integers(0, steps, size=(50, dim)) / 256).astype(np.float32)
    assert_equals_reference(images, two_or_more_labels(dim, 50, 3), "euclidean")


@pytest.mark.parametrize("dim", [4, 16, 64])
def test_signs_with_many_ties_under_cosine_equal_the_reference(dim):
    # dim is a power of four: a vector of ±1 has length 2, 4 or 8, so unit vectors and their distances are exact.
    generator = np.random.default_rng(dim)
    images = generator.choice([-1.0, 1.0], size=(50, dim)) * 2.0 ** generator.integers(-3, 4, size=(50, 1))
    assert_equals_reference(images, two_or_more_labels(dim, 50, 3), "cosine")


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("offset, scale", [(1e3, 1.0), (0.0, 1e4), (1e3, 1e-3), (0.0, 1e-12)])
def test_large_offsets_and_extreme_lengths_equal_the_reference(distance, offset, scale):
    images, labels = gaussians(5, n_images=50, dim=12, n_classes=3, separation=3)
    assert_equals_reference((images * scale + offset).astype(np.float32), labels, distance)


def test_distances_below_the_rounding_of_a_matrix_product_equal_the_reference():
    # Squared norms near 1e9 round at 1e-7 in float64; the squared distances here are near 1e-11.
    images, labels = gaussians(6, n_images=50, dim=8, n_classes=3, separation=3)
    assert_equals_reference(1e4 + images * 1e-6, labels, "euclidean")


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_float_type_is_read_as_stored(distance, dtype):
    images, labels = gaussians(7, n_images=50, dim=9, n_classes=3, separation=2)
    stored = images.astype(dtype)
    assert_equals_reference(stored, labels, distance)
    assert stored.dtype == dtype
    assert np.array_equal(stored, images.astype(dtype))


@pytest.mark.parametrize("distance", DISTANCES)
def test_arrays_that_are_not_contiguous_are_read_alike(distance):
    images, labels = gaussians(8, n_images=40, dim=6, n_classes=3, separation=2)
    wide = np.zeros((80, 12))
    wide[::2, ::-2] = images
    expected = search(images, labels, distance)
    for view in (wide[::2, ::-2], np.asfortranarray(images)):
        found = search(view, np.repeat(labels, 2)[::2], distance)
        assert found.kstar.tolist() == expected.kstar.tolist()
        assert found.positions.tolist() == expected.positions.tolist()


@pytest.mark.parametrize("distance", DISTANCES)
def test_images_alone_in_their_class_have_kstar_one(distance):
    images, _ = gaussians(9, n_images=20, dim=5, n_classes=2, separation=2)
    labels = np.array([0] * 8 + [1] * 8 + [2, 3, 4, 9])
    assert search(images, labels, distance).kstar[-4:].tolist() == [1, 1, 1, 1]
    assert_equals_reference(images, labels, distance)
    assert search(images, np.arange(20), distance).kstar.tolist() == [1] * 20


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("side", [1, 7, 20])
def test_panels_of_any_size_give_the_same_result(monkeypatch, distance, side):
    # Rounded to one place: many ties, so that pairs have to be settled in many tiles.
    images, labels = gaussians(10, n_images=47, dim=3, n_classes=3, separation=2)
    images = images.round(1)
    whole = search(images, labels, distance)
    monkeypatch.setattr(impostors, "PANEL", {"cpu": side})
    found = search(images, labels, distance)
    assert found.kstar.tolist() == whole.kstar.tolist()
    assert found.positions.tolist() == whole.positions.tolist()


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_rotation_leaves_kstar_as_it_is(distance):
    images, labels = gaussians(11, n_images=60, dim=10, n_classes=3, separation=2)
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))
    rotated = search(images @ rotation, labels, distance)
    assert rotated.kstar.tolist() == search(images, labels, distance).kstar.tolist()


def test_the_mean_of_kstar_above_one_is_leave_one_out_nearest_neighbour_accuracy():
    images, labels = gaussians(12, n_images=80, dim=6, n_classes=4, separation=2)
    predictions = cross_val_predict(KNeighborsClassifier(1), images, labels, cv=LeaveOneOut())
    assert 0.2 < (predictions == labels).mean() < 0.9
    assert (search(images, labels).kstar > 1).tolist() == (predictions == labels).tolist()


def test_a_search_is_made_once_per_distance():
    images, labels = gaussians(13, n_images=20, dim=4, n_classes=2, separation=2)
    held = Embeddings(images=images, labels=labels, rows=np.arange(20), class_names=("a", "b"))
    shared = Neighbors(held)
    both = shared.search_impostors(DISTANCES)
    for distance in DISTANCES:
        assert shared.search_impostors((distance,))[distance] is both[distance]
        assert both[distance].kstar.tolist() == search(images, labels, distance).kstar.tolist()
    grouped = shared.search_impostors(DISTANCES, np.arange(20) % 4)
    assert grouped["cosine"].kstar_without.shape == (4, 20)
    assert shared.search_impostors(("cosine",), np.arange(20) % 4)["cosine"] is grouped["cosine"]


# Small integers: differences, their squares and the sums are exact in float64, so ties are ties and nothing else is.
small_integers = st.integers(2, 14).flatmap(
    lambda n_images: st.tuples(
        st.integers(1, 4).flatmap(lambda dim: arrays(np.float64, (n_images, dim), elements=st.integers(-4, 4))),
        arrays(np.int64, n_images, elements=st.integers(0, 2)),
    )
)


def two_classes(labels):
    assume(len(set(labels.tolist())) > 1)


@settings(max_examples=100, deadline=None)
@given(small_integers)
def test_small_integers_equal_the_reference(drawn):
    images, labels = drawn
    two_classes(labels)
    assert_equals_reference(images, labels, "euclidean")


@settings(max_examples=60, deadline=None)
@given(small_integers, st.randoms(use_true_random=False), st.sampled_from(DISTANCES))
def test_the_order_of_the_images_does_not_matter(drawn, random, distance):
    images, labels = drawn
    two_classes(labels)
    if distance == "cosine":
        assume(images.any(axis=1).all())
    order = random.sample(range(len(labels)), len(labels))
    found = search(images, labels, distance).kstar
    assert search(images[order], labels[order], distance).kstar.tolist() == found[order].tolist()


@settings(max_examples=60, deadline=None)
@given(small_integers, st.integers(-1000, 1000), st.integers(-30, 30), st.randoms(use_true_random=False))
def test_translation_scale_permuted_and_mirrored_axes_do_not_matter(drawn, shift, exponent, random):
    images, labels = drawn
    two_classes(labels)
    dim = images.shape[1]
    signs = [random.choice((-1.0, 1.0)) for _ in range(dim)]
    moved = (images[:, random.sample(range(dim), dim)] * signs + shift * np.arange(1, dim + 1)) * 2.0**exponent
    found, expected = search(moved, labels), search(images, labels)
    assert found.kstar.tolist() == expected.kstar.tolist()
    assert found.positions.tolist() == expected.positions.tolist()


@settings(max_examples=60, deadline=None)
@given(small_integers, st.randoms(use_true_random=False))
def test_the_length_of_each_embedding_and_mirrored_axes_do_not_matter_under_cosine(drawn, random):
    images, labels = drawn
    two_classes(labels)
    assume(images.any(axis=1).all())
    lengths = np.array([2.0 ** random.randint(-40, 40) for _ in labels])[:, None]
    signs = [random.choice((-1.0, 1.0)) for _ in images.T]
    found = search(images * signs * lengths, labels, "cosine")
    expected = search(images, labels, "cosine")
    assert found.kstar.tolist() == expected.kstar.tolist()
    assert found.positions.tolist() == expected.positions.tolist()


@settings(max_examples=60, deadline=None)
@given(small_integers)
def test_kstar_is_above_one_exactly_where_every_nearest_neighbour_has_the_label(drawn):
    images, labels = drawn
    two_classes(labels)
    right = []
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        away = np.abs(images - image).astype(np.int64)
        squared = {j: int(away[j] @ away[j]) for j in range(len(labels)) if j != i}
        nearest = {labels[j] for j, distance in squared.items() if distance == min(squared.values())}
        right.append(nearest == {label})
    assert (search(images, labels).kstar > 1).mean() == np.mean(right)


@settings(max_examples=60, deadline=None)
@given(small_integers, st.sampled_from(DISTANCES))
def test_kstar_lies_from_one_to_the_size_of_the_class_and_impostors_are_of_other_classes(drawn, distance):
    images, labels = drawn
    two_classes(labels)
    if distance == "cosine":
        assume(images.any(axis=1).all())
    found = search(images, labels, distance)
    assert (found.kstar >= 1).all()
    assert (found.kstar <= np.bincount(labels)[labels]).all()
    assert (labels[found.positions] != labels).all()


@pytest.mark.parametrize(
    "images, labels, shapes",
    [
        (np.zeros(3), np.array([0, 0, 1]), "(3,) and labels of shape (3,)"),
        (np.zeros((3, 2)), np.array([0, 1]), "(3, 2) and labels of shape (2,)"),
        (np.zeros((3, 2)), np.array([[0], [0], [1]]), "(3, 2) and labels of shape (3, 1)"),
        (np.zeros((3, 2, 2)), np.array([0, 0, 1]), "(3, 2, 2) and labels of shape (3,)"),
        (np.zeros((3, 0)), np.array([0, 0, 1]), "(3, 0) and labels of shape (3,)"),
    ],
)
def test_shapes_that_do_not_match_are_named(images, labels, shapes):
    with pytest.raises(InputError) as raised:
        search(images, labels)
    needs = "it needs (n_images, dim), dim at least 1, and (n_images,)."
    assert str(raised.value) == f"k* got embeddings of shape {shapes}; {needs}"


@pytest.mark.parametrize("scale", [1e160, 1e-170])
def test_embeddings_whose_squares_leave_the_range_of_float64_are_searched_exactly(scale):
    points = np.array([[1.0], [2.0], [9.0], [10.0]]) * scale
    assert search(points, np.array([0, 0, 1, 1])).kstar.tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize("distance", DISTANCES)
def test_no_image_is_an_error(distance):
    with pytest.raises(InputError) as raised:
        search(np.zeros((0, 4)), np.zeros(0, dtype=np.int64), distance)
    assert str(raised.value) == "k* got no image at all; it needs images of at least two classes."


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("n_images", [1, 4])
def test_one_class_only_is_an_error(distance, n_images):
    with pytest.raises(InputError) as raised:
        search(np.ones((n_images, 2)), np.full(n_images, 3), distance)
    assert str(raised.value) == "all images have one and the same label; k* needs images of at least two classes."


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_that_are_not_finite_name_the_first_row(distance, value, dtype):
    images = np.ones((5, 3), dtype=dtype)
    images[2, 1] = images[4, 0] = images[4, 2] = value
    with pytest.raises(InputError) as raised:
        search(images, np.array([0, 0, 1, 1, 1]), distance)
    assert str(raised.value) == (
        "the embedding of row 2 holds NaN or infinity (2 of 5 rows do); k* needs finite embeddings, "
        "try --precision fp32."
    )


def test_an_embedding_of_length_zero_has_no_cosine_and_is_named():
    images, labels = np.array([[1.0, 2.0], [0.0, 1.0], [0.0, -0.0], [0.0, 0.0]]), np.array([0, 0, 1, 1])
    with pytest.raises(InputError) as raised:
        search(images, labels, "cosine")
    assert str(raised.value) == "the embedding of row 2 is zero; the cosine distance needs a direction."
    # Euclidean, squared: (1, 2) has its own at 2, the impostors at 5; (0, 1) an impostor at 1; the zeros each other.
    assert search(images, labels, "euclidean").kstar.tolist() == [2, 1, 2, 2]
