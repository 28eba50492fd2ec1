"""A preprocessing function that is open_clip's own evaluation transform, known again by its steps and by its pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from clipkstar.checkpoint import Geometry
from clipkstar.encoders._in_memory import PixelRecipe
from clipkstar.encoders._normalization import Normalization
from clipkstar.pixels import resizer

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    Preprocess = Callable[[Image], torch.Tensor]

COMPOSE = "torchvision.transforms.transforms.Compose"
TO_RGB = ("open_clip.transform.MaybeConvertMode", "function open_clip.transform._convert_to_rgb")
RESIZE = ("torchvision.transforms.transforms.Resize", "open_clip.transform.ResizeKeepRatio")
CROP = ("torchvision.transforms.transforms.CenterCrop", "open_clip.transform.CenterCropOrPad")
TO_TENSOR = (
    "torchvision.transforms.transforms.ToTensor",
    "open_clip.transform.MaybeToTensor",
    "timm.data.transforms.MaybeToTensor",
)
NORMALIZE = ("torchvision.transforms.transforms.Normalize",)
"""Steps by their exact types: a subclass, or any other step, may do anything, such as draw random numbers."""

PROBES = ((97, 64), (41, 113), (333, 250), (5, 7), (300, 20))
"""Width and height of the pictures that are compared: wide, tall, larger and smaller than encoders take, a strip."""


def known_preprocess(preprocess: Preprocess) -> PixelRecipe | None:
    """Return how clipkstar makes the same tensors of pixels that it can keep; None = the function is not known.

    The tensors of PROBES have to be the same to the last bit.
    """
    if _kind(preprocess) != COMPOSE:
        return None
    recipe = _recipe(preprocess.transforms)  # type: ignore[attr-defined]
    return recipe if recipe is not None and _agree(recipe, preprocess) else None


def _kind(step: object) -> str:
    if callable(step) and hasattr(step, "__qualname__"):
        return f"function {step.__module__}.{step.__qualname__}"
    return f"{type(step).__module__}.{type(step).__qualname__}"


def _recipe(transforms: Sequence[object]) -> PixelRecipe | None:
    """Read the attributes of the steps; None where they are others than resize, (crop,) to tensor, normalise."""
    steps = [step for step in transforms if _kind(step) not in TO_RGB]
    allowed = (RESIZE, CROP, TO_TENSOR, NORMALIZE) if len(steps) == 4 else (RESIZE, TO_TENSOR, NORMALIZE)
    if len(steps) != len(allowed) or any(_kind(step) not in kinds for step, kinds in zip(steps, allowed, strict=True)):
        return None
    resize, normalize = steps[0], steps[-1]
    geometry = _geometry(resize, crop=steps[1] if len(steps) == 4 else None)
    if geometry is None:
        return None
    mean, std = (tuple(float(value) for value in getattr(normalize, name)) for name in ("mean", "std"))
    return PixelRecipe(geometry=geometry, normalization=Normalization(mean=mean, std=std))


def _geometry(resize: object, crop: object | None) -> Geometry | None:
    """Say in our words what the two steps do; None where there are none for it. What is wrong, the probes will tell."""
    if any(getattr(resize, name, 0) for name in ("random_scale_prob", "random_aspect_prob", "max_size")):
        return None
    size = getattr(resize, "size", None)
    resized, cropped = _sides(size), _sides(size if crop is None else getattr(crop, "size", None))
    interpolation = str(getattr(getattr(resize, "interpolation", None), "value", ""))
    fill = getattr(crop, "fill", 0)
    if resized is None or cropped is None or not 0 < cropped[0] <= resized[0] or not isinstance(fill, int):
        return None
    keeps_ratio = _kind(resize) == RESIZE[1] or isinstance(size, int)
    is_longest = getattr(resize, "longest", 0.0) == 1.0
    return Geometry(
        size=cropped,
        resize_mode="longest" if is_longest else "shortest" if keeps_ratio else "squash",
        interpolation=interpolation,
        fill_color=fill,
        crop_fraction=_crop_fraction(cropped[0], resized[0]),
    )


def _sides(size: object) -> tuple[int, int] | None:
    """(height, width) of what torchvision takes as a size; None where it is no such thing."""
    sides = (size, size) if isinstance(size, int) else size
    if not isinstance(sides, Sequence) or len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        return None
    return sides[0], sides[1]


def _crop_fraction(side: int, resized: int) -> float:
    """The share that `Geometry.resized_size`, which rounds down, turns back into the resized side."""
    exact = side / resized
    return exact if int(side / exact) == resized else side / (resized + 0.5)


def _agree(recipe: PixelRecipe, preprocess: Preprocess) -> bool:
    import numpy as np
    import torch
    from PIL import Image

    resize, random = resizer(recipe.geometry), np.random.default_rng(0)
    for width, height in PROBES:
        picture = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        ours = recipe.normalization.apply(resize(picture)[None], device="cpu", dtype=torch.float32)[0]
        theirs = preprocess(picture)
        if not isinstance(theirs, torch.Tensor) or theirs.dtype != ours.dtype or not torch.equal(ours, theirs):
            return False
    return True
