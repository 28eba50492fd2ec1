"""Run an encoder over an opened task: image embeddings in row order, one embedding per class."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar import cache
from clipkstar.embeddings import Embeddings
from clipkstar.errors import InputError
from clipkstar.pixels import batches, resizer
from clipkstar.prompts import Prompts, distinct_prompts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipkstar.data.rows import Rows
    from clipkstar.encoder import Encoder, Pixels

Progress = Callable[[int], None]
"""Called with the number of images done so far."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Wall-clock seconds: waiting for pixels, in the image tower, in the text tower."""

    pixels: float
    encode_images: float
    encode_texts: float


def embed(
    encoder: Encoder, rows: Rows, *, batch_size: int, progress: Progress, class_key: str | None = None
) -> tuple[Embeddings, Timing]:
    """Encode every image and every class of an opened task.

    class_key: names all that decides the class embeddings, so that they are found again; None = never kept.
    Raises InputError for a picture that does not decode and for embeddings that are not finite, both name the row; and
    for an encoder whose answers are not one row per picture and per prompt, all of one width.
    """
    prepare = _own_preprocessing(encoder) if encoder.geometry is None else resizer(encoder.geometry)
    logit_scale, logit_bias = encoder.logit_scale, encoder.logit_bias  # what is wrong with them is said before the work
    started = time.perf_counter()
    classes = None
    if encoder.has_text:
        classes = _kept_classes(encoder, rows.words.prompts, class_key)
    text_done = time.perf_counter()
    images, seconds_encoding = embed_images(
        encoder,
        rows,
        batches(rows, prepare, batch_size),
        progress,
        dim=None if classes is None else classes.shape[1],
    )
    embeddings = Embeddings(
        images=images,
        labels=rows.labels,
        subgroups=rows.subgroups,
        rows=rows.row_numbers,
        class_names=rows.class_names,
        classes=classes,
        logit_scale=logit_scale,
        logit_bias=logit_bias,
    )
    seconds_images = time.perf_counter() - text_done
    return embeddings, Timing(
        pixels=seconds_images - seconds_encoding, encode_images=seconds_encoding, encode_texts=text_done - started
    )


def embed_images(
    encoder: Encoder, rows: Rows, pixel_batches: Iterator[Pixels], progress: Progress, *, dim: int | None = None
) -> tuple[NDArray[np.float32], float]:
    """Return image embeddings (n_images, dim) float32 in row order, and the seconds spent in the encoder.

    dim: that of the class embeddings, which those of the images must have; None = there are none.
    """
    import numpy as np

    parts: list[NDArray[np.float32]] = []
    seconds = 0.0
    for pixels in pixel_batches:
        started = time.perf_counter()
        answer = encoder.encode_images(pixels)
        seconds += time.perf_counter() - started
        parts.append(_one_row_each(answer, "encode_images", n=len(pixels), dim=dim))
        dim = parts[-1].shape[1]
        progress(min(len(parts) * len(pixels), rows.n_images))
    images = np.concatenate(parts)[: rows.n_images]
    finite = np.isfinite(images).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{rows.where(int(np.argmin(finite)))} has an embedding with NaN or infinity "
            f"({int((~finite).sum())} of {len(images)} images have); check the weights, or use --precision fp32."
        )
    return images, seconds


def _kept_classes(encoder: Encoder, prompts: Prompts, key: str | None) -> NDArray[np.float32]:
    kept = None if key is None else cache.recall("classes", key)
    if kept is not None and "classes" in kept:
        return kept["classes"]
    classes = embed_classes(encoder, prompts)
    if key is not None:
        cache.remember("classes", key, {"classes": classes})
    return classes


def embed_classes(encoder: Encoder, prompts: Prompts) -> NDArray[np.float32]:
    """Return class embeddings (n_classes, dim) float32: unit prompts, their mean per class, unit length.

    Each distinct prompt is encoded once. Source: Radford et al., arXiv 2103.00020.
    """
    import numpy as np

    texts, by_class = distinct_prompts(prompts)
    encoded = _unit(_one_row_each(encoder.encode_texts(texts), "encode_texts", n=len(texts)))
    if len({len(own) for own in by_class}) == 1:
        means = encoded[np.array(by_class)].mean(axis=1)
    else:
        means = np.stack([encoded[own].mean(axis=0) for own in by_class])
    classes = _unit(means)
    if not np.isfinite(classes).all():
        worst = int(np.argmin(np.isfinite(classes).all(axis=1)))
        raise InputError(
            f"the text embedding of the class with the prompt '{prompts[worst][0]}' is zero or not finite; "
            "check the weights."
        )
    return classes


def _own_preprocessing(encoder: Encoder) -> Callable[[Image], NDArray[np.float32]]:
    """Return the encoder's preprocessing; what it returns raises InputError if it is no picture of the first's size."""
    import numpy as np

    first: dict[str, tuple[int, ...]] = {}

    def prepare(image: Image) -> NDArray[np.float32]:
        pixels = np.asarray(encoder.preprocess(image))
        if pixels.ndim != 3 or len(pixels) != 3 or 0 in pixels.shape:
            raise InputError(
                f"the encoder's preprocessing returned an array of shape {pixels.shape} for a picture; it needs "
                "(3, height, width)."
            )
        shape = first.setdefault("shape", pixels.shape)
        if pixels.shape != shape:
            raise InputError(
                f"the encoder's preprocessing returned arrays of shape {shape} and {pixels.shape}; it needs one size "
                "for all pictures."
            )
        return pixels

    return prepare


def _one_row_each(answer: object, method: str, *, n: int, dim: int | None = None) -> NDArray[np.float32]:
    """Return an encoder's answer as (n, dim) float32; other real numbers are rounded to it.

    dim: the width of what the encoder answered before; None = any. Raises InputError for other shapes and types: a row
    too few would move all further pictures to the labels of others.
    """
    import numpy as np

    got = f"a {type(answer).__name__}"
    if isinstance(answer, np.ndarray):
        got = f"an array {answer.shape} of {answer.dtype}"
        right = answer.ndim == 2 and len(answer) == n and answer.shape[1] == (dim or answer.shape[1]) > 0
        if right and answer.dtype.kind in "fiu":
            with np.errstate(over="ignore"):  # becomes infinite, which is found and said with its row
                return answer.astype(np.float32, copy=False)
    needs = f"({n}, {dim}), as wide as its embeddings before" if dim else f"({n}, dim)"
    raise InputError(f"{method} of the encoder returned {got} for a batch of {n}; it needs real numbers {needs}.")


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
