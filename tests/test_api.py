"""clipkstar.kstar: anyone's embeddings, and every way in which they cannot be used."""

import doctest

import numpy as np
import pytest
from scipy.stats import skew

import clipkstar
from clipkstar import api, neighbors
from clipkstar.embeddings import Embeddings
from clipkstar.errors import InputError
from clipkstar.measure import measure
from clipkstar.metrics.kstar import METRIC
from clipkstar.neighbors import Engine, search_impostors
from clipkstar.skewness import class_statistics

FOUR = [[0.0], [1.0], [2.0], [9.0]]


def gaussians(n_images=40, dim=5, n_classes=3):
    generator = np.random.default_rng(0)
    labels = np.arange(n_images) % n_classes
    return generator.normal(size=(n_classes, dim))[labels] + generator.normal(size=(n_images, dim)), labels


def test_the_docstring_example_runs():
    example = doctest.DocTestFinder().find(clipkstar.kstar, "kstar", globs={})[0]
    assert len(example.examples) == 2
    assert doctest.DocTestRunner().run(example).failed == 0


def test_lists_and_string_labels_by_hand():
    # a at 0, 1 and b at 2, 9. 0: own at 1 before b at 2 -> 2; 1: b at 1 ties with own -> 1; 2: a at 1 -> 1;
    # 9: own at 7 before a at 8 -> 2.
    found = clipkstar.kstar(FOUR, ["a", "a", "b", "b"], distances=["euclidean"])
    assert found.images.select("row", "label", "kstar", "impostor_row").rows() == [
        (0, 0, 2, 2),
        (1, 0, 1, 2),
        (2, 1, 1, 1),
        (3, 1, 2, 1),
    ]
    columns = ("class", "name", "n_images", "kstar_mean", "kstar_std", "pattern", "nn1_accuracy")
    assert found.classes.select(columns).rows() == [
        (0, "a", 2, 0.75, 0.25, "overlapped", 0.5),
        (1, "b", 2, 0.75, 0.25, "overlapped", 0.5),
    ]
    assert found.scores["kstar_mean"] == 0.75
    assert found.scores["nn1_accuracy"] == 0.5


@pytest.mark.parametrize(
    "labels, names",
    [
        (["pear", "pear", "apple", "apple"], ["apple", "pear"]),
        (np.array(["pear", "pear", "apple", "apple"]), ["apple", "pear"]),
        ([7, 7, -3, -3], ["-3", "7"]),
        (np.array([9, 9, 2, 2], dtype=np.uint8), ["2", "9"]),
        ((True, True, False, False), ["False", "True"]),
    ],
)
def test_classes_are_the_sorted_distinct_labels(labels, names):
    found = clipkstar.kstar(FOUR, labels, distances=["euclidean"])
    assert found.classes["name"].to_list() == names
    assert found.images["label"].to_list() == [1, 1, 0, 0]
    assert found.images["kstar"].to_list() == [2, 1, 1, 2]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8])
def test_numbers_of_any_type_are_read_exactly(dtype):
    found = clipkstar.kstar(np.array(FOUR, dtype=dtype), [0, 0, 1, 1], distances=["euclidean"])
    assert found.images["kstar"].to_list() == [2, 1, 1, 2]


def test_unsigned_embeddings_do_not_wrap_around():
    # 0 and 255 are 255 apart, not 1.
    found = clipkstar.kstar(np.array([[0], [3], [255], [250]], dtype=np.uint8), [0, 0, 1, 1], distances=["euclidean"])
    assert found.images["kstar"].to_list() == [2, 2, 2, 2]


def test_embeddings_of_float64_are_not_rounded_to_float32():
    # 1 + 2^-40 and 1 + 2^-41 are one number in float32; in float64 the own image at 2^-41 is nearer than 2^-40.
    points = np.array([[1.0], [1 + 2.0**-41], [1 - 2.0**-40], [5.0]])
    found = clipkstar.kstar(points, [0, 0, 1, 1], distances=["euclidean"])
    assert found.images["kstar"].to_list() == [2, 2, 1, 1]


