"""Random weights of open_clip models, by that name only."""

import hashlib
import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from clipkstar.checkpoint import Checkpoint
from clipkstar.encoder import Request
from clipkstar.encoders.open_clip import FAMILY, OpenClipEncoder
from clipkstar.errors import InputError

SMALL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SMALL))
    return path


def resolve(config: Path, pretrained: str | None = "random") -> Checkpoint:
    return FAMILY.resolve(Request(model="small", pretrained=pretrained, config_file=str(config)))


def load(checkpoint: Checkpoint) -> OpenClipEncoder:
    encoder = FAMILY.load(checkpoint, "cpu", "fp32")
    assert isinstance(encoder, OpenClipEncoder)
    return encoder


def test_random_weights_are_said_aloud_and_are_a_lineage_of_their_own() -> None:
    found = FAMILY.resolve(Request(model="ViT-B-32", pretrained="random"))
    assert (found.pretrained, found.lineage) == ("random", "random/ViT-B-32")
    assert found.notice == "'ViT-B-32' has random weights: nothing was trained, its scores are those of chance."


def test_a_model_without_tags_may_have_random_weights() -> None:
    assert open_clip.list_pretrained_tags_by_model("coca_base") == []
    assert FAMILY.resolve(Request(model="coca_base", pretrained="random")).lineage == "random/coca_base"


def test_they_are_the_same_every_time_and_so_is_their_hash(config: Path) -> None:
    checkpoint = resolve(config)
    np.testing.assert_array_equal(load(checkpoint).encode_images(PIXELS), load(checkpoint).encode_images(PIXELS))
    assert FAMILY.identify(checkpoint) == FAMILY.identify(checkpoint)


def test_the_hash_is_that_of_the_weights_that_run(config: Path) -> None:
    checkpoint = resolve(config)
    expected = hashlib.sha256()
    for name, value in sorted(load(checkpoint).model.state_dict().items()):
        expected.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode() + value.numpy().tobytes())
    assert FAMILY.identify(checkpoint).weights_sha256 == expected.hexdigest()


def test_other_architectures_have_other_weights(config: Path) -> None:
    first = FAMILY.identify(resolve(config))
    config.write_text(json.dumps(SMALL | {"embed_dim": 24}))
    second = FAMILY.identify(resolve(config))
    assert first.weights_sha256 != second.weights_sha256
    assert first.config_sha256 != second.config_sha256


def test_the_callers_random_numbers_go_on_as_if_nothing_had_been_drawn(config: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load(resolve(config))
    assert torch.equal(torch.rand(3), expected)


def test_the_callers_gpu_is_not_seeded(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    load(resolve(config))
    assert seeds == []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
    assert seeds == [6], "torch no longer seeds GPUs this way, so this test sees nothing"


@pytest.mark.parametrize("name", [None, "", "Random", "randomly"])
def test_nothing_else_means_random_weights(config: Path, name: str | None) -> None:
    with pytest.raises(InputError) as caught:
        resolve(config, name)
    assert str(caught.value) == (
        f"'{config}' describes an architecture of your own, which has no tags; give --pretrained the checkpoint file."
    )


def test_a_config_that_cannot_be_built_is_one_sentence(config: Path) -> None:
    config.write_text(json.dumps(SMALL | {"vision_cfg": {"timm_model_name": "no_such_model"}}))
    with pytest.raises(InputError) as caught:
        load(resolve(config))
    assert str(caught.value) == (
        "open_clip cannot build 'small' from its config (Unknown model (no_such_model)); correct it."
    )
