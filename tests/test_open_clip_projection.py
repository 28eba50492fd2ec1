"""Image embeddings of open_clip models before their projection."""

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray

from clipkstar.encoder import Request
from clipkstar.encoders import zoo
from clipkstar.encoders._open_clip_projection import drop_projection
from clipkstar.encoders.open_clip import FAMILY, OpenClipEncoder
from clipkstar.errors import InputError

TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)


def built(vision: dict[str, object]) -> torch.nn.Module:
    torch.manual_seed(0)
    return open_clip.CLIP(embed_dim=16, vision_cfg=vision, text_cfg=TEXT).eval()


def images(size: int) -> torch.Tensor:
    return torch.randn((4, 3, size, size), generator=torch.Generator().manual_seed(1))


def before_and_after(model: torch.nn.Module, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Output, and pre-projection once the projection is out."""
    with torch.inference_mode():
        output = model.encode_image(images(size)).numpy()
        drop_projection("mine", model.visual)
        return output, model.encode_image(images(size)).numpy()


def relative_distance(given: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float((np.linalg.norm(given - expected, axis=1) / np.linalg.norm(expected, axis=1)).max())


def test_the_projection_of_a_vision_transformer_leads_from_there_to_the_output() -> None:
    model = built({"image_size": 32, "patch_size": 8, "width": 48, "layers": 2, "head_width": 16})
    weight = model.visual.proj.detach().numpy()
    output, before = before_and_after(model, 32)
    assert before.shape == (4, 48)
    assert relative_distance(before @ weight, output) < 1e-5


def test_the_projection_of_a_resnet_leads_from_there_to_the_output() -> None:
    model = built({"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16})
    linear = model.visual.attnpool.c_proj
    weight, bias = linear.weight.detach().numpy(), linear.bias.detach().numpy()
    output, before = before_and_after(model, 64)
    assert before.shape == (4, 256)
    assert relative_distance(before @ weight.T + bias, output) < 1e-5


TIMM = {"timm_model_name": "resnet10t", "image_size": 64}


def test_the_projection_of_a_timm_model_leads_from_there_to_the_output() -> None:
    model = built(TIMM | {"timm_proj": "linear", "timm_pool": "avg"})
    weight = model.visual.head.proj.weight.detach().numpy()
    output, before = before_and_after(model, 64)
    assert before.shape == (4, 512)
    assert relative_distance(before @ weight.T, output) < 1e-5


def test_the_mlp_of_a_timm_model_is_its_projection() -> None:
    model = built(TIMM | {"timm_proj": "mlp", "timm_pool": "avg"})
    mlp = model.visual.head.mlp
    output, before = before_and_after(model, 64)
    assert before.shape == (4, 512)
    with torch.inference_mode():
        assert relative_distance(mlp(torch.from_numpy(before)).numpy(), output) < 1e-5


def test_the_classifier_of_a_timm_model_is_its_projection_where_it_has_no_other() -> None:
    model = built(TIMM | {"timm_proj": "", "timm_pool": "avg"})
    linear = model.visual.trunk.get_classifier()
    output, before = before_and_after(model, 64)
    assert before.shape == (4, 512)
    with torch.inference_mode():
        assert relative_distance(linear(torch.from_numpy(before)).numpy(), output) < 1e-5


def test_the_attention_pool_of_a_timm_model_ends_with_its_projection() -> None:
    model = built({"timm_model_name": "resnet10t", "image_size": 224, "timm_proj": "", "timm_pool": "abs_attn"})
    linear = model.visual.head.pool.proj
    output, before = before_and_after(model, 224)
    assert before.shape == (4, 512)
    with torch.inference_mode():
        assert relative_distance(linear(torch.from_numpy(before)).numpy(), output) < 1e-5


def test_a_tower_without_a_projection_is_refused() -> None:
    model = built(TIMM | {"timm_proj": "none", "timm_pool": "avg"})
    with pytest.raises(InputError) as caught:
        drop_projection("mine", model.visual)
    assert str(caught.value) == (
        "the image tower of 'mine' ends without a projection, so it has no space before one; use --space output."
    )


@pytest.mark.parametrize(("model", "width"), [("tiny-p8", 96), ("tiny-rn", None)])
def test_a_bundled_model_is_loaded_before_its_projection_without_texts(model: str, width: int | None) -> None:
    checkpoint = zoo.FAMILY.resolve(Request(model=model, pretrained="final"))
    assert zoo.FAMILY.load_pre_projection is not None
    encoder = zoo.FAMILY.load_pre_projection(checkpoint, "cpu", "fp32")
    output = zoo.FAMILY.load(checkpoint, "cpu", "fp32")
    assert (encoder.has_text, output.has_text) == (False, True)
    assert isinstance(output, OpenClipEncoder)
    assert encoder.geometry == output.geometry
    before, after = encoder.encode_images(PIXELS), output.encode_images(PIXELS)
    if width is not None:
        assert before.shape == (4, width)
        assert relative_distance(before @ output.model.visual.proj.detach().numpy(), after) < 1e-5
    else:
        linear = output.model.visual.attnpool.c_proj
        with torch.inference_mode():
            assert relative_distance(linear(torch.from_numpy(before)).numpy(), after) < 1e-5


def test_a_loaded_model_without_a_projection_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "mine.json"
    vision = TIMM | {"timm_proj": "none", "timm_pool": "avg"}
    config.write_text(json.dumps({"embed_dim": 512, "vision_cfg": vision, "text_cfg": TEXT}))
    checkpoint = FAMILY.resolve(Request(model="mine", pretrained="random", config_file=str(config)))
    assert FAMILY.load_pre_projection is not None
    with pytest.raises(InputError) as caught:
        FAMILY.load_pre_projection(checkpoint, "cpu", "fp32")
    assert str(caught.value).startswith("the image tower of 'mine' ends without a projection")
