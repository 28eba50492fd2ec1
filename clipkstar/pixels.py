"""Image bytes → RGB → pixels of one geometry, on threads (PIL releases the lock while it decodes and resizes)."""

from __future__ import annotations

import io
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from clipkstar.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipkstar.checkpoint import Geometry
    from clipkstar.data.rows import Rows
    from clipkstar.encoder import Pixels

    Prepare = Callable[[Image], NDArray[np.uint8]] | Callable[[Image], NDArray[np.float32]]

BATCHES_AHEAD = 2
"""Batches that are decoded while the encoder works on another."""


def decode(image_bytes: bytes, *, where: str) -> Image:
    """Decode to RGB as the reference loaders do: converted before any resize, no EXIF rotation.

    Raises InputError that begins with `where` if the bytes are no image that PIL can read in full.
    """
    from PIL import Image, UnidentifiedImageError

    bomb = Image.DecompressionBombError
    try:
        image: Image.Image = Image.open(io.BytesIO(image_bytes))
        if image.mode.startswith("I") or image.mode == "F":
            raise InputError(
                f"{where} has more than 8 bits a channel (PIL mode {image.mode}), which PIL would cut off; "
                "convert it to 8 bits."
            )
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")  # same colours; straight to RGB, PIL warns of partly transparent palettes
        return image.convert("RGB")
    except UnidentifiedImageError as error:
        raise InputError(f"{where} is no image in a format that PIL knows; repair or remove it.") from error
    except (OSError, ValueError, TypeError, AttributeError, SyntaxError, RuntimeError, bomb) as error:  # damaged files
        raise InputError(f"{where} does not decode as an image ({error}); repair or remove it.") from error


def resizer(geometry: Geometry) -> Callable[[Image], NDArray[np.uint8]]:
    """Return a function from an RGB picture to (3, height, width) uint8: open_clip's own evaluation transform,
    stopped before the values become floats, with the geometry's own centre crop where open_clip has no such one.
    """
    import numpy as np

    steps = _transform(geometry, geometry.size)
    if geometry.crop_fraction != 1 or geometry.crop_rounding != "even":
        steps = [_transform(geometry, geometry.resized_size)[0], _center_crop(geometry)]

    def resize(image: Image) -> NDArray[np.uint8]:
        for step in steps:
            image = step(image)
        return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))

    return resize


def _transform(geometry: Geometry, size: tuple[int, int]) -> list[Callable[[Image], Image]]:
    """Steps from picture to picture of open_clip's transform to a size; the first one resizes."""
    from open_clip.transform import image_transform

    steps: list[Callable[[Image], Image]]
    *steps, _to_tensor, _normalize = image_transform(
        size,
        is_train=False,
        resize_mode=geometry.resize_mode,
        interpolation=geometry.interpolation,
        fill_color=geometry.fill_color,
    ).transforms
    return steps


def _center_crop(geometry: Geometry) -> Callable[[Image], Image]:
    """Cut the middle out of a resized picture; "longest" is padded where it is smaller."""
    from open_clip.transform import CenterCropOrPad

    height, width = geometry.size

    def crop_down(image: Image) -> Image:
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return image.crop((left, top, left + width, top + height))

    if geometry.crop_rounding == "down":
        return crop_down
    crop: Callable[[Image], Image] = CenterCropOrPad(geometry.size, fill=geometry.fill_color)
    return crop


def batches(rows: Rows, prepare: Prepare, batch_size: int) -> Iterator[Pixels]:
    """Yield arrays (batch_size, 3, height, width) in row order; the last one is filled up with its own last picture.

    Batch boundaries depend on position only and every batch has the same size, because the last bits of an embedding
    depend on the size of its batch.
    """

    def pixels(position: int, image_bytes: bytes) -> Pixels:
        return prepare(decode(image_bytes, where=rows.where(position)))

    with ThreadPoolExecutor() as threads:
        waiting: deque[list[Future[Pixels]]] = deque()
        try:
            positions = itertools.count()
            for images in rows.image_batches(batch_size):
                waiting.append([threads.submit(pixels, next(positions), content) for content in images])
                if len(waiting) > BATCHES_AHEAD:
                    yield _stacked(waiting.popleft(), batch_size)
            while waiting:
                yield _stacked(waiting.popleft(), batch_size)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _stacked(futures: list[Future[Pixels]], batch_size: int) -> Pixels:
    import numpy as np

    images = [future.result() for future in futures]
    return np.stack(images + images[-1:] * (batch_size - len(images)))
