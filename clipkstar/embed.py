"""Run an encoder over an opened task: image embeddings in row order, one embedding per class."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.embeddings import Embeddings
from clipkstar.errors import InputError
from clipkstar.pixels import batches, resizer
from clipkstar.prompts import distinct_prompts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.encoder import Encoder, Pixels
    from clipkstar.rows import Rows

Progress = Callable[[int], None]
"""Called with the number of images done so far."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Wall-clock seconds: waiting for pixels, in the image tower, in the text tower."""

    pixels: float
    encode_images: float
    encode_texts: float


def embed(encoder: Encoder, rows: Rows, *, batch_size: int, progress: Progress) -> tuple[Embeddings, Timing]:
    """Encode every image and every class name of an opened task.

    Raises InputError for a picture that does not decode and for embeddings that are not finite; both name the row.
    """
    prepare = encoder.preprocess if encoder.geometry is None else resizer(encoder.geometry)
    started = time.perf_counter()
    classes = None
    if encoder.has_text:
        classes = embed_classes(encoder, rows.class_names, rows.task.templates)
    text_done = time.perf_counter()
    images, seconds_encoding = embed_images(encoder, rows, batches(rows, prepare, batch_size), progress)
    embeddings = Embeddings(
        images=images,
        labels=rows.labels,
        rows=rows.row_numbers,
        class_names=rows.class_names,
        classes=classes,
        logit_scale=encoder.logit_scale,
        logit_bias=encoder.logit_bias,
    )
    seconds_images = time.perf_counter() - text_done
    return embeddings, Timing(
        pixels=seconds_images - seconds_encoding, encode_images=seconds_encoding, encode_texts=text_done - started
    )


def embed_images(
    encoder: Encoder, rows: Rows, pixel_batches: Iterator[Pixels], progress: Progress
) -> tuple[NDArray[np.float32], float]:
    """Return image embeddings (n_images, dim) float32 in row order, and the seconds spent in the encoder."""
    import numpy as np

    parts: list[NDArray[np.float32]] = []
    seconds = 0.0
    for pixels in pixel_batches:
        started = time.perf_counter()
        parts.append(encoder.encode_images(pixels))
        seconds += time.perf_counter() - started
        progress(min(len(parts) * len(pixels), rows.n_images))
    images = np.concatenate(parts)[: rows.n_images]
    finite = np.isfinite(images).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{rows.where(int(np.argmin(finite)))} has an embedding with NaN or infinity "
            f"({int((~finite).sum())} of {len(images)} images have); check the weights, or use --precision fp32."
        )
    return images, seconds


def embed_classes(encoder: Encoder, class_names: Sequence[str], templates: Sequence[str]) -> NDArray[np.float32]:
    """Return class embeddings (n_classes, dim) float32: unit length per prompt, mean over templates, unit length.

    Each distinct prompt is encoded once. Source: Radford et al., arXiv 2103.00020.
    """
    import numpy as np

    prompts, by_class = distinct_prompts(class_names, templates)
    encoded = _unit(encoder.encode_texts(prompts))
    classes = _unit(encoded[np.array(by_class)].mean(axis=1))
    if not np.isfinite(classes).all():
        worst = int(np.argmin(np.isfinite(classes).all(axis=1)))
        raise InputError(
            f"the text embedding of class '{class_names[worst]}' is zero or not finite; check the weights."
        )
    return classes


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
