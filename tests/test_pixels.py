"""Pictures → pixels, against open_clip's own evaluation transform and against pictures of known colours."""

import io
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from colors import BROKEN, NAMES, colors_task, encoded, picture
from PIL import Image

from clipkstar.checkpoint import Geometry
from clipkstar.data.rows import open_rows
from clipkstar.encoders._open_clip_files import Located
from clipkstar.encoders.open_clip import OpenClipEncoder
from clipkstar.errors import InputError
from clipkstar.pixels import batches, decode, resizer

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
RED, BLUE = (255, 0, 0), (0, 0, 255)
SQUARE = Geometry(size=(16, 16))


def _noise(width: int, height: int, channels: int = 3) -> Image.Image:
    values = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(values)


def _halves(width: int = 8, height: int = 4) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def _encoder_that_returns_what_the_model_gets(geometry: Geometry) -> OpenClipEncoder:
    located = Located(
        name="", pretrained=None, model_config={}, preprocess={"mean": MEAN, "std": STD}, tokenizer_files={},
        weights=Path(), quick_gelu=False,
    )  # fmt: skip
    model: Any = SimpleNamespace(encode_image=lambda images: images)
    return OpenClipEncoder(
        model=model, tokenize=torch.tensor, located=located, geometry=geometry, device="cpu", precision="fp32",
        logit_scale=1, logit_bias=None,
    )  # fmt: skip


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(16, 16), (15, 15), (21, 13)])
def test_the_model_gets_what_open_clips_own_transform_gives_to_the_last_bit(
    mode: Any, interpolation: str, size: tuple[int, int]
) -> None:
    from open_clip.transform import image_transform

    geometry = Geometry(size=size, resize_mode=mode, interpolation=interpolation, fill_color=37)
    resize, encoder = resizer(geometry), _encoder_that_returns_what_the_model_gets(geometry)
    reference = image_transform(
        size, is_train=False, mean=MEAN, std=STD, resize_mode=mode, interpolation=interpolation, fill_color=37
    )
    for width, height in [(16, 16), (33, 47), (47, 33), (7, 5), (5, 7), (1, 1), (64, 3), (15, 16)]:
        image = _noise(width, height)
        given, expected = encoder.encode_images(resize(image)[None])[0], reference(image).numpy()
        assert given.shape == (3, *size)
        assert given.tobytes() == expected.tobytes(), (width, height)


def test_pixels_are_channels_first_bytes() -> None:
    pixels = resizer(SQUARE)(Image.new("RGB", (40, 20), (1, 2, 3)))
    assert (pixels.shape, pixels.dtype) == ((3, 16, 16), np.uint8)
    assert [set(channel.ravel()) for channel in pixels] == [{1}, {2}, {3}]


def test_longest_pads_with_the_fill_colour() -> None:
    pixels = resizer(Geometry(size=(16, 16), resize_mode="longest", fill_color=9))(Image.new("RGB", (40, 20), RED))
    assert set(pixels[:, :4].ravel()) == set(pixels[:, 12:].ravel()) == {9}
    assert (pixels[0, 4:12] == 255).all()


def test_shortest_cuts_the_middle_out() -> None:
    wide = Image.new("RGB", (48, 16), "white")
    wide.paste(RED, (16, 0, 32, 16))
    pixels = resizer(SQUARE)(wide)
    assert [set(channel.ravel()) for channel in pixels] == [{255}, {0}, {0}]


def test_squash_keeps_the_whole_picture() -> None:
    pixels = resizer(Geometry(size=(16, 16), resize_mode="squash"))(_halves(48, 16))
    assert tuple(pixels[:, 8, 0]) == RED
    assert tuple(pixels[:, 8, 15]) == BLUE


def test_a_palette_picture_is_resized_as_colours_and_not_as_palette_numbers() -> None:
    halves = _halves(30, 30)
    pixels = resizer(SQUARE)(decode(encoded(halves.quantize(2)), where="row 0"))
    assert pixels.tobytes() == resizer(SQUARE)(halves).tobytes()
    assert len(np.unique(pixels[0])) > 2  # mixed colours at the border, which no palette of two holds


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_a_grey_picture_has_three_equal_channels(mode: str) -> None:
    image = decode(encoded(Image.new("L", (6, 4), 255).convert(mode)), where="row 0")
    assert (image.mode, image.size, image.getpixel((3, 2))) == ("RGB", (6, 4), (255, 255, 255))


def test_a_grey_picture_is_resized_as_its_colour_copy() -> None:
    grey = Image.fromarray(np.asarray(_noise(31, 23))[:, :, 0])
    pixels = resizer(SQUARE)(decode(encoded(grey), where="row 0"))
    assert pixels.tobytes() == resizer(SQUARE)(Image.merge("RGB", [grey] * 3)).tobytes()


def test_transparency_is_dropped_before_the_resize() -> None:
    image = _halves(30, 30).convert("RGBA")
    image.putalpha(Image.fromarray(np.tile(np.arange(30, dtype=np.uint8), (30, 1))))
    pixels = resizer(SQUARE)(decode(encoded(image), where="row 0"))
    assert pixels.tobytes() == resizer(SQUARE)(_halves(30, 30)).tobytes()


