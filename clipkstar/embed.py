"""Run an encoder over an opened task: image embeddings in row order, one embedding per class."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clipkstar.caching import arrays as cache
from clipkstar.caching.pixel_cache import cached_batches
from clipkstar.embeddings import NO_KEYS, Embeddings, Keys
from clipkstar.errors import InputError
from clipkstar.pixels import batches, resizer
from clipkstar.prompts import Prompts, distinct_prompts
from clipkstar.read_ahead import read_ahead

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipkstar.checkpoint import Geometry
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


@dataclass(frozen=True, kw_only=True)
class Caching:
    """What is known before the encoder is, what is kept of the work, and what is taken from what was kept.

    keys: under which image and class embeddings are kept. reuse: whether those that are there are taken.
    pixels: whether decoded pictures are kept and taken. geometry: of the encoder; pictures are then decoded while it is
    being loaded; None = they have to wait for it.
    """

    keys: Keys = NO_KEYS
    reuse: bool = True
    pixels: bool = False
    geometry: Geometry | None = None


NOTHING_KEPT = Caching()


@dataclass(frozen=True, kw_only=True)
class EncodedImages:
    """What an encoder made of pictures, with what turns similarities to its texts into logits.

    images: (n_images, dim) float32, as the model returns them. has_text, logit_scale, logit_bias: as in Encoder.
    """

    images: NDArray[np.float32]
    has_text: bool
    logit_scale: float
    logit_bias: float | None


def embed(
    load: Callable[[], Encoder], rows: Rows, *, batch_size: int, progress: Progress, caching: Caching = NOTHING_KEPT
) -> tuple[Embeddings, Timing]:
    """Encode every image and every class of an opened task, but for what the cache has.

    load: gives the encoder; called only if something has to be encoded.
    Raises InputError for a picture that does not decode and for embeddings that are not finite, both name the row; and
    for an encoder whose answers are not one row per picture and per prompt, all of one width.
    """
    images = recall_images(caching.keys) if caching.reuse else None
    classes = recall_classes(caching.keys) if caching.reuse else None
    timing = Timing(pixels=0.0, encode_images=0.0, encode_texts=0.0)
    if images is None:
        images, classes, timing = _encode(
            load, rows, classes, batch_size=batch_size, progress=progress, caching=caching
        )
    elif images.has_text and classes is None:
        started = time.perf_counter()
        classes = _encode_classes(load(), rows, caching.keys)
        timing = replace(timing, encode_texts=time.perf_counter() - started)
    progress(rows.n_images)
    embeddings = Embeddings(
        images=images.images,
        labels=rows.labels,
        subgroups=rows.subgroups,
        rows=rows.row_numbers,
        class_names=rows.class_names,
        classes=classes if images.has_text else None,
        logit_scale=images.logit_scale,
        logit_bias=images.logit_bias,
    )
    return embeddings, timing


def _encode(
    load: Callable[[], Encoder],
    rows: Rows,
    classes: NDArray[np.float32] | None,
    *,
    batch_size: int,
    progress: Progress,
    caching: Caching,
) -> tuple[EncodedImages, NDArray[np.float32] | None, Timing]:
    """Encode every image, and the classes unless they are given, and keep both."""
    with ExitStack() as stack:
        decoded = None
        if caching.geometry is not None:
            made = _pixel_batches(caching.geometry, rows, batch_size, keep=caching.pixels)
            decoded = stack.enter_context(read_ahead(made))
        encoder = load()
        logits = encoder.logit_scale, encoder.logit_bias  # what is wrong with them is said before the work
        started = time.perf_counter()
        if encoder.has_text and classes is None:
            classes = _encode_classes(encoder, rows, caching.keys)
        text_done = time.perf_counter()
        if decoded is None or encoder.geometry != caching.geometry:
            if encoder.geometry is None:
                made = batches(rows, _own_preprocessing(encoder), batch_size)
            else:
                made = _pixel_batches(encoder.geometry, rows, batch_size, keep=caching.pixels)
            decoded = stack.enter_context(read_ahead(made))
        dim = classes.shape[1] if encoder.has_text and classes is not None else None
        images, seconds = embed_images(encoder, rows, decoded, progress, dim=dim)
        timing = Timing(
            pixels=time.perf_counter() - text_done - seconds, encode_images=seconds, encode_texts=text_done - started
        )
    encoded = EncodedImages(images=images, has_text=encoder.has_text, logit_scale=logits[0], logit_bias=logits[1])
    _keep_images(caching.keys, encoded)
    return encoded, classes, timing


def recall_images(keys: Keys) -> EncodedImages | None:
    """Return the image embeddings that were kept; None where there are none."""
    kept = None if keys.images is None else cache.recall("images", keys.images)
    if kept is None:
        return None
    return EncodedImages(
        images=kept["images"],
        has_text=bool(kept["has_text"][0]),
        logit_scale=float(kept["logit_scale"][0]),
        logit_bias=float(kept["logit_bias"][0]) if len(kept["logit_bias"]) else None,
    )


def recall_classes(keys: Keys) -> NDArray[np.float32] | None:
    """Return the class embeddings that were kept; None where there are none."""
    kept = None if keys.classes is None else cache.recall("classes", keys.classes)
    return None if kept is None else kept["classes"]


def _keep_images(keys: Keys, encoded: EncodedImages) -> None:
    import numpy as np

    if keys.images is None:
        return
    arrays = {
        "images": encoded.images,
        "has_text": np.array([encoded.has_text]),
        "logit_scale": np.array([encoded.logit_scale]),
        "logit_bias": np.array([] if encoded.logit_bias is None else [encoded.logit_bias]),
    }
    cache.remember("images", keys.images, arrays)


def _encode_classes(encoder: Encoder, rows: Rows, keys: Keys) -> NDArray[np.float32]:
    classes = embed_classes(encoder, rows.words.prompts)
    if keys.classes is not None:
        cache.remember("classes", keys.classes, {"classes": classes})
    return classes


def _pixel_batches(geometry: Geometry, rows: Rows, batch_size: int, *, keep: bool) -> Iterator[Pixels]:
    if keep:
        return cached_batches(rows, geometry, batch_size)
    return batches(rows, resizer(geometry), batch_size)


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
        if len(parts) * len(pixels) < rows.n_images:
            progress(len(parts) * len(pixels))
    images = np.concatenate(parts)[: rows.n_images]
    finite = np.isfinite(images).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{rows.where(int(np.argmin(finite)))} has an embedding with NaN or infinity "
            f"({int((~finite).sum())} of {len(images)} images have); check the weights, or use --precision fp32."
        )
    return images, seconds


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
