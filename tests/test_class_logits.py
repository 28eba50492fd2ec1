"""The logits of zero-shot classification: against float64 loops, and exact where class names are equal."""

import math

import numpy as np
import pytest

from clipkstar.class_logits import class_logits, label_ranks
from clipkstar.embeddings import Embeddings


def random_embeddings(seed, n_images=60, dim=64, n_classes=12, **more):
    generator = np.random.default_rng(seed)
    classes = generator.normal(size=(n_classes, dim))
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    return Embeddings(
        images=(10.0 ** generator.integers(-3, 4, size=(n_images, 1)) * generator.normal(size=(n_images, dim))).astype(
            np.float32
        ),
        labels=np.arange(n_images) % n_classes,
        rows=np.arange(n_images),
        class_names=tuple(f"class {number}" for number in range(n_classes)),
        classes=classes.astype(np.float32),
        **more,
    )


@pytest.mark.parametrize("bias", [None, 0.0, -10.0])
def test_logits_are_scaled_cosines_plus_the_bias(bias):
    embeddings = random_embeddings(0, logit_scale=50.0, logit_bias=bias)
    logits = class_logits(embeddings)
    assert logits.dtype == np.float32
    for image, row in zip(embeddings.images.tolist(), logits.tolist(), strict=True):
        length = math.sqrt(math.fsum(x * x for x in image))
        for name, logit in zip(embeddings.classes.tolist(), row, strict=True):
            cosine = math.fsum(x * y for x, y in zip(image, name, strict=True)) / length
            assert logit == pytest.approx(50 * cosine + (bias or 0), abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_equal_class_embeddings_have_equal_logits_to_the_last_bit(seed):
    # As ImageNet's "maillot": classes 9 and 3 have the same embedding, so do 0 and 11.
    embeddings = random_embeddings(seed, n_images=240)
    embeddings.classes[9], embeddings.classes[11] = embeddings.classes[3], embeddings.classes[0]
    logits = class_logits(embeddings)
    assert (logits[:, 9] == logits[:, 3]).all()
    assert (logits[:, 11] == logits[:, 0]).all()


@pytest.mark.parametrize("seed", range(3))
def test_ranks_count_the_classes_that_come_before(seed):
    generator = np.random.default_rng(seed)
    logits = generator.integers(0, 4, size=(50, 9)).astype(np.float32)  # small integers: many ties
    labels = generator.integers(0, 9, size=50)
    expected = []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        order = sorted(range(9), key=lambda index: (-row[index], index))
        expected.append(order.index(label))
    assert label_ranks(logits, labels).tolist() == expected


def test_logits_without_class_embeddings_are_our_own_mistake():
    embeddings = Embeddings(
        images=np.eye(2, dtype=np.float32), labels=np.arange(2), rows=np.arange(2), class_names=("a", "b")
    )
    with pytest.raises(TypeError, match=r"^class logits need class embeddings$"):
        class_logits(embeddings)
