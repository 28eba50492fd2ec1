"""What every encoder family must answer; one test over all of them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from clipkstar.checkpoint import Geometry
from clipkstar.discovery import FAMILIES, list_own
from clipkstar.encoder import Encoder, Family, Request
from clipkstar.encoders import zoo

EXAMPLES = {
    "fake": Request(model="colors"),
    "open_clip": Request(model=f"local-dir:{zoo.FOLDER / 'tiny-p8' / 'final'}"),
    "zoo": Request(model="tiny-p8", pretrained="final"),
}
"""A checkpoint of each family that needs no network; a new family needs one here."""


@pytest.mark.parametrize("family", list_own(FAMILIES), ids=lambda family: family.name)
def test_every_family_answers_as_the_protocol_says(family: Family) -> None:
    checkpoint = family.resolve(EXAMPLES[family.name])
    assert checkpoint.family == family.name
    assert "" not in (checkpoint.model, checkpoint.pretrained, checkpoint.lineage, family.summary, family.version)
    assert all(known.family == family.name for known in family.checkpoints())

    identity = family.identify(checkpoint)
    assert identity == family.identify(checkpoint)
    assert identity.weights_sha256 is not None
    assert {len(identity.weights_sha256), len(identity.config_sha256)} == {64}

    encoder: Encoder = family.load(checkpoint, "cpu", "fp32")
    geometry = encoder.geometry
    assert isinstance(geometry, Geometry)
    assert identity.geometry == geometry
    assert encoder.has_text is True
    assert 1 <= encoder.logit_scale <= 100
    assert encoder.logit_bias is None

    random = np.random.default_rng(0)
    batch: NDArray[np.uint8] = random.integers(0, 256, (8, 3, *geometry.size), dtype=np.uint8)
    given = batch.copy()
    images = encoder.encode_images(batch)
    np.testing.assert_array_equal(batch, given, err_msg="the caller's pixels were changed")
    assert (images.dtype, images.ndim, len(images)) == (np.float32, 2, 8)
    assert np.isfinite(images).all()
    assert len(np.unique(images, axis=0)) == 8
    np.testing.assert_array_equal(encoder.encode_images(batch), images)
    # A picture's embedding must not depend on its companions in a batch of the same size.
    other = random.integers(0, 256, batch.shape, dtype=np.uint8)
    other[3] = batch[3]
    np.testing.assert_array_equal(encoder.encode_images(other)[3], images[3])

    prompts = ["a red picture.", "a picture of something green.", "a photo of the number seven."]
    texts = encoder.encode_texts(prompts)
    assert (texts.dtype, texts.shape) == (np.float32, (3, images.shape[1]))
    assert np.isfinite(texts).all()
    assert len(np.unique(texts, axis=0)) == 3
    np.testing.assert_array_equal(encoder.encode_texts(prompts), texts)
    # More prompts than one batch of the text tower come back in their order.
    np.testing.assert_allclose(encoder.encode_texts(prompts * 50)[-3:], texts, atol=1e-5)


def test_every_family_has_an_example_here() -> None:
    assert [family.name for family in list_own(FAMILIES)] == sorted(EXAMPLES)
