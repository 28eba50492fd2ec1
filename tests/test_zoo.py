"""The bundled models: complete, small, described, different, and they work."""

import hashlib
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from clipkstar.checkpoint import Checkpoint
from clipkstar.encoder import Request
from clipkstar.encoders.zoo import FAMILY, FOLDER
from clipkstar.errors import InputError

FINALS = (
    "tiny-deep",
    "tiny-narrow",
    "tiny-p16",
    "tiny-p4",
    "tiny-p8",
    "tiny-p8-data1",
    "tiny-p8-data10",
    "tiny-p8-seed1",
    "tiny-rn",
    "tiny-shallow",
)
STAGES = {(model, tag) for model in ("tiny-p4", "tiny-p8") for tag in ("stage1", "stage2", "stage3")}
MOST_BYTES = 14_000_000


def _folders() -> list[Path]:
    return [path for path in sorted(FOLDER.glob("*/*")) if path.is_dir() and not path.parent.name.startswith("_")]


def test_ten_trainings_and_the_stages_of_two_are_bundled() -> None:
    known = {(checkpoint.model, checkpoint.pretrained) for checkpoint in FAMILY.checkpoints()}
    assert known == {(model, "final") for model in FINALS} | STAGES


def test_a_training_is_one_lineage_whatever_its_stage() -> None:
    lineages = {(checkpoint.model, checkpoint.lineage) for checkpoint in FAMILY.checkpoints()}
    assert sorted(lineages) == [(model, f"zoo/{model}") for model in FINALS]


def test_every_folder_holds_a_config_and_weights_and_nothing_else() -> None:
    sources = [Path(checkpoint.source.removeprefix("local-dir:")) for checkpoint in FAMILY.checkpoints()]
    assert sorted(sources) == _folders()
    for folder in _folders():
        assert sorted(file.name for file in folder.iterdir()) == [
            "open_clip_config.json",
            "open_clip_model.safetensors",
        ]


def test_the_zoo_is_smaller_than_14_megabytes() -> None:
    assert sum(file.stat().st_size for folder in _folders() for file in folder.iterdir()) < MOST_BYTES


def test_every_model_and_tag_is_named_in_the_cards() -> None:
    cards = (FOLDER / "CARDS.md").read_text()
    rows = re.findall(r"^\| (tiny-\S+) \|", cards, flags=re.MULTILINE)
    assert sorted(rows) == sorted({folder.parent.name for folder in _folders()})
    assert {folder.name for folder in _folders()} <= set(re.findall(r"`([^`\s]+)`", cards))


def test_no_two_checkpoints_have_the_same_weights() -> None:
    digests = {
        hashlib.sha256((folder / "open_clip_model.safetensors").read_bytes()).hexdigest() for folder in _folders()
    }
    assert len(digests) == len(_folders())


@pytest.mark.parametrize("checkpoint", FAMILY.checkpoints(), ids=lambda known: f"{known.model}-{known.pretrained}")
def test_every_checkpoint_loads_and_tells_pictures_and_prompts_apart(checkpoint: Checkpoint) -> None:
    assert FAMILY.resolve(Request(model=checkpoint.model, pretrained=checkpoint.pretrained)) == checkpoint
    encoder = FAMILY.load(checkpoint, "cpu", "fp32")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
    images = encoder.encode_images(pixels)
    texts = encoder.encode_texts(["an emoji of a symbol or a sign.", "the digit nine, written by hand."])
    for embeddings in (images, texts):
        assert embeddings.shape[1] == 64
        assert np.isfinite(embeddings).all()
        assert all(np.abs(one - next_one).max() > 1e-4 for one, next_one in pairwise(embeddings))
    assert 1 < encoder.logit_scale <= 100.001


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (Request(model="tiny-p8"), "'tiny-p8' needs --pretrained: final, stage1, stage2, stage3."),
        (Request(model="tiny-p8", pretrained="finl"), "there is no 'tiny-p8' tag 'finl'; did you mean 'final'?"),
        (
            Request(model="tiny-p8", pretrained="final", config_file="mine.json"),
            "'tiny-p8' is bundled with its config; leave --model-config out.",
        ),
        (
            Request(model="tiny-p17", pretrained="final"),
            "there is no model 'tiny-p17'; did you mean 'tiny-p16' or 'tiny-p8' or 'tiny-p4'?",
        ),
    ],
)
def test_a_name_that_the_zoo_lacks_is_one_sentence(request_: Request, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        FAMILY.resolve(request_)
    assert str(caught.value) == sentence
