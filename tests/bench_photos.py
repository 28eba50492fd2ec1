"""Photos for the benchmarks: as large, as noisy and as slow to decode as those of a camera, made in this process."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from clipkstar.discovery import TASKS, find
from tests.webdataset_shards import write_shards

WIDTH, HEIGHT = 500, 375
SMALL = "fashion_mnist_2k"
"""The bundled task whose 2,000 pictures, classes and prompts the photos are made of."""

Photos = Sequence[tuple[bytes, int]]
"""JPEG, label."""


def photos() -> Photos:
    """Return a photo of each picture of the bundled task, in its order."""
    table = pl.read_parquet(find(TASKS, SMALL)[0].dataset.data_files)
    with ThreadPoolExecutor() as threads:
        jpegs = list(threads.map(photo, range(table.height), table["image"].struct.field("bytes")))
    return list(zip(jpegs, table["label"].to_list(), strict=True))


def photo(seed: int, small: bytes) -> bytes:
    """Return one JPEG, quality 90: a small grey picture, tinted, before smooth light, with a camera's noise."""
    random = np.random.default_rng(seed)
    grey = Image.open(io.BytesIO(small)).convert("L").resize((HEIGHT, HEIGHT), Image.Resampling.BICUBIC)
    tint = random.integers(150, 256, 3) / 255
    thing = Image.fromarray((np.asarray(grey)[..., None] * tint).astype(np.uint8))
    ground = Image.fromarray(random.integers(40, 216, (4, 5, 3), dtype=np.uint8))
    picture = ground.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    shape = grey.point([min(255, 4 * value) for value in range(256)])
    picture.paste(thing, (int(random.integers(WIDTH - HEIGHT + 1)), 0), shape)
    noisy = np.asarray(picture, dtype=np.int16) + random.integers(-16, 17, (HEIGHT, WIDTH, 3), dtype=np.int16)
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def write_photos(folder: Path, pictures: Photos) -> None:
    """Write photos as webdataset shards, which both sides read, with the words of the bundled task."""
    task = find(TASKS, SMALL)[0]
    write_shards(folder, pictures, class_names=task.class_names, templates=task.templates, suffix="jpg")
