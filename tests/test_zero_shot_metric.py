"""Zero-shot classification: by hand, against scikit-learn, and against textbook formulas."""

import math

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtri, softmax
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score

from clipkstar.embeddings import Embeddings
from clipkstar.metrics import zero_shot
from clipkstar.neighbors import Neighbors


def held(images, labels, classes, **more):
    return Embeddings(
        images=np.array(images, dtype=np.float32),
        labels=np.array(labels),
        rows=np.arange(len(labels)),
        class_names=tuple(f"class {label}" for label in range(len(classes))),
        classes=np.array(classes, dtype=np.float32),
        **more,
    )


def measured(embeddings):
    return zero_shot.METRIC.compute(embeddings, Neighbors(embeddings))


def random_embeddings(seed, n_images=200, dim=16, n_classes=12):
    generator = np.random.default_rng(seed)
    classes = generator.normal(size=(n_classes, dim))
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    labels = np.arange(n_images) % n_classes
    images = 4 * classes[labels] + 1.5 * generator.normal(size=(n_images, dim))
    return held(images, labels, classes, logit_scale=20.0)


def cosines(embeddings):
    """Cosine similarities in float64."""
    images, classes = embeddings.images.astype(np.float64), embeddings.classes.astype(np.float64)
    return (images @ classes.T) / np.sqrt((images**2).sum(axis=1, keepdims=True))


def test_two_classes_by_hand():
    # Logits are ln 3 · cosine: an image on a class axis has confidence 3/(3 + 1) = 0.75, one between the axes 0.5.
    images = [[1, 0], [2, 0], [0, 5], [1, 1], [3, 3]]
    found = measured(held(images, [0, 1, 1, 0, 1], np.eye(2), logit_scale=math.log(3)))
    # The two images between the axes tie: the first class wins, right for the fourth, wrong for the fifth.
    assert found.images["prediction"].to_list() == [0, 0, 1, 0, 0]
    assert found.images["confidence"].to_list() == pytest.approx([0.75, 0.75, 0.75, 0.5, 0.5], abs=1e-6)
    assert found.images.schema == {"prediction": pl.Int64, "confidence": pl.Float64}
    # Right: images 1, 3, 4. Class 0: 2 of 2; class 1: 1 of 3.
    assert found.classes.schema == {"recall": pl.Float64}
    assert found.classes["recall"].to_list() == pytest.approx([1, 1 / 3])
    assert found.scores["top1"] == pytest.approx(3 / 5)
    assert found.scores["mean_class_recall"] == pytest.approx(2 / 3)
    assert found.scores["top5"] is None
    # Bin of 0.75: |2/3 - 0.75| for 3 images; bin of 0.5: |1/2 - 0.5| for 2; (0.25 + 0)/5 = 0.05.
    assert found.scores["ece"] == pytest.approx(0.05, abs=1e-6)
    assert set(found.intervals) == {"top1"}
    assert found.notices == ()


def test_a_sigmoid_model_has_the_same_predictions_and_the_sigmoid_of_the_best_logit_as_confidence():
    # Logits are 2 ln 3 · cosine - ln 3: on an axis ln 3, whose sigmoid is 3/4; opposite -3 ln 3, 1/28.
    more = {"logit_scale": 2 * math.log(3), "logit_bias": -math.log(3)}
    found = measured(held([[1, 0], [0, 2], [-1, -1]], [0, 0, 1], np.eye(2), **more))
    assert found.images["prediction"].to_list() == [0, 1, 0]
    # Between the opposite axes the cosine is -1/sqrt(2): logit -ln 3 · (sqrt(2) + 1).
    opposite = 1 / (1 + 3 ** (math.sqrt(2) + 1))
    assert found.images["confidence"].to_list() == pytest.approx([0.75, 0.75, opposite], abs=1e-6)
    assert found.scores["top1"] == pytest.approx(1 / 3)
    # The two at 0.75, one right: |1 - 1.5|; the third, wrong: opposite; over three images.
    assert found.scores["ece"] == pytest.approx((0.5 + opposite) / 3, abs=1e-6)


