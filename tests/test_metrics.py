"""What every metric of this project keeps to, a new one included."""

import math
from dataclasses import replace

import numpy as np
import pytest

from clipkstar.discovery import METRICS, list_own
from clipkstar.embeddings import Embeddings
from clipkstar.neighbors import Neighbors


def _embeddings(*, dim=8, sizes=(21, 10, 11, 9, 13), text_tower=True, separation=1.0):
    """Random embeddings of classes of the sizes given; a size of 0 is a class name without an image."""
    generator = np.random.default_rng(len(sizes))
    labels = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    classes = generator.normal(size=(len(sizes), dim))
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    images = separation * classes[labels] + generator.normal(size=(len(labels), dim)) / math.sqrt(dim)
    return Embeddings(
        images=images.astype(np.float32),
        labels=labels,
        rows=np.arange(len(labels)) * 3,
        class_names=tuple(f"class {number}" for number in range(len(sizes))),
        classes=classes.astype(np.float32) if text_tower else None,
        logit_scale=30.0,
    )


WORLDS = {
    "ordinary": _embeddings(),
    "perfect": _embeddings(separation=50.0),
    "two classes": _embeddings(sizes=(20, 21)),
    "without a text tower": _embeddings(text_tower=False),
    "small, single and empty classes": _embeddings(sizes=(15, 0, 1, 2, 9, 1, 0)),
    "in subgroups": replace(_embeddings(), subgroups=np.arange(64) % 3),
    "few images": _embeddings(sizes=(2, 3)),
    "equal images": _embeddings(separation=0.0, dim=1, sizes=(6, 7)),
}
WORLDS["equal images"].images[:] = 0.5


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("metric", list_own(METRICS), ids=lambda metric: metric.name)
def test_a_metric_gives_what_it_declares_and_changes_nothing(metric, world):
    embeddings = WORLDS[world]
    arrays = ("images", "labels", "rows", "classes", "subgroups")
    before = {name: np.copy(getattr(embeddings, name)) for name in arrays if getattr(embeddings, name) is not None}
    found, again = (metric.compute(embeddings, Neighbors(embeddings)) for _ in range(2))

    for name, array in before.items():
        assert np.array_equal(getattr(embeddings, name), array)

    assert metric.summary
    assert metric.version
    assert metric.source
    names = [score.name for score in metric.scores]
    assert len(set(names)) == len(names)
    assert set(found.scores) == set(names)
    for score in metric.scores:
        assert score.meaning
        assert score.better in ("higher", "lower", "none")
        value = found.scores[score.name]
        for number in (value, *found.intervals.get(score.name, ())):
            assert number is None or (type(number) is float and math.isfinite(number))
            assert number is None or score.low is None or number >= score.low
            assert number is None or score.high is None or number <= score.high
    for name, (low, high) in found.intervals.items():
        assert low <= found.scores[name] <= high

    assert found.scores == again.scores
    assert found.intervals == again.intervals
    assert found.notices == again.notices
    for table, repeated, n_rows in (
        (found.images, again.images, embeddings.n_images),
        (found.classes, again.classes, embeddings.n_classes),
    ):
        assert (table is None) == (repeated is None)
        if table is not None:
            assert table.height == n_rows
            assert table.equals(repeated)
            for column in table.iter_columns():
                assert not column.dtype.is_float() or not (column.is_nan() | column.is_infinite()).any()