def test_a_cmyk_picture_gets_its_colours() -> None:
    image = decode(encoded(Image.new("CMYK", (6, 4), (0, 255, 255, 0)), "TIFF"), where="row 0")
    assert (image.mode, image.getpixel((3, 2))) == ("RGB", RED)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_picture_is_never_rotated_by_its_exif(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(_halves(32, 16), kind, exif=exif)
    assert Image.open(io.BytesIO(content)).getexif()[0x0112] == orientation
    image = decode(content, where="row 0")
    assert image.size == (32, 16)
    left, right = image.getpixel((4, 8)), image.getpixel((27, 8))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[0] > 200 > 100 > left[2]
    assert right[2] > 200 > 100 > right[0]


def test_a_truncated_picture_is_an_error_that_names_it() -> None:
    whole = encoded(_noise(40, 40))
    with pytest.raises(InputError) as raised:
        decode(whole[: len(whole) // 2], where="task 'colors': row 7")
    assert (
        str(raised.value)
        == "task 'colors': row 7 does not decode as an image (image file is truncated); repair or remove it."
    )


@pytest.mark.parametrize(
    "kind",
    [
        *("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"),
        "AVIF",
    ],
)
def test_a_damaged_file_decodes_or_is_our_error_and_nothing_else(kind: str) -> None:
    whole, random = encoded(_noise(12, 9), kind), np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for position in random.integers(0, len(whole), 3):
            damaged[position] = random.integers(0, 256)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL warns of what it skips in a damaged file
            try:
                assert decode(bytes(damaged[: random.integers(1, len(whole) * 2)]), where="row 0").mode == "RGB"
            except InputError:
                refused += 1
    assert refused > 0


def test_a_file_that_is_no_picture_gives_the_same_sentence_every_time() -> None:
    with pytest.raises(InputError) as raised:
        decode(BROKEN, where="task 'colors': row 7")
    assert str(raised.value) == "task 'colors': row 7 is no image in a format that PIL knows; repair or remove it."


def test_a_palette_picture_with_partial_transparency_decodes_without_a_warning() -> None:
    content = encoded(_halves().quantize(2), transparency=b"\x00\x80")
    assert decode(content, where="row 0").getpixel((0, 0)) == RED


def test_batches_follow_the_rows_and_the_last_is_filled_with_its_last_picture(tmp_path: Path) -> None:
    rows = open_rows(colors_task(tmp_path))
    found = list(batches(rows, resizer(Geometry(size=(4, 4))), 5))
    assert [batch.shape for batch in found] == [(5, 3, 4, 4)] * 3
    main_channel = np.concatenate(found).mean(axis=(2, 3)).argmax(axis=1)
    assert main_channel[:12].tolist() == rows.labels.tolist()
    assert main_channel[12:].tolist() == [rows.labels[11]] * 3


@pytest.mark.parametrize("batch_size", [1, 12, 100])
def test_every_batch_has_the_size_asked_for(tmp_path: Path, batch_size: int) -> None:
    rows = open_rows(colors_task(tmp_path))
    sizes = [len(batch) for batch in batches(rows, resizer(Geometry(size=(4, 4))), batch_size)]
    assert sizes == [batch_size] * -(-12 // batch_size)


def test_an_encoders_own_floats_go_through_unchanged(tmp_path: Path) -> None:
    rows = open_rows(colors_task(tmp_path))

    def width(image: Image.Image) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.full((3, 1, 1), image.width + 0.25, dtype=np.float32)

    (batch,) = batches(rows, width, 12)
    assert batch.dtype == np.float32
    assert batch[:, 0, 0, 0].tolist() == [8.25 + row for row in range(12)]


def test_a_picture_that_does_not_decode_names_its_row(tmp_path: Path) -> None:
    pictures = [picture(name) for name in NAMES] * 4
    pictures[7] = BROKEN
    rows = open_rows(colors_task(tmp_path, pictures=pictures))
    with pytest.raises(InputError) as raised:
        list(batches(rows, resizer(SQUARE), 4))
    assert str(raised.value) == "task 'colors': row 7 is no image in a format that PIL knows; repair or remove it."


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "I;16"), ("TIFF", "I;16"), ("TIFF", "I;16B"), ("TIFF", "I"), ("TIFF", "F")]
)
def test_a_picture_of_more_than_8_bits_a_channel_is_refused_with_its_row(tmp_path: Path, kind: str, mode: str) -> None:
    pictures: list[bytes | None] = [picture(name) for name in NAMES] * 4
    pictures[7] = encoded(Image.new(mode, (6, 4), 1000), kind)
    rows = open_rows(colors_task(tmp_path, pictures=pictures))
    with pytest.raises(InputError) as raised:
        list(batches(rows, resizer(SQUARE), 4))
    assert str(raised.value) == (
        f"task 'colors': row 7 has more than 8 bits a channel (PIL mode {mode}), which PIL would cut off; "
        "convert it to 8 bits."
    )


def test_the_row_named_is_that_of_the_data_set_when_a_sample_is_read(tmp_path: Path) -> None:
    pictures: list[bytes | None] = [picture(name) for name in NAMES] * 4
    kept = open_rows(colors_task(tmp_path, name="whole"), limit=6).row_numbers
    pictures[kept[4]] = encoded(_noise(40, 40))[:100]
    rows = open_rows(colors_task(tmp_path, pictures=pictures), limit=6)
    with pytest.raises(InputError) as raised:
        list(batches(rows, resizer(SQUARE), 4))
    assert str(raised.value).startswith(f"task 'colors': row {kept[4]} does not decode as an image (")
    assert kept[4] != 4
