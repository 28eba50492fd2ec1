"""The timm family on real timm models: names, pixels and features against timm's own, files, refusals."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from colors import colors_task
from hub_stand_in import hub_stand_in
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform

from clipkstar.caching.file_hashes import file_sha256
from clipkstar.checkpoint import Geometry
from clipkstar.data.rows import open_rows
from clipkstar.encoder import Request
from clipkstar.encoders._normalization import Normalization
from clipkstar.encoders.timm import FAMILY, TimmEncoder, geometry_of
from clipkstar.errors import InputError, UnknownNameError, UnreachableError
from clipkstar.pixels import resizer
from clipkstar.runner import evaluate
from clipkstar.selection import select_checkpoint, select_metrics
from clipkstar.store import Store
from clipkstar.unit import Settings, Work

SIZES = [(64, 64), (33, 47), (47, 33), (7, 5), (100, 301), (301, 100), (351, 229), (160, 160), (169, 168)]


def load(model: str, pretrained: str | None = None, precision: str = "fp32") -> TimmEncoder:
    checkpoint = FAMILY.resolve(Request(model=model, pretrained=pretrained))
    encoder = FAMILY.load(checkpoint, "cpu", precision)  # type: ignore[arg-type]
    assert isinstance(encoder, TimmEncoder)
    return encoder


def refusal(model: str, pretrained: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        load(model, pretrained)
    return str(caught.value)


def pictures() -> list[Image.Image]:
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)) for width, height in SIZES]


@pytest.fixture(scope="module")
def trained() -> torch.nn.Module:
    """Stands for a trained test_resnet: its weights are other than those of any seed in the package."""
    with torch.random.fork_rng():
        torch.manual_seed(77)
        return timm.create_model("test_resnet").eval()


def features(model: torch.nn.Module) -> np.ndarray:
    """Pooled features of the pictures by timm alone: its own transform, its own way to leave the classifier out."""
    transform = create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    images = torch.stack([transform(picture) for picture in pictures()])
    with torch.inference_mode():
        return model.forward_head(model.forward_features(images), pre_logits=True).numpy()


def embed(encoder: TimmEncoder) -> np.ndarray:
    return encoder.encode_images(np.stack([resizer(encoder.geometry)(picture) for picture in pictures()]))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("crop_pct", [0.875, 0.9, 0.95, 0.965, 1.0])
@pytest.mark.parametrize(("crop_mode", "side"), [("center", 33), ("center", 64), ("squash", 33), ("border", 48)])
def test_the_model_gets_what_timms_own_transform_gives_to_the_last_bit(
    crop_mode: str, side: int, crop_pct: float, interpolation: str
) -> None:
    config: dict[str, Any] = {
        "input_size": (3, side, side), "interpolation": interpolation, "crop_pct": crop_pct, "crop_mode": crop_mode,
        "mean": (0.5, 0.5, 0.5), "std": (0.229, 0.224, 0.225),
    }  # fmt: skip
    transform = create_transform(**config, is_training=False)
    resize = resizer(geometry_of("made", config))
    normalization = Normalization(mean=config["mean"], std=config["std"])
    for picture in pictures():
        given = normalization.apply(resize(picture)[None], device="cpu", dtype=torch.float32)[0].numpy()
        expected = transform(picture).numpy()
        assert given.shape == (3, side, side)
        assert given.tobytes() == expected.tobytes(), picture.size


def test_a_rectangle_is_cut_as_timm_does() -> None:
    config: dict[str, Any] = {
        "input_size": (3, 40, 24), "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center",
        "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5),
    }  # fmt: skip
    resize, transform = resizer(geometry_of("made", config)), create_transform(**config, is_training=False)
    for picture in pictures():
        expected = (transform(picture) * 0.5 + 0.5) * 255
        np.testing.assert_allclose(resize(picture), expected.numpy(), atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"interpolation": "lanczos"},
            "'timm:made' resizes by 'center' and 'lanczos', clipkstar by center, squash, border and bicubic or "
            "bilinear; choose another model.",
        ),
        (
            {"crop_pct": 1.15},
            "'timm:made' has the crop_pct 1.15, clipkstar needs more than 0 and at most 1; choose another model.",
        ),
        (
            {"crop_mode": "border"},
            "'timm:made' pads with the colour (0.485, 0.456, 0.406), clipkstar with a grey; choose another model.",
        ),
        ({"input_size": (1, 32, 32)}, "'timm:made' takes 1 channels, clipkstar gives 3; choose another model."),
        (
            {"input_size": (3, 40, 24), "interpolation": "bilinear"},
            "'timm:made' resizes to a rectangle by 'bilinear', clipkstar by 'bicubic' only; choose another model.",
        ),
    ],
)
def test_pixels_that_no_geometry_can_say_are_refused(changes: dict, sentence: str) -> None:
    config = {"input_size": (3, 32, 32), "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center"}
    with pytest.raises(InputError) as caught:
        geometry_of("made", config | {"mean": (0.485, 0.456, 0.406)} | changes)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("with_classifier", [True, False])
def test_a_checkpoint_file_gives_the_pooled_features_of_timm(
    suffix: str, with_classifier: bool, trained: torch.nn.Module, tmp_path: Path
) -> None:
    state = {
        name: value for name, value in trained.state_dict().items() if with_classifier or not name.startswith("fc.")
    }
    path = tmp_path / f"checkpoint-12{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}, "epoch": 12}, path)
    else:
        save_file(state, path)
    encoder = load("test_resnet", str(path))
    assert encoder.geometry == Geometry(size=(160, 160), interpolation="bilinear", crop_fraction=0.95)
    np.testing.assert_allclose(embed(encoder), features(trained), atol=1e-5)
    checkpoint = FAMILY.resolve(Request(model="test_resnet", pretrained=str(path)))
    assert (checkpoint.pretrained, checkpoint.lineage) == (
        "checkpoint-12",
        f"timm/test_resnet/{tmp_path.name}/checkpoint",
    )


def test_a_file_with_another_number_of_classes_is_taken(trained: torch.nn.Module, tmp_path: Path) -> None:
    own = timm.create_model("test_resnet", num_classes=7).eval()
    own.load_state_dict(
        {name: value for name, value in trained.state_dict().items() if not name.startswith("fc.")}, strict=False
    )
    save_file(own.state_dict(), tmp_path / "own.safetensors")
    np.testing.assert_allclose(
        embed(load("test_resnet", str(tmp_path / "own.safetensors"))), features(trained), atol=1e-5
    )


def test_there_is_no_text_tower() -> None:
    encoder = load("test_vit", "random")
    assert (encoder.has_text, encoder.logit_bias) == (False, None)


def test_random_weights_are_the_same_each_time_and_leave_the_callers_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first, second = load("test_vit", "random"), load("test_vit.random")
    np.testing.assert_array_equal(embed(first), embed(second))
    assert torch.equal(torch.random.get_rng_state(), before)
    identities = {FAMILY.identify(FAMILY.resolve(Request(model=model, pretrained="random"))).weights_sha256
                  for model in ("test_vit", "test_vit2")}  # fmt: skip
    assert len(identities) == 2


def test_random_weights_are_said_aloud() -> None:
    notice = FAMILY.resolve(Request(model="test_vit", pretrained="random")).notice
    assert notice == "'test_vit' has random weights: nothing was trained, its scores are those of chance."


def test_random_weights_do_not_seed_the_callers_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    load("test_vit", "random")
    assert seeds == []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
    assert seeds == [6], "torch no longer seeds GPUs this way, so this test sees nothing"


def test_a_checkpoint_file_comes_with_the_tag_whose_preprocessing_is_taken(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-3.pth.tar").touch()
    found = [
        FAMILY.resolve(Request(model=model, pretrained=str(tmp_path / "checkpoint-3.pth.tar"))).notice
        for model in ("test_resnet", "test_coatnet")
    ]
    assert found == [
        "'checkpoint-3.pth.tar' does not say how its pictures were prepared: they are prepared as timm does for "
        "'test_resnet.r160_in1k'.",
        "'checkpoint-3.pth.tar' does not say how its pictures were prepared: they are prepared as timm does for "
        "'test_coatnet.untrained'.",
    ]


def test_half_precision_changes_the_features_a_little() -> None:
    full = embed(load("test_vit", "random"))
    for precision in ("bf16", "amp_bf16"):
        half = embed(load("test_vit", "random", precision))
        assert half.dtype == np.float32
        assert not np.array_equal(half, full)
        np.testing.assert_allclose(half, full, atol=0.1 * float(np.abs(full).max()))
    with pytest.raises(InputError) as caught:
        load("test_vit", "random", "amp_fp16")
    assert str(caught.value) == "--precision amp_fp16 needs a GPU; on a CPU use fp32, bf16 or amp_bf16."


def test_a_tag_may_stand_in_the_name_or_beside_it_and_the_first_one_is_said() -> None:
    named = FAMILY.resolve(Request(model="resnet50.a1_in1k"))
    beside = FAMILY.resolve(Request(model="resnet50", pretrained="a1_in1k"))
    assert named == beside
    assert named.title == "timm--resnet50--a1_in1k"
    bare = FAMILY.resolve(Request(model="resnet50"))
    assert bare.pretrained == "a1_in1k"
    assert bare.notice == "'resnet50' without a tag is taken to mean timm's first, 'a1_in1k'."


def test_every_pretrained_name_of_timm_resolves_and_nearly_all_have_a_geometry() -> None:
    refused = []
    for name in timm.list_pretrained():
        model, _, tag = name.partition(".")
        config = timm.models.get_pretrained_cfg(name).to_dict()
        try:
            geometry_of(model, config)
        except InputError as error:
            refused.append(str(error))
        assert tag
    assert len(refused) <= 3
    assert all("has the crop_pct 1.15" in sentence for sentence in refused)


@pytest.mark.parametrize(
    ("model", "pretrained", "sentence"),
    [
        (
            "resnet50",
            "a1_in1",
            "there is no 'resnet50' tag 'a1_in1'; did you mean 'a1_in1k' or 'a1h_in1k' or 'ra_in1k'?",
        ),
        (
            "resnet50.a1_in1k",
            "a2_in1k",
            "'timm:resnet50.a1_in1k' names a tag, and --pretrained a2_in1k too; keep one.",
        ),
        (
            "test_coatnet",
            None,
            "timm has no weights for 'test_coatnet'; give --pretrained a checkpoint file, or random.",
        ),
        ("resnet50", "runs/none.pth", "there is no checkpoint file 'runs/none.pth'; check the path."),
    ],
)
def test_names_that_cannot_be_meant_are_refused(model: str, pretrained: str | None, sentence: str) -> None:
    assert refusal(model, pretrained) == sentence


def test_an_unknown_model_comes_with_the_nearest_names() -> None:
    with pytest.raises(UnknownNameError) as caught:
        FAMILY.resolve(Request(model="resnet5O"))
    assert str(caught.value).startswith("there is no timm model 'resnet5O'; did you mean 'resnet5")


def test_options_of_other_families_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        FAMILY.resolve(Request(model="resnet50", config_file="config.json"))
    assert str(caught.value) == "'timm:resnet50' is built by timm itself; leave --model-config and --activation out."


def test_weights_that_cannot_be_fetched_are_said_in_one_sentence() -> None:
    with pytest.raises(UnreachableError) as caught:
        FAMILY.identify(FAMILY.resolve(Request(model="test_resnet.r160_in1k")))
    assert str(caught.value).startswith(
        "the weights 'r160_in1k' of 'test_resnet' (from 'timm/test_resnet.r160_in1k') cannot be reached ("
    )


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch evil",)


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"fc.weight": _Evil()}))
    assert refusal("test_resnet", str(tmp_path / "evil.pth")) == (
        "'evil.pth' is a pickle that wants to run code, which clipkstar never does; save the plain state_dict, best as "
        ".safetensors."
    )


def test_weights_that_lack_a_part_are_refused_and_not_filled_at_random(
    trained: torch.nn.Module, tmp_path: Path
) -> None:
    state = dict(trained.state_dict())
    del state["layer1.0.conv1.weight"]
    save_file(state, tmp_path / "part.safetensors")
    assert refusal("test_resnet", str(tmp_path / "part.safetensors")) == (
        "'part.safetensors' holds weights of another architecture than 'test_resnet' "
        '(Missing key(s) in state_dict: "layer1.0.conv1.weight".); name the model it was trained as.'
    )


def test_truncated_weights_are_said_in_one_sentence(trained: torch.nn.Module, tmp_path: Path) -> None:
    save_file(trained.state_dict(), tmp_path / "whole.safetensors")
    content = (tmp_path / "whole.safetensors").read_bytes()
    (tmp_path / "half.safetensors").write_bytes(content[: len(content) // 2])
    sentence = refusal("test_resnet", str(tmp_path / "half.safetensors"))
    assert sentence.startswith("'half.safetensors' is no readable checkpoint, perhaps truncated (")
    assert sentence.endswith("); save it again.")


def test_zero_shot_scores_are_null_with_the_reason_and_the_rest_is_computed(tmp_path: Path) -> None:
    family, checkpoint = select_checkpoint(Request(model="timm:test_vit", pretrained="random"))
    work = Work(
        family=family,
        checkpoint=checkpoint,
        metrics=select_metrics(["zero_shot", "kstar"]),
        settings=Settings(device="cpu"),
    )
    tasks = [open_rows(colors_task(tmp_path))]
    (outcome,) = evaluate(work, tasks, Store(root=tmp_path / "runs"), lambda *_: None)
    assert outcome.evaluation.run.scores["top1"] is None
    assert outcome.evaluation.run.scores["kstar_mean"] is not None
    assert "without text embeddings in this space the zero-shot scores are null." in outcome.evaluation.notices
    (again,) = evaluate(work, tasks, Store(root=tmp_path / "runs"), lambda *_: None)
    assert (outcome.skipped, again.skipped) == (False, True)


SCRIPT = """
from clipkstar.encoder import Request
from clipkstar.encoders.timm import FAMILY
checkpoint = FAMILY.resolve(Request(model="test_resnet.r160_in1k"))
FAMILY.load(checkpoint, "cpu", "fp32")
print(FAMILY.identify(checkpoint).weights_sha256)
"""


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_tag_is_downloaded_once_and_works_without_the_hub(
    name: str, trained: torch.nn.Module, tmp_path: Path
) -> None:
    repository = tmp_path / "hub" / "models" / "timm" / "test_resnet.r160_in1k"
    repository.mkdir(parents=True)
    if name == "model.safetensors":
        save_file(trained.state_dict(), repository / name)
    else:
        torch.save(trained.state_dict(), repository / name)
    with hub_stand_in(tmp_path / "hub") as hub:
        endpoint = hub.endpoint
        environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": ""}
        online = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
        downloads = [path for method, path in hub.requests if method == "GET" and path.endswith(name)]
    environment["HF_HUB_OFFLINE"] = "1"  # else the hub's client asks the closed port for 23 s per file
    offline = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    assert online.stdout == offline.stdout == f"{file_sha256(repository / name)}\n", online.stderr + offline.stderr
    assert len(downloads) == 1
