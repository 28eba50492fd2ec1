"""The python family: a user's own factory, as an encoder or as a tuple, called once; every way it can be wrong."""

import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest

from clipkstar.data.rows import open_rows
from clipkstar.discovery import TASKS, find
from clipkstar.encoder import Request
from clipkstar.encoders import zoo
from clipkstar.encoders.fake import ColorEncoder
from clipkstar.encoders.python import FAMILY
from clipkstar.errors import InputError
from clipkstar.pixels import decode
from clipkstar.selection import select_checkpoint

BUNDLED = f"local-dir:{zoo.FOLDER / 'tiny-p8' / 'final'}"
NEEDED = "an encoder as in clipkstar.encoder.Encoder, or a tuple (model, preprocess, tokenizer or None)"
MODULE = f'''
import torch
from clipkstar.encoders.fake import ColorEncoder

calls = []
number = 3

class Hashed(ColorEncoder):
    weights_sha256 = "ab" * 32

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
    def encode_image(self, images):
        return images.mean(dim=(2, 3)) * self.scale

def encoder():
    calls.append("encoder")
    return Hashed()

def plain():
    return ColorEncoder()

def bundled():
    import open_clip
    calls.append("bundled")
    model, _, preprocess = open_clip.create_model_and_transforms("{BUNDLED}")
    return model, preprocess, open_clip.get_tokenizer("{BUNDLED}", bpe_path="{zoo.FOLDER / "bpe.txt.gz"}")

def images_only():
    return Model(), lambda image: torch.zeros(3, 4, 4), None

def half():
    return Model().to(torch.bfloat16), lambda image: torch.zeros(3, 4, 4), None

def wrong_hash():
    model, *rest = images_only()
    model.weights_sha256 = "abc"
    return model, *rest

def fails():
    raise RuntimeError("no weights\\nhere")

def leaves():
    raise SystemExit(4)

def two():
    return Model(), None

def no_model():
    return 1, print, None

def not_callable():
    return Model(), "resize", None

def textless():
    found = ColorEncoder()
    object.__setattr__(found, "encode_texts", None)
    return found

def wrong_geometry():
    return ColorEncoder(geometry=(4, 4))
'''


