"""The training parts as captioned batches: resized once, augmented in torch, captions tokenised beforehand."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from torch import Tensor
from torch.nn import functional

from clipkstar.zoo.architectures import CONTEXT_LENGTH, IMAGE_SIZE
from clipkstar.zoo.captions import EMOJI_NAME_TEMPLATES, class_captions, fill
from clipkstar_tasks._bundled.split import Source

PICTURES = {"digits": 32, "fashion_mnist_2k": 112, "emoji_noto": 56, "emoji_fluent": 56}  # of each source in a batch
NAME_SHARE = 0.5  # of the emoji captions: the emoji's own name, otherwise its group


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The training part of one source, ready for batches.

    pixels: (n, 1 or 3, IMAGE_SIZE, IMAGE_SIZE) uint8; class_captions and name_captions: (n, variants) rows of the
    token table; name_captions is None where pictures have no names.
    """

    name: str
    pixels: Tensor
    labels: Tensor
    class_captions: Tensor
    name_captions: Tensor | None


def resize(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture as the models' own preprocessing resizes it, channels first."""
    resized = np.asarray(Image.fromarray(picture).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC))
    return resized[None] if resized.ndim == 2 else resized.transpose(2, 0, 1)


def enter(captions: list[str], table: dict[str, int]) -> list[int]:
    """The rows of the captions in the table of distinct captions, which grows by those that are new."""
    return [table.setdefault(caption, len(table)) for caption in captions]


def tokenize(table: dict[str, int], merges: Path) -> Tensor:
    """(n_captions, CONTEXT_LENGTH) int64; refuses a caption that would be cut."""
    tokenizer = SimpleTokenizer(bpe_path=str(merges), context_length=CONTEXT_LENGTH)
    for caption in table:
        if len(tokenizer.encode(caption)) + 2 > CONTEXT_LENGTH:
            raise RuntimeError(f"the caption {caption!r} is longer than {CONTEXT_LENGTH} tokens.")
    tokens: Tensor = tokenizer(list(table))
    return tokens


def make_pool(source: Source, table: dict[str, int]) -> Pool:
    """Resizes the training part once and enters its captions."""
    part = source.train
    by_class = torch.tensor([enter(texts, table) for texts in class_captions(source.name, source.class_names)])
    by_name = [enter(fill(EMOJI_NAME_TEMPLATES, name), table) for name in part.names]
    labels = torch.from_numpy(part.labels)
    return Pool(
        name=source.name,
        pixels=torch.from_numpy(np.stack([resize(picture) for picture in part.pictures])),
        labels=labels,
        class_captions=by_class[labels],
        name_captions=torch.tensor(by_name) if by_name else None,
    )


def subset(pool: Pool, share: float) -> Tensor:
    """Rows of a stratified share of the pool, at least one a class; the same rows for every model of that share."""
    generator = torch.Generator().manual_seed(7)
    rows = []
    for label in range(int(pool.labels.max()) + 1):
        members = (pool.labels == label).nonzero().flatten()
        order = torch.randperm(len(members), generator=generator)
        rows.append(members[order[: math.ceil(share * len(members))]])
    return torch.cat(rows)


def augment(pixels: Tensor, source: str, generator: torch.Generator) -> Tensor:
    """A float batch in -1..1: a small turn, zoom and shift; emoji also change colour; digits are never mirrored."""
    n = len(pixels)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=generator) * (high - low) + low

    images = pixels.expand(-1, 3, -1, -1).float() / 127.5 - 1
    emoji = source.startswith("emoji")
    angle = uniform(-1, 1) * math.radians(15 if emoji else 10)
    zoom = uniform(0.85, 1.2) if emoji else uniform(0.9, 1.1)
    mirror = torch.ones(n) if source == "digits" else torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    theta = torch.stack(
        [
            torch.stack([mirror * zoom * angle.cos(), -zoom * angle.sin(), uniform(-0.15, 0.15)], dim=1),
            torch.stack([mirror * zoom * angle.sin(), zoom * angle.cos(), uniform(-0.15, 0.15)], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    images = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    if emoji:  # white paper stays white: the change scales the distance from white
        images = 1 - (1 - images) * uniform(0.7, 1.2, 3, 1, 1)
    return images.clamp(-1, 1)


def batch(pools: list[Pool], rows: list[Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A mixed batch: images, and the caption row of each."""
    images, captions = [], []
    for pool, allowed in zip(pools, rows, strict=True):
        n = PICTURES[pool.name]
        chosen = allowed[torch.randint(len(allowed), (n,), generator=generator)]
        images.append(augment(pool.pixels[chosen], pool.name, generator))
        variants = pool.class_captions[chosen]
        caption = variants[torch.arange(n), torch.randint(variants.shape[1], (n,), generator=generator)]
        if pool.name_captions is not None:
            names = pool.name_captions[chosen]
            name = names[torch.arange(n), torch.randint(names.shape[1], (n,), generator=generator)]
            caption = torch.where(torch.rand(n, generator=generator) < NAME_SHARE, name, caption)
        captions.append(caption)
    return torch.cat(images), torch.cat(captions)
