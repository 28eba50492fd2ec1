"""Which preprocessing functions are known, and that no other one ever is."""

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import timm.data
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from clipkstar.checkpoint import Geometry
from clipkstar.encoders._open_clip_files import geometry_of
from clipkstar.known_preprocess import known_preprocess
from clipkstar.pixels import resizer

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
NORMALIZE = transforms.Normalize(MEAN, STD)
BICUBIC = InterpolationMode.BICUBIC

Preprocess = Callable[[Image.Image], torch.Tensor]


def pictures() -> list[Image.Image]:
    """Pictures of other sizes and contents than the ones that are looked at to know a function."""
    made = np.random.default_rng(5)
    sizes = ((31, 31), (64, 97), (500, 375), (224, 224), (8, 8), (20, 301))
    return [Image.fromarray(made.integers(0, 256, (height, width, 3), dtype=np.uint8)) for width, height in sizes]


@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [32, (48, 32)], ids=str)
@pytest.mark.parametrize("fill_color", [0, 90])
def test_every_evaluation_transform_of_open_clip_is_known_by_the_geometry_of_its_config(
    resize_mode: str, interpolation: str, size: int | tuple[int, int], fill_color: int
) -> None:
    config = {"size": size, "resize_mode": resize_mode, "interpolation": interpolation, "fill_color": fill_color}
    given = {name: value for name, value in config.items() if name != "size"}
    transform = open_clip.image_transform(size, is_train=False, mean=MEAN, std=STD, **given)  # type: ignore[arg-type]
    recipe = known_preprocess(transform)
    assert recipe is not None
    expected = geometry_of(config)
    for picture in pictures():
        pixels = resizer(recipe.geometry)(picture)
        assert np.array_equal(pixels, resizer(expected)(picture))
        made = recipe.normalization.apply(pixels[None], device="cpu", dtype=torch.float32)[0]
        assert torch.equal(made, transform(picture))
    # Where open_clip does not do what the config says, the pixels are those of another config, kept under its name.
    pads, ignored = resize_mode == "longest", resize_mode == "shortest" and isinstance(size, tuple)
    assert recipe.geometry == replace(
        expected,
        fill_color=fill_color if pads else 0,
        interpolation="bicubic" if ignored else interpolation,
    )


@pytest.mark.parametrize(
    ("transform", "geometry"),
    [
        (
            transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), NORMALIZE]),
            Geometry(size=(224, 224), interpolation="bilinear", crop_fraction=0.875),
        ),
        (
            timm.data.create_transform((3, 64, 64), is_training=False, interpolation="bicubic", crop_pct=0.9),
            Geometry(size=(64, 64), crop_fraction=64 / 71),
        ),
    ],
    ids=["torchvision", "timm"],
)
def test_steps_of_that_kind_by_torchvision_and_timm_are_known(transform: Preprocess, geometry: Geometry) -> None:
    recipe = known_preprocess(transform)
    assert recipe is not None
    assert recipe.geometry == geometry
    for picture in pictures():
        pixels = resizer(recipe.geometry)(picture)[None]
        assert torch.equal(recipe.normalization.apply(pixels, device="cpu", dtype=torch.float32)[0], transform(picture))


def rarely_scaled() -> Preprocess:
    """A transform that is known, but for one attribute of its first step."""
    transform = open_clip.image_transform(32, is_train=False, mean=MEAN, std=STD, resize_mode="longest")
    assert known_preprocess(transform) is not None
    transform.transforms[0].random_scale_prob = 1e-9
    return transform


class Rarely(transforms.CenterCrop):
    """A step whose type is nearly one that is known, and which seldom does something else."""

    def forward(self, img: Image.Image) -> Image.Image:
        return super().forward(img.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 1e-9 else img)


def steps(*, resize: object = None, crop: object = None, normalize: object = NORMALIZE) -> Preprocess:
    whole = [
        resize or transforms.Resize(32, BICUBIC),
        crop or transforms.CenterCrop(32),
        transforms.ToTensor(),
        normalize,
    ]
    return transforms.Compose(whole)


def test_the_steps_as_such_are_known() -> None:
    assert known_preprocess(steps()) is not None


@pytest.mark.parametrize(
    "transform",
    [
        open_clip.image_transform(32, is_train=True, mean=MEAN, std=STD),
        lambda image: steps()(image.copy()),
        transforms.Compose([transforms.RandomHorizontalFlip(1e-9), *steps().transforms]),  # type: ignore[attr-defined]
        transforms.Compose([transforms.GaussianBlur(3), *steps().transforms]),  # type: ignore[attr-defined]
        transforms.Compose(steps().transforms[:-1]),  # type: ignore[attr-defined]
        transforms.Compose([*steps().transforms, NORMALIZE]),  # type: ignore[attr-defined]
        transforms.Compose([]),
        steps(crop=Rarely(32)),
        steps(crop=transforms.CenterCrop((32, 24))),
        steps(crop=transforms.CenterCrop(40)),
        steps(resize=transforms.Resize(32, InterpolationMode.NEAREST)),
        steps(resize=transforms.Resize(32, InterpolationMode.LANCZOS)),
        steps(resize=transforms.Resize(32, BICUBIC, max_size=50)),
        rarely_scaled(),
        steps(normalize=transforms.RandomErasing(1e-9)),
    ],
    ids=range(15),
)
def test_a_function_that_is_anything_else_is_not_known(transform: Preprocess) -> None:
    assert known_preprocess(transform) is None
