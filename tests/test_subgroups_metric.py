"""F1 of the average class and accuracy of the worst subgroup: by hand, and against plain loops."""

import numpy as np
import pytest

from clipkstar.embeddings import Embeddings
from clipkstar.metrics import subgroups, zero_shot
from clipkstar.neighbors import Neighbors


def held(images, labels, n_classes, *, members=None, classes=None):
    classes = np.eye(n_classes, np.asarray(images).shape[1]) if classes is None else classes
    return Embeddings(
        images=np.array(images, dtype=np.float32),
        labels=np.array(labels),
        rows=np.arange(len(labels)),
        class_names=tuple(f"class {number}" for number in range(n_classes)),
        classes=np.array(classes, dtype=np.float32),
        logit_scale=10.0,
        subgroups=None if members is None else np.array(members, dtype=np.int64),
    )


def measured(embeddings):
    return subgroups.METRIC.compute(embeddings, Neighbors(embeddings))


def predicted(predictions, labels, members, n_classes):
    """Embeddings of images that are taken for the classes given."""
    return held(np.eye(n_classes)[predictions], labels, n_classes, members=members)


def test_two_regions_by_hand():
    # Class 0 is predicted 4 times, 3 of them rightly, and has 4 images: F1 = 2·3 / (4 + 4). Class 1: 2·1 / (2 + 2).
    embeddings = predicted([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0], [7, 7, 7, 7, 2, 2], 2)
    found = measured(embeddings)
    # Region 7: 3 of 4 right; region 2: 1 of 2.
    assert found.scores == {"f1_macro": (6 / 8 + 2 / 4) / 2, "worst_group_top1": 1 / 2, "worst_group_top5": None}
    assert found.notices == ("worst_group_top1 is that of subgroup 2, which has 2 images only.",)
    assert (found.intervals, found.images, found.classes) == ({}, None, None)


def test_f1_is_over_the_classes_that_have_images():
    # Class 0: 1 of 2 found, predicted once: 2/3. Class 2: found, predicted once: 1. Class 1 is predicted, has no image.
    found = measured(predicted([0, 1, 2], [0, 0, 2], None, 3))
    assert found.scores["f1_macro"] == pytest.approx((2 / 3 + 1) / 2)


def test_a_class_that_is_never_predicted_has_the_f1_zero():
    assert measured(predicted([0, 0], [0, 1], None, 2)).scores["f1_macro"] == pytest.approx((2 / 3 + 0) / 2)


def test_a_data_set_without_subgroups_has_f1_only_and_nothing_to_say():
    found = measured(predicted([0, 1], [0, 1], None, 2))
    assert found.scores == {"f1_macro": 1.0, "worst_group_top1": None, "worst_group_top5": None}
    assert found.notices == ()


def test_without_a_text_tower_every_score_is_none_and_the_reader_is_told():
    embeddings = Embeddings(
        images=np.eye(3, dtype=np.float32), labels=np.arange(3), rows=np.arange(3), class_names=("a", "b", "c"),
        subgroups=np.zeros(3, dtype=np.int64),
    )  # fmt: skip
    found = measured(embeddings)
    assert found.scores == {"f1_macro": None, "worst_group_top1": None, "worst_group_top5": None}
    assert found.notices == ()


@pytest.mark.parametrize("n_classes, defined", [(4, False), (5, True)])
def test_top5_needs_five_classes(n_classes, defined):
    numbers = list(range(n_classes))
    found = measured(predicted(numbers[::-1], numbers, [3] * n_classes, n_classes))
    assert found.scores["worst_group_top5"] == (1.0 if defined else None)