def test_a_bias_of_zero_is_still_a_sigmoid_model():
    # Between the axes both logits are ln 3 / sqrt(2): the softmax of two equal logits is 1/2, the sigmoid is not.
    images, scale = [[1, 1]], math.log(3)
    softmax = measured(held(images, [0], np.eye(2), logit_scale=scale))
    sigmoid = measured(held(images, [0], np.eye(2), logit_scale=scale, logit_bias=0.0))
    assert softmax.images["confidence"].to_list() == pytest.approx([0.5], abs=1e-6)
    assert sigmoid.images["confidence"].to_list() == pytest.approx([1 / (1 + 3 ** -math.sqrt(0.5))], abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_of_equal_class_names_the_first_wins_always(seed):
    # As ImageNet's "maillot": classes 9 and 3 have the same embedding, so do 0 and 11.
    embeddings = random_embeddings(seed, n_images=240, dim=64)
    embeddings.classes[9], embeddings.classes[11] = embeddings.classes[3], embeddings.classes[0]
    logits = zero_shot.class_logits(embeddings)
    assert logits.dtype == np.float32
    assert (logits[:, 9] == logits[:, 3]).all()
    assert (logits[:, 11] == logits[:, 0]).all()
    predictions = set(measured(embeddings).images["prediction"].to_list())
    assert {0, 3} <= predictions
    assert not {9, 11} & predictions


def test_equal_logits_rank_by_class_index_in_top5_as_well():
    # All six classes tie for every image: the five first are in the top five, the last is not.
    found = measured(held(np.ones((6, 2)), range(6), [[1, 0]] * 6))
    assert found.images["prediction"].to_list() == [0] * 6
    assert found.scores["top1"] == pytest.approx(1 / 6)
    assert found.scores["top5"] == pytest.approx(5 / 6)


def test_label_ranks_by_hand():
    # Order of the columns by falling logit, the first of equals first: 2, 0, 3, 1.
    logits = np.array([[5, 1, 7, 5]] * 4, dtype=np.float32)
    assert zero_shot.label_ranks(logits, np.arange(4)).tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize("n_classes, defined", [(4, False), (5, True)])
def test_top5_needs_five_classes(n_classes, defined):
    found = measured(held(np.eye(n_classes), range(n_classes), np.eye(n_classes)))
    assert found.scores["top5"] == (1.0 if defined else None)
    assert ("top5" in found.intervals) == defined


def test_mean_class_recall_is_over_the_classes_that_have_images():
    # Class 0: 1 of 2 right, class 2: 1 of 1; class 1 has no image, though one image is taken for it.
    found = measured(held([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, 2], np.eye(3)))
    assert found.classes["recall"].to_list() == [0.5, None, 1.0]
    assert found.scores["mean_class_recall"] == pytest.approx(0.75)
    assert found.scores["top1"] == pytest.approx(2 / 3)


def test_without_a_text_tower_every_score_is_none_and_the_reader_is_told():
    embeddings = Embeddings(
        images=np.eye(3, dtype=np.float32), labels=np.arange(3), rows=np.arange(3), class_names=("a", "b", "c")
    )
    found = measured(embeddings)
    assert found.scores == {"top1": None, "top5": None, "mean_class_recall": None, "ece": None}
    assert found.intervals == {}
    assert (found.images, found.classes) == (None, None)
    assert found.notices == ("without text embeddings in this space the zero-shot scores are null.",)


def test_the_length_of_an_image_embedding_does_not_matter_and_zero_has_a_tie():
    found = measured(held([[3e-20, 0], [1e15, 0], [0, 0]], [0, 0, 0], np.eye(2), logit_scale=math.log(3)))
    assert found.images["prediction"].to_list() == [0, 0, 0]
    assert found.images["confidence"].to_list() == pytest.approx([0.75, 0.75, 0.5], abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_recall_and_top_k_equal_scikit_learn(seed):
    embeddings = random_embeddings(seed)
    similarities = cosines(embeddings)
    found = measured(embeddings)
    predictions = similarities.argmax(axis=1)
    assert found.images["prediction"].to_list() == predictions.tolist()
    assert 0.2 < found.scores["top1"] < found.scores["top5"] < 1
    assert found.scores["mean_class_recall"] == pytest.approx(balanced_accuracy_score(embeddings.labels, predictions))
    for name, k in (("top1", 1), ("top5", 5)):
        assert found.scores[name] == pytest.approx(top_k_accuracy_score(embeddings.labels, similarities, k=k))


def sum_over_bins(confidences, correct, n_bins=15):
    """Expected calibration error as it is written: Σ n_b/N · |accuracy of the bin - mean confidence of the bin|."""
    total = 0.0
    for number in range(n_bins):
        low, high = number / n_bins, (number + 1) / n_bins
        members = [i for i, value in enumerate(confidences) if low < value <= high or (number == 0 and value == 0)]
        if members:
            accuracy = sum(bool(correct[i]) for i in members) / len(members)
            mean_confidence = math.fsum(confidences[i] for i in members) / len(members)
            total += len(members) / len(confidences) * abs(accuracy - mean_confidence)
    return total


@pytest.mark.parametrize("sigmoid", [False, True])
def test_calibration_error_of_a_model_equals_the_sum_over_bins(sigmoid):
    embeddings = random_embeddings(0)
    logits = 20 * cosines(embeddings)
    best = logits.max(axis=1)
    expected = 1 / (1 + np.exp(-best)) if sigmoid else 1 / np.exp(logits - best[:, None]).sum(axis=1)
    more = {"logit_bias": 0.0} if sigmoid else {}
    found = measured(held(embeddings.images, embeddings.labels, embeddings.classes, logit_scale=20.0, **more))
    assert found.images["confidence"].to_list() == pytest.approx(expected.tolist(), abs=1e-5)
    correct = logits.argmax(axis=1) == embeddings.labels
    assert found.scores["ece"] == pytest.approx(sum_over_bins(expected.tolist(), correct.tolist()), abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_of_any_confidences_equals_the_sum_over_bins(seed):
    generator = np.random.default_rng(seed)
    confidences, correct = generator.random(500), generator.random(500) < 0.6
    given = zero_shot.expected_calibration_error(confidences, correct)
    assert given == pytest.approx(sum_over_bins(confidences.tolist(), correct.tolist()), abs=1e-12)


@pytest.mark.parametrize("number", range(1, 15))
def test_the_right_end_of_a_bin_belongs_to_it(number):
    # The end of bin `number`, right, and its middle, wrong: in one bin |1 - end - middle| / 2; apart it would be
    # (1 - end + middle) / 2.
    end, middle = number / 15, (number - 0.5) / 15
    given = zero_shot.expected_calibration_error(np.array([end, middle]), np.array([True, False]))
    assert given == pytest.approx(abs(1 - end - middle) / 2)


def test_calibration_error_at_the_ends_of_the_range():
    certain = zero_shot.expected_calibration_error
    assert certain(np.array([1.0, 1.0]), np.array([True, True])) == 0
    assert certain(np.array([1.0, 1.0]), np.array([False, False])) == 1
    assert certain(np.array([0.0, 0.0]), np.array([False, True])) == pytest.approx(0.5)


@pytest.mark.parametrize("hits, n_images", [(0, 10), (1, 7), (3, 10), (10, 10), (762, 1000)])
def test_intervals_are_wilsons_by_the_textbook_formula(hits, n_images):
    # (p + z²/2n ± z sqrt(p(1 - p)/n + z²/4n²)) / (1 + z²/n) with z the 97.5 % point of the normal distribution.
    z, p = 1.959963984540054, hits / n_images
    middle, half = p + z**2 / (2 * n_images), z * math.sqrt(p * (1 - p) / n_images + z**2 / (4 * n_images**2))
    expected = [(middle - half) / (1 + z**2 / n_images), (middle + half) / (1 + z**2 / n_images)]
    given = zero_shot.wilson(np.arange(n_images) < hits)
    assert list(given) == pytest.approx(expected, abs=1e-9)
    assert 0 <= given[0] <= p <= given[1] <= 1


def test_intervals_belong_to_top1_and_top5():
    embeddings = random_embeddings(1)
    found = measured(embeddings)
    ranks = (-cosines(embeddings)).argsort(axis=1, kind="stable")
    in_top5 = (ranks[:, :5] == embeddings.labels[:, None]).any(axis=1)
    assert found.intervals == {
        "top1": zero_shot.wilson(ranks[:, 0] == embeddings.labels),
        "top5": zero_shot.wilson(in_top5),
    }


def test_the_confidence_is_the_largest_probability_of_scipys_softmax():
    logits = np.random.default_rng(0).normal(scale=30, size=(500, 100)).astype(np.float32)
    expected = softmax(logits.astype(np.float64), axis=1).max(axis=1)
    assert np.array_equal(zero_shot.confidence(logits, sigmoid=False), expected)


def test_the_quantile_of_the_intervals_is_scipys():
    assert float(ndtri(0.975)) == zero_shot.NORMAL_975


def test_logits_without_class_embeddings_are_our_own_mistake():
    embeddings = Embeddings(
        images=np.eye(2, dtype=np.float32), labels=np.arange(2), rows=np.arange(2), class_names=("a", "b")
    )
    with pytest.raises(TypeError, match=r"^class logits need class embeddings$"):
        zero_shot.class_logits(embeddings)