def test_torch_tensors_are_read():
    import torch

    found = clipkstar.kstar(torch.tensor(FOUR), torch.tensor([0, 0, 1, 1]), distances=["euclidean"])
    assert found.images["kstar"].to_list() == [2, 1, 1, 2]


@pytest.mark.parametrize(
    "distances, prefixes",
    [(["euclidean"], {""}), (("cosine",), {"cosine_"}), (("cosine", "euclidean", "cosine"), {"", "cosine_"})],
)
def test_only_the_distances_that_are_named_are_measured(distances, prefixes):
    images, labels = gaussians()
    found = clipkstar.kstar(images, labels, distances=distances)
    both = clipkstar.kstar(images, labels)
    for prefix in ("", "cosine_"):
        wanted = prefix in prefixes
        assert (f"{prefix}gamma_approx" in found.scores) == wanted
        assert (f"{prefix}kstar" in found.images.columns) == wanted
        assert (f"{prefix}gamma" in found.classes.columns) == wanted
    assert found.scores == {name: both.scores[name] for name in found.scores}
    assert found.images.equals(both.images.select(found.images.columns))
    assert found.classes.equals(both.classes.select(found.classes.columns))


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_one_distance_may_be_a_string(distance):
    images, labels = gaussians()
    found, listed = (clipkstar.kstar(images, labels, distances=given) for given in (distance, [distance]))
    assert found.scores == listed.scores
    assert found.intervals == listed.intervals
    assert found.images.equals(listed.images)
    assert found.classes.equals(listed.classes)


def test_the_notices_of_the_metric_come_with_the_result():
    images, labels = gaussians()
    held = Embeddings(images=images, labels=labels, rows=np.arange(40), class_names=("0", "1", "2"))
    found = clipkstar.kstar(images, labels)
    assert found.notices == measure(held, [METRIC]).notices
    assert found.notices == (
        "classes of fewer than 20 images, whose γ is mostly noise: 3.",
        "classes of fewer than 50 images, left out of gamma_approx_n50: 3.",
    )


def test_the_result_is_that_of_the_metric():
    images, labels = gaussians()
    found = clipkstar.kstar(images, labels)
    held = Embeddings(images=images, labels=labels, rows=np.arange(40), class_names=("0", "1", "2"))
    expected = measure(held, [METRIC])
    assert isinstance(found, clipkstar.KstarResult)
    assert found.scores == expected.scores
    assert found.images.equals(expected.images)
    assert found.classes.equals(expected.classes)


def test_the_embeddings_and_labels_are_left_as_they_are():
    images, labels = gaussians()
    before = images.copy(), labels.copy()
    clipkstar.kstar(images, labels)
    assert np.array_equal(images, before[0])
    assert np.array_equal(labels, before[1])


@pytest.mark.parametrize("backend", ["auto", "torch", "faiss"])
def test_every_backend_gives_the_same_numbers(backend):
    images, labels = gaussians(n_images=120)
    found = clipkstar.kstar(images, labels, backend=backend, device="cpu")
    plain = clipkstar.kstar(images, labels)
    assert (found.scores, found.intervals, found.notices) == (plain.scores, plain.intervals, plain.notices)
    assert found.images.equals(plain.images)
    assert found.classes.equals(plain.classes)


