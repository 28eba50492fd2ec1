"""What every encoder family must answer; one test over all of them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_transformers import save_clip

from clipkstar.checkpoint import Geometry
from clipkstar.discovery import FAMILIES, list_own
from clipkstar.encoder import Encoder, Family, Request
from clipkstar.encoders import zoo
from clipkstar.encoders.fake import ColorEncoder


class OwnEncoder(ColorEncoder):
    """A user's own encoder that says which weights it has."""

    weights_sha256 = "0" * 64


EXAMPLES: dict[str, Callable[[Path], Request]] = {
    "fake": lambda _: Request(model="colors"),
    "open_clip": lambda _: Request(model=f"local-dir:{zoo.FOLDER / 'tiny-p8' / 'final'}"),
    "python": lambda _: Request(model=f"{__name__}:OwnEncoder"),
    "timm": lambda _: Request(model="test_vit", pretrained="random"),
    "transformers": lambda folder: Request(model=str(save_clip(folder))),
    "zoo": lambda _: Request(model="tiny-p8", pretrained="final"),
}
"""A checkpoint of each family that needs no network, given an empty folder; a new family needs one here."""

WITHOUT_TEXT = ("timm",)
"""Families of image encoders only."""


@pytest.mark.parametrize("family", list_own(FAMILIES), ids=lambda family: family.name)
def test_every_family_answers_as_the_protocol_says(family: Family, tmp_path: Path) -> None:
    checkpoint = family.resolve(EXAMPLES[family.name](tmp_path))
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
    assert encoder.has_text is (family.name not in WITHOUT_TEXT)
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

    if not encoder.has_text:
        return
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


def test_listing_the_families_imports_none_of_their_libraries() -> None:
    script = """
import sys
from clipkstar.discovery import FAMILIES, list_own
families = {family.name: family for family in list_own(FAMILIES)}
assert [families[name].checkpoints() for name in ("python", "timm", "transformers")] == [(), (), ()]
assert all(family.summary for family in families.values())
print(sorted({"open_clip", "timm", "torch", "transformers"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
