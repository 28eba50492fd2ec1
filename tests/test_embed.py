"""Embedding: what an encoder answers is checked before it can move pictures to the labels of others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from colors import colors_task
from PIL.Image import Image

from clipkstar.checkpoint import Geometry
from clipkstar.data.rows import Rows, open_rows
from clipkstar.embed import embed
from clipkstar.embeddings import Embeddings
from clipkstar.encoders.fake import ColorEncoder
from clipkstar.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Spoiled(ColorEncoder):
    """The encoder of colours with its answers spoiled."""

    images: Callable[[np.ndarray], object] = lambda answer: answer
    texts: Callable[[np.ndarray], object] = lambda answer: answer

    def encode_images(self, pixels: np.ndarray) -> object:  # type: ignore[override]
        return self.images(super().encode_images(pixels))

    def encode_texts(self, texts: Sequence[str]) -> object:  # type: ignore[override]
        return self.texts(super().encode_texts(texts))


@dataclass(frozen=True, kw_only=True)
class OwnPixels(ColorEncoder):
    """The encoder of colours with a preprocessing of its own."""

    geometry: Geometry | None = None  # type: ignore[assignment]
    prepare: Callable[[Image], np.ndarray]

    def preprocess(self, image: Image) -> np.ndarray:
        return self.prepare(image)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """12 pictures of three classes, in batches of 5."""
    return open_rows(colors_task(tmp_path_factory.mktemp("colors")))


def run(encoder: ColorEncoder, rows: Rows) -> Embeddings:
    return embed(lambda: encoder, rows, batch_size=5, progress=lambda _: None)[0]


def refusal(encoder: ColorEncoder, rows: Rows) -> str:
    with pytest.raises(InputError) as caught:
        run(encoder, rows)
    return str(caught.value)


class Narrowing:
    """Answers of one column less from the second batch on."""

    def __init__(self) -> None:
        self.batches = 0

    def __call__(self, answer: np.ndarray) -> np.ndarray:
        self.batches += 1
        return answer if self.batches == 1 else answer[:, :2]


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (lambda answer: answer[:-1], "an array (4, 3) of float32"),
        (lambda answer: np.vstack([answer, answer]), "an array (10, 3) of float32"),
        (lambda answer: answer[:, 0], "an array (5,) of float32"),
        (lambda answer: answer[:, :, None], "an array (5, 3, 1) of float32"),
        (lambda answer: answer[:, :2], "an array (5, 2) of float32"),
        (Narrowing(), "an array (5, 2) of float32"),
        (lambda answer: answer.astype(np.complex64), "an array (5, 3) of complex64"),
        (torch.from_numpy, "a Tensor"),
    ],
)
def test_images_that_are_not_one_row_each_of_the_width_of_the_classes_are_refused(
    images: Callable[[np.ndarray], object], got: str, rows: Rows
) -> None:
    assert refusal(Spoiled(images=images), rows) == (
        f"encode_images of the encoder returned {got} for a batch of 5; it needs real numbers (5, 3), as wide as its "
        "embeddings before."
    )


@pytest.mark.parametrize(
    ("images", "got", "needs"),
    [
        (lambda answer: answer[:-1], "(4, 3)", "(5, dim)"),
        (lambda answer: answer[:, :0], "(5, 0)", "(5, dim)"),
        (Narrowing(), "(5, 2)", "(5, 3), as wide as its embeddings before"),
    ],
)
def test_without_text_the_first_batch_sets_the_width(
    images: Callable[[np.ndarray], object], got: str, needs: str, rows: Rows
) -> None:
    assert refusal(Spoiled(images=images, has_text=False), rows) == (
        f"encode_images of the encoder returned an array {got} of float32 for a batch of 5; it needs real numbers "
        f"{needs}."
    )


def test_prompts_that_are_not_one_row_each_are_refused(rows: Rows) -> None:
    n = len({prompt for prompts in rows.words.prompts for prompt in prompts})
    assert refusal(Spoiled(texts=lambda answer: answer[1:]), rows) == (
        f"encode_texts of the encoder returned an array ({n - 1}, 3) of float32 for a batch of {n}; it needs real "
        f"numbers ({n}, dim)."
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_real_numbers_are_rounded_to_float32(dtype: type, rows: Rows) -> None:
    found = run(Spoiled(images=lambda answer: answer.astype(dtype), texts=lambda answer: answer.astype(dtype)), rows)
    expected = run(ColorEncoder(), rows)
    assert (found.images.dtype, found.classes.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(found.images, expected.images, atol=1e-3)
    np.testing.assert_allclose(found.classes, expected.classes, atol=1e-3)


def test_a_number_too_large_for_float32_is_not_finite_and_named_by_its_row(rows: Rows) -> None:
    sentence = refusal(Spoiled(images=lambda answer: answer.astype(np.float64) + 1e300), rows)
    assert sentence == (
        f"{rows.where(0)} has an embedding with NaN or infinity (12 of 12 images have); check the weights, or use "
        "--precision fp32."
    )


def test_a_preprocessing_of_the_encoders_own_is_used(rows: Rows) -> None:
    own = OwnPixels(prepare=lambda image: np.asarray(image.resize((2, 2))).transpose(2, 0, 1))
    np.testing.assert_array_equal(run(own, rows).images, run(ColorEncoder(), rows).images)


@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 8), (1, 8, 8), (1, 3, 8, 8), (3, 0, 8), ()])
def test_a_preprocessing_that_makes_no_picture_is_refused(shape: tuple[int, ...], rows: Rows) -> None:
    assert refusal(OwnPixels(prepare=lambda _: np.zeros(shape, dtype=np.float32)), rows) == (
        f"the encoder's preprocessing returned an array of shape {shape} for a picture; it needs (3, height, width)."
    )


def test_pictures_of_several_sizes_are_refused(rows: Rows) -> None:
    sentence = refusal(OwnPixels(prepare=lambda image: np.asarray(image).transpose(2, 0, 1)), rows)
    start, end = "the encoder's preprocessing returned arrays of shape (3, 8, ", "; it needs one size for all pictures."
    assert sentence.startswith(start)
    assert sentence.endswith(end)