def test_the_engine_is_the_one_that_was_asked_for(monkeypatch):
    asked = []

    def search(*given, engine, **more):
        asked.append(engine)
        return search_impostors(*given, engine=engine, **more)

    monkeypatch.setattr(neighbors, "search_impostors", search)
    clipkstar.kstar(*gaussians(n_images=120, n_classes=2), backend="faiss", device="cpu")
    # One search of both distances, and one more of both in each of five draws of 50 of the 60 images of each class.
    assert asked == [Engine(backend="faiss", device="cpu")] * 6


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(device, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert refusal(FOUR, [0, 0, 1, 1], device=device) == (
        f"--device {device} was asked for, and torch sees none here; use --device auto."
    )


@pytest.mark.parametrize("queries", [0, -1])
def test_no_query_at_all_is_refused(queries):
    assert refusal(FOUR, [0, 0, 1, 1], queries=queries) == (
        f"kstar got {queries} queries; it needs at least 1, or None for all images."
    )


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_the_defaults_may_be_named(device):
    found = clipkstar.kstar(FOUR, [0, 0, 1, 1], distances=["euclidean"], queries=None, backend="auto", device=device)
    assert found.images["kstar"].to_list() == [2, 1, 1, 2]


def refusal(embeddings, labels, **more):
    with pytest.raises(InputError) as raised:
        clipkstar.kstar(embeddings, labels, **more)
    return str(raised.value)


def pool(seed=0, sizes=(200, 120, 60, 3)):
    """Classes that overlap, in mixed order."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = 1.2 * generator.normal(size=(len(sizes), 8))
    return centres[labels] + generator.normal(size=(len(labels), 8)), labels


def test_a_sample_has_the_kstar_of_the_full_run():
    images, labels = pool()
    sample, full = clipkstar.kstar(images, labels, queries=60), clipkstar.kstar(images, labels)
    rows = sample.images["row"].to_list()
    assert rows == sorted(set(rows))
    assert sample.images.equals(full.images[rows])
    # 60 of 383: 31.3, 18.8, 9.4 and 0.5 images; the two missing after rounding down go to the second and the fourth.
    assert sample.classes["n_queries"].to_list() == [31, 19, 9, 1]
    assert sample.classes["n_images"].to_list() == full.classes["n_images"].to_list() == [200, 120, 60, 3]
    assert (sample.queries, full.queries) == (60, None)
    assert "n_queries" not in full.classes.columns


def test_statistics_of_a_sample_are_over_its_images_with_class_sizes_of_the_pool():
    images, labels = pool()
    sample, full = clipkstar.kstar(images, labels, queries=60), clipkstar.kstar(images, labels)
    everyone = full.images.join(full.classes.select("n_images", label="class"), on="label", how="left")
    assert everyone["row"].to_list() == list(range(383))
    for prefix in ("", "cosine_"):
        fractions = (everyone[f"{prefix}kstar"] / everyone["n_images"]).to_numpy()
        sampled = [fractions[[row for row in sample.images["row"] if labels[row] == label]] for label in range(4)]
        means = [of_class.mean() for of_class in sampled]
        gammas = [float(skew(of_class)) for of_class in sampled[:3]]
        assert sample.classes[f"{prefix}kstar_mean"].to_list() == pytest.approx(means, rel=1e-12)
        assert sample.classes[f"{prefix}gamma"].to_list()[:3] == pytest.approx(gammas, rel=1e-9)
        # Of the fourth class one image was measured: a level, but no γ.
        assert sample.classes[f"{prefix}gamma"][3] is None
        assert sample.classes[f"{prefix}pattern"][3] is None
        assert sample.scores[f"{prefix}kstar_mean"] == pytest.approx(np.mean(means), rel=1e-12)
        assert sample.scores[f"{prefix}gamma_approx"] == pytest.approx(np.mean(gammas), rel=1e-9)
        assert sample.scores[f"{prefix}nn1_accuracy"] == (sample.images[f"{prefix}kstar"] > 1).mean()
        assert sample.scores[f"{prefix}gamma_true"] == pytest.approx(float(skew(np.concatenate(sampled))), rel=1e-9)


def test_a_sample_says_so_and_counts_its_small_classes():
    images, labels = pool()
    assert clipkstar.kstar(images, labels, queries=60).notices == (
        "k* of a sample: 60 of 383 images, each against all of them.",
        "classes of fewer than 20 sampled images, whose γ is mostly noise: 3.",
        "classes of fewer than 50 images, left out of gamma_approx_n50: 1.",
    )


def test_classes_without_a_sampled_image_are_null():
    # 40 of 383: 20.9, 12.5, 6.3 and 0.3 images; the two missing after rounding down go to the first and the second.
    images, labels = pool()
    found = clipkstar.kstar(images, labels, queries=40)
    assert found.classes["n_queries"].to_list() == [21, 13, 6, 0]
    assert found.classes["n_images"].to_list() == [200, 120, 60, 3]
    of_numbers = [name for name in found.classes.columns if name not in ("class", "name", "n_images", "n_queries")]
    assert len(of_numbers) == 22
    assert found.classes.select(of_numbers).row(3) == (None,) * 22
    assert None not in found.classes.select("kstar_mean", "gamma", "pattern", "nn1_accuracy").rows()[:3]
    assert found.scores["kstar_mean"] == pytest.approx(found.classes["kstar_mean"][:3].mean(), rel=1e-12)
    assert (found.scores["gamma_undefined"], found.scores["singleton_classes"]) == (0, 0)


def test_one_image_is_a_sample():
    images, labels = pool()
    found, full = clipkstar.kstar(images, labels, queries=1), clipkstar.kstar(images, labels)
    assert found.images.equals(full.images[found.images["row"].to_list()])
    assert (found.queries, found.images.height, found.intervals) == (1, 1, {})
    assert found.scores["gamma_approx"] is found.scores["gamma_true"] is None


@pytest.mark.parametrize("queries", [383, 384, 10**9])
def test_a_sample_of_all_images_or_more_is_no_sample(queries):
    images, labels = pool()
    found, full = clipkstar.kstar(images, labels, queries=queries), clipkstar.kstar(images, labels)
    assert (found.scores, found.intervals, found.notices) == (full.scores, full.intervals, full.notices)
    assert found.images.equals(full.images)
    assert found.classes.equals(full.classes)
    assert found.queries is None


def test_class_means_of_samples_are_those_of_all_images_on_average():
    images, labels = pool(sizes=(200, 120, 60))
    sizes, n_samples = np.array([200, 120, 60]), 60
    quotas = np.array([20, 12, 6])
    generator = np.random.default_rng(1)
    by_sample = []
    for _ in range(n_samples):
        chosen = [generator.choice(np.flatnonzero(labels == label), quotas[label], replace=False) for label in range(3)]
        queries = np.sort(np.concatenate(chosen))
        kstar = search_impostors(images, labels, queries=queries)["euclidean"].kstar
        by_sample.append(class_statistics(kstar, labels[queries], sizes).mean)
    full = class_statistics(search_impostors(images, labels)["euclidean"].kstar, labels, sizes)
    # Standard error of a mean of m of n without replacement: s √((1 - m/n)/m), s² = σ² n/(n - 1); then of n_samples.
    errors = full.std * np.sqrt(sizes / (sizes - 1) * (1 - quotas / sizes) / quotas / n_samples)
    assert (np.abs(np.mean(by_sample, axis=0) - full.mean) < 4 * errors).all()
    assert np.std(by_sample, axis=0, ddof=1) == pytest.approx(errors * np.sqrt(n_samples), rel=0.5)


def test_intervals_of_samples_are_wider_on_average():
    widths = {name: [] for name in ("kstar_mean", "nn1_accuracy", "gamma_approx", "gamma_true")}
    for seed in range(5):
        images, labels = pool(seed, sizes=(200, 200, 200))
        found = [clipkstar.kstar(images, labels, distances="euclidean", queries=n).intervals for n in (120, None)]
        for name, pair in widths.items():
            pair.append([limits[name][1] - limits[name][0] for limits in found])
    for name, pairs in widths.items():
        sampled, full = np.mean(pairs, axis=0)
        assert sampled > 1.1 * full, name


def test_unknown_distances_and_none_are_refused():
    needs = "it needs one or both of euclidean, cosine."
    assert refusal(FOUR, [0, 0, 1, 1], distances=["euclidean", "dot"]) == (
        f"kstar got the distances ['euclidean', 'dot']; {needs}"
    )
    assert refusal(FOUR, [0, 0, 1, 1], distances="dot") == f"kstar got the distances ['dot']; {needs}"
    assert refusal(FOUR, [0, 0, 1, 1], distances=()) == f"kstar got the distances []; {needs}"


@pytest.mark.parametrize(
    "embeddings, dtype",
    [
        ([["0"], ["1"], ["2"]], "<U1"),
        ([[1j], [2j], [3j]], "complex128"),
        ([[True], [False], [True]], "bool"),
        ([[None], [1.0], [2.0]], "object"),
    ],
)
def test_embeddings_that_are_not_real_numbers_are_refused(embeddings, dtype):
    assert refusal(embeddings, [0, 0, 1]) == (
        f"kstar got embeddings of type {dtype} and shape (3, 1); it needs numbers of shape (n_images, dim)."
    )


@pytest.mark.parametrize("embeddings, shape", [([0.0, 1.0, 9.0], "(3,)"), (np.zeros((3, 2, 2)), "(3, 2, 2)")])
def test_embeddings_that_are_no_table_are_refused(embeddings, shape):
    assert refusal(embeddings, [0, 0, 1]) == (
        f"kstar got embeddings of type float64 and shape {shape}; it needs numbers of shape (n_images, dim)."
    )


@pytest.mark.parametrize(
    "labels, shape, dtype",
    [
        ([[0], [0], [1], [1]], "(4, 1)", "int64"),
        (3, "()", "int64"),
        ([0.0, 0.0, 1.0, 1.0], "(4,)", "float64"),
    ],
)
def test_labels_of_another_shape_or_type_are_refused(labels, shape, dtype):
    assert refusal(FOUR, labels) == (
        f"kstar got labels of type {dtype} and shape {shape}; it needs one integer or string per image."
    )


def test_ragged_embeddings_are_refused():
    assert refusal([[1.0], [1.0, 2.0]], [0, 1]).startswith("kstar cannot read the embeddings as a numpy array (")


@pytest.mark.parametrize("spoil", [lambda t: t.requires_grad_(), lambda t: t.bfloat16()], ids=["gradient", "bfloat16"])
def test_tensors_that_numpy_cannot_hold_are_refused(spoil):
    import torch

    said = refusal(spoil(torch.tensor(FOUR)), [0, 0, 1, 1])
    assert said.startswith("kstar cannot read the embeddings as a numpy array (")
    assert said.endswith("); give it one.")


def test_labels_of_python_objects_may_be_strings():
    assert clipkstar.kstar(FOUR, np.array(["b", "b", "a", "a"], dtype=object), distances=("euclidean",)).classes[
        "name"
    ].to_list() == ["a", "b"]


def test_a_different_number_of_labels_is_refused():
    assert refusal(FOUR, [0, 0, 1]) == "kstar got 4 embeddings and 3 labels; it needs one label per embedding."


def test_no_image_is_refused():
    assert refusal(np.zeros((0, 3)), np.zeros(0, dtype=np.int64)) == (
        "k* got no image at all; it needs images of at least two classes."
    )


def test_one_class_only_is_refused():
    assert refusal(FOUR, ["cat"] * 4) == (
        "all images have one and the same label; k* needs images of at least two classes."
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused_with_the_row(value):
    assert refusal([[0.0], [1.0], [value], [9.0]], [0, 0, 1, 1]) == (
        "the embedding of row 2 holds NaN or infinity (1 of 4 rows do); k* needs finite embeddings, "
        "try --precision fp32."
    )


def test_a_zero_vector_is_refused_under_cosine_only():
    assert refusal(FOUR, [0, 0, 1, 1]) == ("the embedding of row 0 is zero; the cosine distance needs a direction.")
    assert clipkstar.kstar(FOUR, [0, 0, 1, 1], distances=["euclidean"]).images.height == 4


def test_the_public_function_is_that_of_the_api_module():
    assert clipkstar.kstar is api.kstar
    assert clipkstar.KstarResult is api.KstarResult