def test_equal_logits_rank_by_class_index():
    # All six classes tie: class 0 is predicted, 0 to 4 are the best five. Group 1 holds class 5 and class 0.
    found = measured(held(np.ones((6, 2)), range(6), 6, members=[1, 2, 2, 2, 2, 1], classes=[[1, 0]] * 6))
    assert found.scores["worst_group_top1"] == 0
    assert found.scores["worst_group_top5"] == 1 / 2
    assert found.notices == (
        "worst_group_top1 is that of subgroup 2, which has 4 images only.",
        "worst_group_top5 is that of subgroup 1, which has 2 images only.",
    )


@pytest.mark.parametrize("size, few", [(29, True), (30, False)])
def test_only_a_small_worst_subgroup_is_named(size, few):
    # The other subgroup is smaller still, but not the worst.
    members = [-4] * size + [10**12]
    found = measured(predicted([1] * size + [0], [0] * (size + 1), members, 2))
    assert found.scores["worst_group_top1"] == 0
    sentence = f"worst_group_top1 is that of subgroup -4, which has {size} images only."
    assert found.notices == ((sentence,) if few else ())


def test_of_equally_bad_subgroups_the_smallest_number_is_named():
    correct = np.array([False, True, True, False])
    assert subgroups.worst_subgroup(correct, np.array([9, 9, -3, -3])) == (0.5, -3, 2)


def test_with_one_subgroup_the_worst_is_all_of_them():
    embeddings = random_embeddings(0, n_subgroups=1)
    found, all_images = measured(embeddings).scores, zero_shot.METRIC.compute(embeddings, Neighbors(embeddings)).scores
    assert (found["worst_group_top1"], found["worst_group_top5"]) == (all_images["top1"], all_images["top5"])


def random_embeddings(seed, *, n_subgroups, n_images=300, n_classes=12, dim=16):
    """Classes of unequal size, two without an image, and two of equal name."""
    generator = np.random.default_rng(seed)
    classes = generator.normal(size=(n_classes, dim))
    classes[4] = classes[1]
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    labels = np.minimum(generator.geometric(0.25, size=n_images) - 1, n_classes - 3)
    images = 4 * classes[labels] + 1.5 * generator.normal(size=(n_images, dim))
    members = generator.choice([3, 8, 40, 41], size=n_images, p=[0.4, 0.3, 0.25, 0.05])
    return held(images, labels, n_classes, members=members % n_subgroups, classes=classes)


def order_of(image, classes):
    """Class numbers, best first, by cosines of plain sums; equal ones by number."""
    cosines = [sum(x * y for x, y in zip(image, name, strict=True)) for name in classes]
    return sorted(range(len(classes)), key=lambda number: (-cosines[number], number))


@pytest.mark.parametrize("seed", range(4))
def test_the_scores_equal_plain_loops_over_images(seed):
    embeddings = random_embeddings(seed, n_subgroups=100)
    classes = embeddings.classes.tolist()
    labels, members = embeddings.labels.tolist(), embeddings.subgroups.tolist()
    orders = [order_of(image, classes) for image in embeddings.images.tolist()]
    f1_of = {}
    for label in set(labels):
        hits = sum(order[0] == label == own for order, own in zip(orders, labels, strict=True))
        precision = hits / max(1, sum(order[0] == label for order in orders))
        recall = hits / labels.count(label)
        f1_of[label] = 2 * precision * recall / (precision + recall) if hits else 0.0
    worst = {}
    for k in (1, 5):
        by_group = {}
        for order, own, member in zip(orders, labels, members, strict=True):
            by_group.setdefault(member, []).append(own in order[:k])
        worst[k] = min(sum(right) / len(right) for right in by_group.values())
    assert len(set(members)) == 4
    assert 0.2 < worst[1] < worst[5] < 1
    scores = measured(embeddings).scores
    assert scores["f1_macro"] == pytest.approx(sum(f1_of.values()) / len(f1_of))
    assert (scores["worst_group_top1"], scores["worst_group_top5"]) == (worst[1], worst[5])


def test_as_many_classes_as_images_are_measured_in_silence():
    assert measured(predicted(np.arange(40), np.arange(40), None, 40)).scores["f1_macro"] == 1