@pytest.fixture(scope="module", autouse=True)
def own_module(tmp_path_factory: pytest.TempPathFactory):
    """A module in the current folder, which is not on sys.path."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_models.py").write_text(MODULE)
    (folder / "broken_models.py").write_text("import a_package_that_is_not_there\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [entry for entry in sys.path if entry])
        patch.chdir(folder)
        yield folder
    sys.modules.pop("own_models", None)


def load(name: str, precision: str = "fp32"):
    checkpoint = FAMILY.resolve(Request(model=name))
    FAMILY.identify(checkpoint)
    return FAMILY.load(checkpoint, "cpu", precision)  # type: ignore[arg-type]


def refusal(name: str, precision: str = "fp32") -> str:
    with pytest.raises(InputError) as caught:
        load(name, precision)
    return str(caught.value)


def test_an_encoder_of_the_current_folder_is_made_once_and_known_by_its_hash() -> None:
    family, checkpoint = select_checkpoint(Request(model="python:own_models:encoder"))
    assert family is FAMILY
    assert checkpoint.title == "python--own_models:encoder--factory"
    assert "own_models" not in sys.modules, "naming a checkpoint ran its code"
    identity = FAMILY.identify(checkpoint)
    assert identity.weights_sha256 == "ab" * 32
    assert identity.geometry == ColorEncoder().geometry
    encoder = FAMILY.load(checkpoint, "cpu", "fp32")
    assert isinstance(encoder, ColorEncoder)
    assert FAMILY.identify(checkpoint) == identity
    assert sys.modules["own_models"].calls.count("encoder") == 1


def test_an_encoder_without_a_hash_has_none() -> None:
    assert FAMILY.identify(FAMILY.resolve(Request(model="own_models:plain"))).weights_sha256 is None


def test_the_source_of_the_module_is_part_of_the_identity(own_module: Path) -> None:
    checkpoint = FAMILY.resolve(Request(model="own_models:plain"))
    before = FAMILY.identify(checkpoint).config_sha256
    source = (own_module / "own_models.py").read_text()
    (own_module / "own_models.py").write_text(f"{source}# another preprocessing\n")
    assert FAMILY.identify(checkpoint).config_sha256 != before


def test_a_tuple_as_open_clip_gives_it_embeds_as_open_clip_does() -> None:
    import torch

    encoder = load("own_models:bundled")
    assert encoder.geometry is None
    model, _, preprocess = open_clip.create_model_and_transforms(BUNDLED)
    rows = open_rows(find(TASKS, "digits")[0], limit=12)
    digits = [decode(content, where="digits") for images in rows.image_batches(12) for content in images]
    with torch.inference_mode():
        expected = model.eval().encode_image(torch.stack([preprocess(digit) for digit in digits])).numpy()
    given = encoder.encode_images(np.stack([encoder.preprocess(digit) for digit in digits]))
    np.testing.assert_array_equal(given, expected)
    assert encoder.has_text
    assert encoder.encode_texts(["a photo of the digit one."]).shape == (1, expected.shape[1])
    assert sys.modules["own_models"].calls.count("bundled") == 1


def test_a_tuple_without_tokenizer_has_no_text() -> None:
    assert load("own_models:images_only").has_text is False


@pytest.mark.parametrize(
    ("name", "precision", "sentence"),
    [
        (
            "own_models:half",
            "fp32",
            "'python:own_models:half' computes in bf16, and --precision is fp32; use --precision bf16, or convert the "
            "model in the factory.",
        ),
        (
            "own_models:plain",
            "amp_bf16",
            "'python:own_models:plain' computes in fp32, and --precision is amp_bf16; use --precision fp32, or convert "
            "the model in the factory.",
        ),
    ],
)
def test_another_precision_than_the_models_own_is_refused(name: str, precision: str, sentence: str) -> None:
    assert refusal(name, precision) == sentence


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "nowhere.models:make",
            "there is no module 'nowhere' for 'python:nowhere.models:make', neither installed nor in the current "
            "folder; correct the name or change the folder.",
        ),
        (
            "own_models.deeper:make",
            "there is no module 'own_models.deeper' for 'python:own_models.deeper:make', neither installed nor in the "
            "current folder; correct the name or change the folder.",
        ),
        (
            "broken_models:make",
            "the module of 'python:broken_models:make' cannot be imported (ModuleNotFoundError: No module named "
            "'a_package_that_is_not_there'); correct it.",
        ),
        ("own_models:make", "the module 'own_models' has no 'make'; name a function in it."),
        (
            "own_models:number",
            "'python:own_models:number' is of type int, which cannot be called; name a function without arguments that "
            f"returns {NEEDED}.",
        ),
        (
            "own_models:fails",
            "'python:own_models:fails' failed when called (RuntimeError: no weights here); correct it.",
        ),
        ("own_models:leaves", "'python:own_models:leaves' failed when called (SystemExit: 4); correct it."),
        (
            "own_models:two",
            f"'python:own_models:two' returned (Model, NoneType), 2 things instead of 3; return {NEEDED}.",
        ),
        (
            "own_models:no_model",
            "'python:own_models:no_model' returned (int, builtin_function_or_method, NoneType), and its model has no "
            f"encode_image; return {NEEDED}.",
        ),
        (
            "own_models:not_callable",
            "'python:own_models:not_callable' returned (Model, str, NoneType), not all of which can be called; return "
            f"{NEEDED}.",
        ),
        (
            "own_models:Model",
            f"'python:own_models:Model' returned a Model without geometry; return {NEEDED}.",
        ),
        (
            "own_models:textless",
            f"'python:own_models:textless' returned a ColorEncoder without encode_texts; return {NEEDED}.",
        ),
        (
            "own_models:wrong_geometry",
            "'python:own_models:wrong_geometry' returned an encoder whose geometry is a tuple; it needs "
            "clipkstar.checkpoint.Geometry or None.",
        ),
        (
            "own_models:wrong_hash",
            "'python:own_models:wrong_hash' has the weights_sha256 'abc'; it needs 64 hexadecimal digits, or none.",
        ),
        ("own_models", "'python:own_models' names no factory; write python:package.module:factory."),
        (
            "own_models.py:make it",
            "'python:own_models.py:make it' names no factory; write python:package.module:factory.",
        ),
    ],
)
def test_a_factory_that_does_not_work_is_said_in_one_sentence(name: str, sentence: str) -> None:
    assert refusal(name) == sentence


def test_a_tag_or_a_config_has_no_meaning_here() -> None:
    with pytest.raises(InputError) as caught:
        FAMILY.resolve(Request(model="own_models:plain", pretrained="laion2b"))
    assert str(caught.value) == (
        "'python:own_models:plain' brings its own weights and config; leave --pretrained, --model-config and "
        "--activation out."
    )
