"""Image bytes → RGB → pixels of one geometry, on threads (PIL releases the lock while it decodes and resizes)."""

from __future__ import annotations

import io
import itertools
import os
import platform
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from clipkstar.errors import PictureError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipkstar.checkpoint import Geometry
    from clipkstar.data.rows import Rows
    from clipkstar.encoder import Pixels

    Prepare = Callable[[Image], NDArray[np.uint8]] | Callable[[Image], NDArray[np.float32]]

PIXELS_VERSION = "1"
"""Raised when the code of this module changes pixels; kept ones of another version are not used."""

BATCHES_AHEAD = 2
"""Batches that are decoded while the encoder works on another."""

NICENESS = 5
"""Of the threads that decode: they take the cores that importing, loading and encoding leave."""


CODECS = ("libjpeg_turbo", "jpg", "jpg_2000", "libtiff", "webp", "avif")
"""Libraries of PIL that decide pixels and come in other versions with one version of PIL."""


@cache
def decoders() -> dict[str, str | None]:
    """Versions of all that makes pixels of a file."""
    import PIL
    from PIL import features

    return {
        "clipkstar": PIXELS_VERSION,
        "PIL": PIL.__version__,
        **{codec: features.version(codec) for codec in CODECS},
        "machine": platform.machine(),
    }


def decode(image_bytes: bytes, *, where: str) -> Image:
    """Decode to RGB as the reference loaders do: converted before any resize, no EXIF rotation.

    Raises PictureError that begins with `where` if the bytes are no image that PIL can read in full.
    """
    from PIL import Image, UnidentifiedImageError

    bomb = Image.DecompressionBombError
    try:
        image: Image.Image = Image.open(io.BytesIO(image_bytes))
        if image.mode.startswith("I") or image.mode == "F":
            raise PictureError(
                f"{where} has more than 8 bits a channel (PIL mode {image.mode}), which PIL would cut off; "
                "convert it to 8 bits."
            )
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")  # same colours; straight to RGB, PIL warns of partly transparent palettes
        return image.convert("RGB")
    except UnidentifiedImageError as error:
        raise PictureError(f"{where} is no image in a format that PIL knows; repair or remove it.") from error
    except (OSError, ValueError, TypeError, AttributeError, SyntaxError, RuntimeError, bomb) as error:  # damaged files
        raise PictureError(f"{where} does not decode as an image ({error}); repair or remove it.") from error


def resizer(geometry: Geometry) -> Callable[[Image], NDArray[np.uint8]]:
    """Return a function from an RGB picture to (3, height, width) uint8.

    It makes the pixels of open_clip's own evaluation transform, stopped before the values become floats, with the
    geometry's own centre crop where open_clip has no such one. PIL alone does it, so that decoding need not wait for
    open_clip to be imported; the tests compare the two.
    """
    import numpy as np

    def resize(image: Image) -> NDArray[np.uint8]:
        cropped = _center(_resized(image, geometry), geometry)
        return np.ascontiguousarray(np.asarray(cropped, dtype=np.uint8).transpose(2, 0, 1))

    return resize


def _resized(image: Image, geometry: Geometry) -> Image:
    """Resize as torchvision's Resize ("squash", and "shortest" to a square) or open_clip's ResizeKeepRatio does."""
    from PIL.Image import Resampling

    height, width = geometry.resized_size
    interpolation = Resampling.BILINEAR if geometry.interpolation == "bilinear" else Resampling.BICUBIC
    if geometry.resize_mode == "squash":
        return image.resize((width, height), interpolation)
    if geometry.resize_mode == "shortest" and height == width:
        long = int(height * max(image.size) / min(image.size))
        return image.resize((height, long) if image.width <= image.height else (long, height), interpolation)
    ratios = image.height / height, image.width / width
    if geometry.resize_mode == "longest":
        ratio = max(ratios)
    else:
        ratio, interpolation = min(ratios), Resampling.BICUBIC  # open_clip asks for no other where it is not square
    return image.resize((round(image.width / ratio), round(image.height / ratio)), interpolation)


def _center(image: Image, geometry: Geometry) -> Image:
    """Cut the middle out; what is smaller than that is padded first."""
    from PIL.Image import new

    height, width = geometry.size
    if geometry.crop_rounding == "down":
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return image.crop((left, top, left + width, top + height))
    if image.width < width or image.height < height:
        padded = new("RGB", (max(image.width, width), max(image.height, height)), (geometry.fill_color,) * 3)
        padded.paste(image, ((padded.width - image.width) // 2, (padded.height - image.height) // 2))
        image = padded
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def batches(rows: Rows, prepare: Prepare, batch_size: int) -> Iterator[Pixels]:
    """Yield arrays (batch_size, 3, height, width) in row order; the last one is filled up with its own last picture.

    Batch boundaries depend on position only and every batch has the same size, because the last bits of an embedding
    depend on the size of its batch.
    """

    def pixels(position: int, image_bytes: bytes) -> Pixels:
        return prepare(decode(image_bytes, where=rows.where(position)))

    with ThreadPoolExecutor(os.cpu_count(), initializer=_step_back) as threads:
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
            threads.shutdown(wait=True, cancel_futures=True)  # whoever takes no more finds none at work


def _step_back() -> None:
    """Lower the priority of this thread, which only Linux has for each thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _stacked(futures: list[Future[Pixels]], batch_size: int) -> Pixels:
    import numpy as np

    images = [future.result() for future in futures]
    return np.stack(images + images[-1:] * (batch_size - len(images)))
