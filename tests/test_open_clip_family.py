"""The open_clip family on real open_clip models: names, loading, damaged files, activation, precision, identity."""

import contextlib
import hashlib
import importlib.metadata
import json
import pickle
import re
import shutil
import sys
import warnings
from pathlib import Path

import httpx2
import huggingface_hub
import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from open_clip.transformer import QuickGELU
from PIL import Image
from safetensors.torch import load_file, save_file

from clipkstar.checkpoint import Checkpoint, Geometry
from clipkstar.data.rows import open_rows
from clipkstar.discovery import TASKS, find
from clipkstar.encoder import Request
from clipkstar.encoders import _open_clip_weights, zoo
from clipkstar.encoders.open_clip import FAMILY, OpenClipEncoder, locate
from clipkstar.errors import InputError
from clipkstar.pixels import decode, resizer

FOLDER = zoo.FOLDER / "tiny-p8" / "final"
WEIGHTS = FOLDER / "open_clip_model.safetensors"
CONFIG = FOLDER / "open_clip_config.json"
B32_TAGS = open_clip.list_pretrained_tags_by_model("ViT-B-32")
N_MODELS = len(open_clip.list_models())
PROMPTS = ["a photo of the number seven.", "a grey picture of the digit two."]


def resolve(model: str, pretrained: str | None = None, config_file: Path | None = None) -> Checkpoint:
    return FAMILY.resolve(
        Request(model=model, pretrained=pretrained, config_file=str(config_file) if config_file else None)
    )


def load(checkpoint: Checkpoint, precision: str = "fp32") -> OpenClipEncoder:
    encoder = FAMILY.load(checkpoint, "cpu", precision)  # type: ignore[arg-type]
    assert isinstance(encoder, OpenClipEncoder)
    return encoder


def refusal(model: str, pretrained: str | None = None, config_file: Path | None = None) -> str:
    """The sentence with which resolving or loading is refused."""
    with pytest.raises(InputError) as caught:
        load(resolve(model, pretrained, config_file))
    return str(caught.value)


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    rows = open_rows(find(TASKS, "digits")[0], limit=24)
    return [decode(content, where="digits") for content in rows.image_bytes(range(24))]


@pytest.fixture(scope="module")
def bundled() -> OpenClipEncoder:
    return load(resolve(f"local-dir:{FOLDER}"))


@pytest.fixture(scope="module")
def reference(pictures: list[Image.Image]) -> NDArray[np.float32]:
    """Embeddings by open_clip alone."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{FOLDER}")
    with torch.inference_mode():
        return model.eval().encode_image(torch.stack([preprocess(picture) for picture in pictures])).numpy()


def embed(encoder: OpenClipEncoder, pictures: list[Image.Image]) -> NDArray[np.float32]:
    prepare = resizer(encoder.geometry)
    return encoder.encode_images(np.stack([prepare(picture) for picture in pictures]))


def test_an_exact_tag_is_taken_as_it_is() -> None:
    assert resolve("ViT-B-32", "laion2b_e16") == Checkpoint(
        family="open_clip",
        model="ViT-B-32",
        pretrained="laion2b_e16",
        lineage="ViT-B-32/laion2b",
        summary="timm/vit_base_patch32_clip_224.laion2b_e16",
    )


def test_laion2b_means_the_fully_trained_weights_and_says_so() -> None:
    found = resolve("ViT-B-32", "laion2b")
    assert found.pretrained == "laion2b_s34b_b79k"
    assert found.notice == "'laion2b' is taken to mean 'laion2b_s34b_b79k'."


def test_the_only_tag_that_begins_so_is_taken_and_said() -> None:
    found = resolve("ViT-B-32", "datacomp_xl")
    assert (found.pretrained, found.notice) == (
        "datacomp_xl_s13b_b90k",
        "'datacomp_xl' is taken to mean 'datacomp_xl_s13b_b90k'.",
    )


@pytest.mark.parametrize("written", ["laion2b-s34b-b79k", "LAION2B_S34B_B79K", "Laion2B-s34b_b79k"])
def test_a_tag_may_be_written_with_dashes_and_capitals(written: str) -> None:
    assert resolve("ViT-B-32", written).pretrained == "laion2b_s34b_b79k"


@pytest.mark.parametrize(
    ("model", "tag", "sentence"),
    [
        (
            "ViT-B-32",
            "laion400m",
            "'laion400m' may mean laion400m_e31 or laion400m_e32 of 'ViT-B-32'; write one of them out.",
        ),
        (
            "ViT-B-32",
            "openia",
            "there is no 'ViT-B-32' tag 'openia'; did you mean 'openai'?",
        ),
        (
            "ViT-B-32",
            "xyzzy",
            f"there is no 'ViT-B-32' tag 'xyzzy'; there are {len(B32_TAGS)} of them, see 'clipkstar models ViT-B-32'.",
        ),
        ("ViT-B-33", "openai", "there is no model 'ViT-B-33'; did you mean 'ViT-B-32' or 'ViT-S-32' or 'ViT-M-32'?"),
        (
            "xyzzy-xyzzy",
            "openai",
            f"there is no model 'xyzzy-xyzzy'; there are {N_MODELS} of them, see 'clipkstar models'.",
        ),
        ("ViT-B-32", None, f"'ViT-B-32' needs --pretrained: {', '.join(B32_TAGS)}, or a checkpoint file."),
        ("ViT-B-32", "", f"'ViT-B-32' needs --pretrained: {', '.join(B32_TAGS)}, or a checkpoint file."),
        ("coca_base", None, "open_clip has no weights for 'coca_base'; give --pretrained a checkpoint file."),
        ("ViT-B-32", "no/such.pt", "there is no checkpoint file 'no/such.pt'; check the path."),
        ("ViT-B-32", "such.safetensors", "there is no checkpoint file 'such.safetensors'; check the path."),
        ("hf-hub:name", None, "'hf-hub:name' names no hub repository; write hf-hub:org/name."),
        (
            "hf-hub:org/name",
            "openai",
            "a hf-hub: model brings its own weights; leave --pretrained and --model-config out.",
        ),
        (
            "local-dir:/no/such/folder",
            None,
            "'/no/such/folder' has no open_clip_config.json, which local-dir: needs; check the path.",
        ),
    ],
)
def test_names_that_mean_nothing_are_one_sentence(model: str, tag: str | None, sentence: str) -> None:
    assert refusal(model, tag) == sentence


def test_a_config_file_without_a_checkpoint_file_is_one_sentence() -> None:
    assert refusal("mine", "laion2b", CONFIG) == (
        f"'{CONFIG}' describes an architecture of your own, which has no tags; give --pretrained the checkpoint file."
    )


def test_a_file_that_is_no_checkpoint_by_its_name_is_one_sentence(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("no weights")
    assert refusal("ViT-B-32", str(notes)) == (
        "'notes.txt' has no known checkpoint suffix; it needs one of .pt, .pth, .bin, .safetensors."
    )


def test_files_folders_and_repositories_resolve_without_a_download(tmp_path: Path) -> None:
    epoch = tmp_path / "run7" / "epoch_12.pt"
    epoch.parent.mkdir()
    epoch.touch()
    of_file = resolve("ViT-B-32", str(epoch))
    assert (of_file.model, of_file.pretrained, of_file.lineage) == ("ViT-B-32", "epoch_12", "ViT-B-32/run7/epoch")
    of_config = resolve("mine", str(epoch), CONFIG)
    assert (of_config.model, of_config.pretrained, of_config.config_file) == ("mine", "epoch_12", str(CONFIG))
    of_hub = resolve("hf-hub:org/name")
    assert (of_hub.model, of_hub.pretrained, of_hub.lineage) == ("org/name", "hf-hub", "hf-hub/org/name")
    of_folder = resolve(f"local-dir:{FOLDER}")
    assert (of_folder.pretrained, of_folder.source) == ("local-dir", f"local-dir:{FOLDER}")


ALL_TAKEN = (
    "'epoch_1.pt' does not say how it was trained: taken are the activation gelu, resize mode shortest, bicubic "
    "interpolation, the mean of OpenAI, the std of OpenAI; --activation and a --model-config with quick_gelu and "
    "preprocess_cfg say otherwise."
)
WHOLE = {"resize_mode": "squash", "interpolation": "bilinear", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.2]}


def file_notice(folder: Path, model: str, config_file: Path | None = None, activation: str | None = None) -> str:
    weights = folder / "epoch_1.pt"
    weights.touch()
    config = str(config_file) if config_file else None
    asked = Request(model=model, pretrained=str(weights), config_file=config, activation=activation)  # type: ignore[arg-type]
    return FAMILY.resolve(asked).notice


def test_a_checkpoint_file_comes_with_what_is_taken_for_granted_of_its_training(tmp_path: Path) -> None:
    assert file_notice(tmp_path, "ViT-B-32") == ALL_TAKEN
    assert file_notice(tmp_path, "ViT-B-16-SigLIP") == ALL_TAKEN
    assert file_notice(tmp_path, "ViT-B-32-quickgelu") == ALL_TAKEN.replace("gelu,", "quick_gelu,")
    assert file_notice(tmp_path, "ViT-B-32", activation="quick_gelu") == (
        ALL_TAKEN.replace("the activation gelu, ", "") + " quick_gelu is the activation, as asked."
    )
    taken = locate(resolve("ViT-B-32", str(tmp_path / "epoch_1.pt"))).preprocess
    assert (taken["mean"], taken["std"]) == (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    assert (taken["resize_mode"], taken["interpolation"]) == ("shortest", "bicubic")


def test_what_the_config_file_says_is_not_taken_for_granted(tmp_path: Path) -> None:
    config = changed_config(tmp_path, {"mean": [0.4, 0.5, 0.6], "resize_mode": "squash"})
    assert file_notice(tmp_path, "mine", config) == (
        ALL_TAKEN.replace("resize mode shortest, ", "").replace("the mean of OpenAI, ", "")
    )
    config = changed_config(tmp_path, WHOLE)
    assert "taken are the activation gelu; --activation" in file_notice(tmp_path, "mine", config)
    content = json.loads(config.read_text())
    content["model_cfg"]["quick_gelu"] = False
    config.write_text(json.dumps(content))
    assert file_notice(tmp_path, "mine", config) == ""


UNTOLD = ("roberta-ViT-B-32", "laion2b_s12b_b32k")
"""The pair of open_clip 3.3 whose model asks for quick_gelu while its tag does not."""


def test_every_pair_of_open_clip_resolves_to_itself() -> None:
    pairs = open_clip.list_pretrained()
    assert [(checkpoint.model, checkpoint.pretrained) for checkpoint in FAMILY.checkpoints()] == pairs
    found = [resolve(model, tag) for model, tag in pairs if (model, tag) != UNTOLD]
    assert {checkpoint.notice for checkpoint in found} == {""}
    assert set(FAMILY.checkpoints()) - set(found) == {
        checkpoint for checkpoint in FAMILY.checkpoints() if (checkpoint.model, checkpoint.pretrained) == UNTOLD
    }


def test_epochs_of_one_training_run_share_a_lineage_and_two_runs_do_not() -> None:
    lineage = {tag: resolve("ViT-B-32", tag).lineage for tag in B32_TAGS}
    assert lineage["laion400m_e31"] == lineage["laion400m_e32"]
    assert len({lineage[tag] for tag in B32_TAGS}) == len(B32_TAGS) - 1
    assert resolve("ViT-B-16", "laion400m_e31").lineage != lineage["laion400m_e31"]


def test_epochs_of_one_folder_of_open_clips_training_share_a_lineage_and_two_experiments_do_not(tmp_path: Path) -> None:
    files = [f"{run}/checkpoints/epoch_{epoch}.pt" for run in ("first", "second") for epoch in (3, 12)]
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert [resolve("ViT-B-32", str(tmp_path / file)).lineage for file in files] == [
        "ViT-B-32/first/epoch", "ViT-B-32/first/epoch", "ViT-B-32/second/epoch", "ViT-B-32/second/epoch",
    ]  # fmt: skip


def test_a_folder_gives_the_embeddings_that_open_clip_gives(
    bundled: OpenClipEncoder, pictures: list[Image.Image], reference: NDArray[np.float32]
) -> None:
    np.testing.assert_array_equal(embed(bundled, pictures), reference)


def test_prompts_get_the_embeddings_that_open_clip_gives_with_the_pruned_vocabulary(bundled: OpenClipEncoder) -> None:
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{FOLDER}")
    tokenizer = open_clip.SimpleTokenizer(bpe_path=str(zoo.FOLDER / "bpe.txt.gz"), context_length=32)
    with torch.inference_mode():
        expected = model.eval().encode_text(tokenizer(PROMPTS)).numpy()
    distances = np.linalg.norm(bundled.encode_texts(PROMPTS) - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert distances.max() < 1e-5


def test_the_vocabulary_is_found_from_any_working_directory(
    bundled: OpenClipEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(
        load(resolve(f"local-dir:{FOLDER}")).encode_texts(PROMPTS), bundled.encode_texts(PROMPTS)
    )
    # A folder that is itself given relative to the working directory.
    shutil.copytree(FOLDER, tmp_path / "zoo" / "model" / "tag")
    shutil.copy(zoo.FOLDER / "bpe.txt.gz", tmp_path / "zoo")
    np.testing.assert_array_equal(
        load(resolve("local-dir:zoo/model/tag")).encode_texts(PROMPTS), bundled.encode_texts(PROMPTS)
    )


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_checkpoint_file_with_its_config_gives_the_embeddings_of_the_folder(
    suffix: str, tmp_path: Path, pictures: list[Image.Image], reference: NDArray[np.float32]
) -> None:
    path = tmp_path / f"epoch_3{suffix}"
    if suffix == ".pt":
        torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in load_file(WEIGHTS).items()}}, path)
    else:
        shutil.copy(WEIGHTS, path)
    np.testing.assert_array_equal(embed(load(resolve("mine", str(path), CONFIG)), pictures), reference)


def test_a_checkpoint_of_open_clips_own_training_is_loaded_past_its_optimizer_state(
    tmp_path: Path, pictures: list[Image.Image], reference: NDArray[np.float32]
) -> None:
    weights = load_file(WEIGHTS)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(value) for value in weights.values()])
    for parameter in optimizer.param_groups[0]["params"]:
        parameter.grad = torch.ones_like(parameter)
    state_dict = {f"module.{name}": value.clone() for name, value in weights.items()}
    optimizer.step()
    path = tmp_path / "epoch_3.pt"
    torch.save(
        {
            "epoch": 3,
            "name": "run7",
            "state_dict": state_dict,
            "optimizer": optimizer.state_dict(),
            "scaler": torch.amp.GradScaler("cpu").state_dict(),
        },
        path,
    )
    np.testing.assert_array_equal(embed(load(resolve("mine", str(path), CONFIG)), pictures), reference)


def test_a_checkpoint_file_with_its_config_reads_prompts_as_the_folder_does(bundled: OpenClipEncoder) -> None:
    encoder = load(resolve("mine", str(WEIGHTS), CONFIG))
    np.testing.assert_array_equal(encoder.encode_texts(PROMPTS), bundled.encode_texts(PROMPTS))


def test_a_config_file_under_a_name_of_open_clip_does_not_replace_the_built_in_model(
    pictures: list[Image.Image], bundled: OpenClipEncoder
) -> None:
    built_in = open_clip.get_model_config("ViT-B-32")
    checkpoint = resolve("ViT-B-32", str(WEIGHTS), CONFIG)
    assert embed(load(checkpoint), pictures).shape == embed(bundled, pictures).shape
    assert open_clip.get_model_config("ViT-B-32") == built_in
    assert resolve("ViT-B-32", "openai").pretrained == "openai"


@pytest.fixture
def random_b32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Random weights in place of every download, for a ViT-B-32 that is as open_clip has it, only much smaller."""
    small = open_clip.get_model_config("ViT-B-32")
    small["embed_dim"] = 16
    small["vision_cfg"] |= {"layers": 2, "width": 64}
    small["text_cfg"] |= {"layers": 2, "width": 64, "heads": 1}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-32", small)
    torch.manual_seed(0)
    weights = tmp_path / "random.safetensors"
    save_file(open_clip.create_model("ViT-B-32").state_dict(), weights)
    monkeypatch.setattr(_open_clip_weights, "first_file", lambda *_, **__: weights)
    monkeypatch.setattr(open_clip.factory, "download_pretrained", lambda *_, **__: str(weights))
    return weights


def activations(encoder: OpenClipEncoder) -> set[type]:
    model = encoder.model
    assert isinstance(model, open_clip.CLIP)
    blocks = [*model.visual.transformer.resblocks, *model.transformer.resblocks]
    return {type(block.mlp.gelu) for block in blocks}


def test_the_activation_is_the_one_that_the_tag_was_trained_with(
    random_b32: Path, pictures: list[Image.Image], caplog: pytest.LogCaptureFixture
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        openai, laion2b = resolve("ViT-B-32", "openai"), resolve("ViT-B-32", "laion2b")
        with_quick_gelu, with_gelu = load(openai), load(laion2b)
    assert "QuickGELU" not in caplog.text + "".join(str(warning.message) for warning in caught)
    assert FAMILY.identify(openai).activation == "quick_gelu"
    assert FAMILY.identify(laion2b).activation == "gelu"
    assert activations(with_quick_gelu) == {QuickGELU}
    assert activations(with_gelu) == {torch.nn.GELU}
    # The weights are the same, so the difference is the activation's.
    assert not np.allclose(embed(with_quick_gelu, pictures[:2]), embed(with_gelu, pictures[:2]), atol=1e-4)


def test_the_activation_is_part_of_the_config_hash(random_b32: Path) -> None:
    openai = FAMILY.identify(resolve("ViT-B-32", "openai"))
    laion2b = FAMILY.identify(resolve("ViT-B-32", "laion2b"))
    assert openai.weights_sha256 == laion2b.weights_sha256 == hashlib.sha256(random_b32.read_bytes()).hexdigest()
    assert openai.config_sha256 != laion2b.config_sha256


@pytest.mark.parametrize(
    ("section", "entries", "package"),
    [
        ("vision_cfg", {"timm_model_name": "test_vit"}, "timm"),
        ("text_cfg", {"hf_tokenizer_name": "WORDS"}, "transformers"),
    ],
)
def test_another_version_of_a_package_that_builds_a_part_is_another_config_hash(
    section: str, entries: dict[str, str], package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {key: value.replace("WORDS", str(tmp_path)) for key, value in entries.items()}
    checkpoints = [
        resolve(f"local-dir:{FOLDER}"),
        resolve("mine", str(WEIGHTS), changed_config(tmp_path, None, **{section: own})),
    ]
    before = [FAMILY.identify(checkpoint).config_sha256 for checkpoint in checkpoints]
    known = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.1" if name == package else known(name))
    after = [FAMILY.identify(checkpoint).config_sha256 for checkpoint in checkpoints]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.25), ([0.4, 0.5, 0.6], [0.2, 0.3, 0.2]), (0, 0.25)])
def test_mean_and_std_are_read_as_open_clip_reads_them(
    mean: float | list[float], std: float | list[float], tmp_path: Path, pictures: list[Image.Image]
) -> None:
    saved(tmp_path / WEIGHTS.name, torch.float32)
    changed_config(tmp_path, {"mean": mean, "std": std})
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{tmp_path}")
    with torch.inference_mode():
        expected = model.eval().encode_image(torch.stack([preprocess(picture) for picture in pictures])).numpy()
    np.testing.assert_array_equal(embed(load(resolve(f"local-dir:{tmp_path}")), pictures), expected)


def test_a_truncated_safetensors_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(WEIGHTS.read_bytes()[:-1000])
    assert re.fullmatch(
        r"'cut\.safetensors' is no readable checkpoint, perhaps truncated \([^\n]+\); fetch or save it again\.",
        refusal("mine", str(path), CONFIG),
    )


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_pt_file_is_one_sentence(share: float, tmp_path: Path) -> None:
    path = tmp_path / "cut.pt"
    torch.save(load_file(WEIGHTS), path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert re.fullmatch(
        r"'cut\.pt' is no readable checkpoint, perhaps truncated \([^\n]+\); fetch or save it again\.",
        refusal("mine", str(path), CONFIG),
    )


def test_weights_of_another_architecture_are_one_sentence(tmp_path: Path) -> None:
    fewer = load_file(WEIGHTS)
    del fewer["visual.proj"]
    save_file(fewer, tmp_path / "fewer.safetensors")
    wider = load_file(WEIGHTS)
    wider["visual.class_embedding"] = torch.zeros(128)
    save_file(wider, tmp_path / "wider.safetensors")
    assert refusal("mine", str(tmp_path / "fewer.safetensors"), CONFIG) == (
        "'fewer.safetensors' holds weights of another architecture than 'mine' "
        '(Missing key(s) in state_dict: "visual.proj".); name the model it was trained as.'
    )
    assert re.fullmatch(
        r"'wider\.safetensors' holds weights of another architecture than 'mine' \(size mismatch for "
        r"visual\.class_embedding: [^\n]+\); name the model it was trained as\.",
        refusal("mine", str(tmp_path / "wider.safetensors"), CONFIG),
    )


@pytest.mark.parametrize("content", [{"weights": torch.zeros(3)}, {}, [1, 2], torch.zeros(3)])
def test_a_pt_file_that_holds_something_else_than_weights_is_one_sentence(content: object, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save(content, path)
    assert re.fullmatch(
        r"'other\.pt' (is no readable checkpoint|holds weights of another)[^\n]+\.", refusal("mine", str(path), CONFIG)
    )


class WantsToRun:
    """A pickle that creates a file when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["evil.pt", "evil.bin", "evil-plain.pt"])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(name: str, tmp_path: Path) -> None:
    path, mark = tmp_path / name, tmp_path / "it ran"
    if "plain" in name:
        path.write_bytes(pickle.dumps({"state_dict": WantsToRun(mark)}))
    else:
        torch.save({"state_dict": WantsToRun(mark)}, path)
    assert refusal("mine", str(path), CONFIG) == (
        f"'{name}' is a pickle that wants to run code, which clipkstar never does; save the plain state_dict, "
        "best as .safetensors."
    )
    assert not mark.exists()
    with contextlib.suppress(RuntimeError):  # of torch, after it has unpickled what is no file of its own
        torch.load(path, weights_only=False)
    assert mark.exists()


def test_a_folder_without_weights_is_one_sentence(tmp_path: Path) -> None:
    shutil.copy(CONFIG, tmp_path)
    sentence = f"'{tmp_path}' holds no weights; it needs an open_clip_model.safetensors."
    assert refusal(f"local-dir:{tmp_path}") == sentence


@pytest.mark.parametrize("model", ["local-dir", "mine"])
def test_a_config_that_is_no_json_is_one_sentence(model: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(FOLDER, folder)
    config = folder / CONFIG.name
    config.write_text("{embed_dim: 64")
    of_folder = model == "local-dir"
    sentence = refusal(f"local-dir:{folder}") if of_folder else refusal(model, str(WEIGHTS), config)
    assert sentence == (
        f"'{config}' is no readable model config in JSON (Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)); check the path."
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([1], "'CONFIG' holds no JSON object; a model config has embed_dim, vision_cfg and text_cfg."),
        ({}, "the model config has no 'vision_cfg'; open_clip needs embed_dim, vision_cfg and text_cfg."),
        (
            {"model_cfg": [1]},
            "the model config has no 'model_cfg'; open_clip needs embed_dim, vision_cfg and text_cfg.",
        ),
        (
            {"model_cfg": {"embed_dim": 64}},
            "the model config has no 'vision_cfg'; open_clip needs embed_dim, vision_cfg and text_cfg.",
        ),
    ],
)
def test_a_folder_whose_config_is_no_model_config_is_one_sentence(
    content: object, sentence: str, tmp_path: Path
) -> None:
    shutil.copy(WEIGHTS, tmp_path)
    config = tmp_path / CONFIG.name
    config.write_text(json.dumps(content))
    assert refusal(f"local-dir:{tmp_path}") == sentence.replace("CONFIG", str(config))


def test_a_config_file_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    config = tmp_path / "none.json"
    assert refusal("mine", str(WEIGHTS), config) == (
        f"'{config}' is no readable model config in JSON ([Errno 2] No such file or directory: '{config}'); "
        "check the path."
    )


def changed_config(folder: Path, preprocess: object = None, **sections: dict[str, object]) -> Path:
    """Write FOLDER/open_clip_config.json, that of tiny-p8 with these entries, and its vocabulary beside it."""
    written = json.loads(CONFIG.read_text())
    model = written["model_cfg"]
    model["text_cfg"]["tokenizer_kwargs"] = {"bpe_path": "bpe.txt.gz"}
    for name, entries in sections.items():
        model[name] |= entries
    if preprocess is not None:
        written["preprocess_cfg"] = preprocess
    shutil.copy(zoo.FOLDER / "bpe.txt.gz", folder)
    path = folder / CONFIG.name
    path.write_text(json.dumps(written))
    return path


def saved(path: Path, dtype: torch.dtype) -> Path:
    """The weights of tiny-p8 in that type, as .safetensors or as a training checkpoint of several processes."""
    weights = {name: value.to(dtype) for name, value in load_file(WEIGHTS).items()}
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in weights.items()}}, path)
    return path


OTHER_SIZE = (
    ({"vision_cfg": {"image_size": 64}}, "(17, 96) in visual.positional_embedding, 'MODEL' has (65, 96)"),
    ({"vision_cfg": {"image_size": 16}}, "(17, 96) in visual.positional_embedding, 'MODEL' has (5, 96)"),
    ({"text_cfg": {"context_length": 40}}, "(32, 48) in positional_embedding, 'MODEL' has (40, 48)"),
    ({"text_cfg": {"context_length": 20}}, "(32, 48) in positional_embedding, 'MODEL' has (20, 48)"),
)


@pytest.mark.parametrize(("sections", "shapes"), OTHER_SIZE)
@pytest.mark.parametrize("name", ["epoch_3.pt", "mine.safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_a_checkpoint_file_of_another_image_size_or_context_length_is_refused(
    sections: dict[str, dict[str, object]], shapes: str, name: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    weights = saved(tmp_path / name, dtype)
    sentences = [
        f"'{name}' has positions of shape {shapes.replace('MODEL', 'mine')}: another image size or context length; "
        "name the model it was trained as."
    ]
    if dtype == torch.float16 and "vision_cfg" in sections:  # torch cannot stretch these on a CPU
        sentences = [
            f"'{name}' was trained with another image size or context length than 'mine' has; "
            "name the model it was trained as."
        ]
    assert refusal("mine", str(weights), changed_config(tmp_path, **sections)) in sentences


@pytest.mark.parametrize(("sections", "shapes"), OTHER_SIZE)
def test_a_folder_of_another_image_size_or_context_length_is_refused(
    sections: dict[str, dict[str, object]], shapes: str, tmp_path: Path
) -> None:
    saved(tmp_path / WEIGHTS.name, torch.float32)
    changed_config(tmp_path, **sections)
    assert refusal(f"local-dir:{tmp_path}") == (
        f"'{WEIGHTS.name}' has positions of shape {shapes.replace('MODEL', tmp_path.name)}: another image size or "
        "context length; name the model it was trained as."
    )


def test_a_text_tower_under_its_older_names_of_another_context_length_is_refused_too(tmp_path: Path) -> None:
    weights = saved(tmp_path / "mine.safetensors", torch.float32)
    config = changed_config(tmp_path, text_cfg={"context_length": 40})
    content = json.loads(config.read_text())
    content["model_cfg"]["custom_text"] = True
    config.write_text(json.dumps(content))
    assert "another image size or context length" in refusal("mine", str(weights), config)


@pytest.mark.parametrize("name", ["epoch_3.pt", "mine.safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_a_checkpoint_file_of_the_right_size_is_loaded_in_either_type(
    name: str, dtype: torch.dtype, tmp_path: Path, pictures: list[Image.Image], reference: NDArray[np.float32]
) -> None:
    encoder = load(resolve("mine", str(saved(tmp_path / name, dtype)), CONFIG))
    np.testing.assert_array_equal(embed(encoder, pictures), reference)


def test_a_config_file_may_hold_preprocessing_and_vocabulary_beside_the_model(
    tmp_path: Path, bundled: OpenClipEncoder
) -> None:
    config = changed_config(tmp_path, {"mean": [0.4, 0.5, 0.6], "resize_mode": "squash", "interpolation": "bilinear"})
    encoder = load(resolve("mine", str(WEIGHTS), config))
    assert encoder.geometry == Geometry(size=(32, 32), resize_mode="squash", interpolation="bilinear")
    assert encoder.located.preprocess["mean"] == [0.4, 0.5, 0.6]
    np.testing.assert_array_equal(encoder.encode_texts(PROMPTS), bundled.encode_texts(PROMPTS))
    (tmp_path / "bpe.txt.gz").unlink()
    assert refusal("mine", str(WEIGHTS), config) == (
        f"the model config in '{tmp_path}' names the vocabulary 'bpe.txt.gz', which is not there; add it."
    )


def test_a_config_file_may_be_the_model_section_alone(
    tmp_path: Path, pictures: list[Image.Image], bundled: OpenClipEncoder
) -> None:
    config = changed_config(tmp_path)
    config.write_text(json.dumps(json.loads(config.read_text())["model_cfg"]))
    encoder = load(resolve("mine", str(WEIGHTS), config))
    np.testing.assert_array_equal(encoder.encode_texts(PROMPTS), bundled.encode_texts(PROMPTS))
    assert embed(encoder, pictures).shape == embed(bundled, pictures).shape


@pytest.mark.parametrize(
    ("preprocess", "sentence"),
    [
        (
            {"resize_mode": "sideways"},
            "the model config has resize_mode 'sideways' and interpolation 'bicubic'; "
            "open_clip needs shortest, longest or squash, and bicubic or bilinear.",
        ),
        (
            {"interpolation": "cubist"},
            "the model config has resize_mode 'shortest' and interpolation 'cubist'; "
            "open_clip needs shortest, longest or squash, and bicubic or bilinear.",
        ),
        ([1], "'open_clip_config.json' has a preprocess_cfg that is no JSON object; correct it."),
    ],
    ids=["resize_mode", "interpolation", "list"],
)
def test_a_preprocessing_that_is_none_is_one_sentence(preprocess: object, sentence: str, tmp_path: Path) -> None:
    config = changed_config(tmp_path, preprocess)
    for use in (FAMILY.identify, load):
        with pytest.raises(InputError) as caught:
            use(resolve("mine", str(WEIGHTS), config))
        assert str(caught.value) == sentence


def test_a_fill_color_that_is_no_number_is_one_sentence(tmp_path: Path) -> None:
    assert "fill_color" in refusal("mine", str(WEIGHTS), changed_config(tmp_path, {"fill_color": "red"}))


@pytest.mark.parametrize(("section", "kind"), [("vision_cfg", "CLIPVisionCfg"), ("text_cfg", "CLIPTextCfg")])
def test_a_config_with_a_key_that_open_clip_does_not_know_is_one_sentence(
    section: str, kind: str, tmp_path: Path
) -> None:
    config = changed_config(tmp_path, None, **{section: {"magic": 3}})
    assert refusal("mine", str(WEIGHTS), config) == (
        f"open_clip does not know every key of the model config ({kind}.__init__() got an unexpected keyword argument "
        "'magic'); correct it."
    )


def test_a_tokenizer_whose_package_is_missing_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # also where another package brought it
    config = changed_config(tmp_path, text_cfg={"hf_tokenizer_name": "org/words"})
    content = json.loads(config.read_text())
    del content["model_cfg"]["text_cfg"]["tokenizer_kwargs"]
    config.write_text(json.dumps(content))
    assert re.fullmatch(
        r"'mine' needs a package that is not installed \([^\n]*transformers[^\n]*\); install it\.",
        refusal("mine", str(WEIGHTS), config),
    )


@pytest.mark.parametrize("error", [ConnectionError(), httpx2.ConnectError("")], ids=repr)
def test_a_download_that_fails_without_a_word_is_one_sentence(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise error

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    sentence = refusal("ViT-B-32", "openai")
    assert sentence.startswith("the weights 'openai' of 'ViT-B-32' (from '")
    assert sentence.endswith(
        "connect, then repeat the command, or use the bundled models, which need no network "
        "('clipkstar models tiny-*')."
    )


@pytest.mark.parametrize("precision", ["bf16", "amp_bf16"])
def test_half_precision_on_a_cpu_differs_a_little(
    precision: str, pictures: list[Image.Image], reference: NDArray[np.float32], bundled: OpenClipEncoder
) -> None:
    encoder = load(resolve(f"local-dir:{FOLDER}"), precision)
    for halved, full in (
        (embed(encoder, pictures), reference),
        (encoder.encode_texts(PROMPTS), bundled.encode_texts(PROMPTS)),
    ):
        assert halved.dtype == np.float32
        difference = np.linalg.norm(halved - full, axis=1) / np.linalg.norm(full, axis=1)
        assert difference.max() < 0.05
        assert difference.min() > 1e-5


@pytest.mark.parametrize("precision", ["fp16", "amp_fp16"])
def test_half_precision_that_a_cpu_lacks_is_refused(precision: str) -> None:
    with pytest.raises(InputError) as caught:
        load(resolve(f"local-dir:{FOLDER}"), precision)
    assert str(caught.value) == f"--precision {precision} needs a GPU; on a CPU use fp32, bf16 or amp_bf16."


def test_the_weights_hash_is_that_of_the_file() -> None:
    identity = FAMILY.identify(resolve(f"local-dir:{FOLDER}"))
    assert identity.weights_sha256 == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()


def test_the_config_hash_changes_with_activation_preprocessing_and_vocabulary_only(tmp_path: Path) -> None:
    folder = tmp_path / "zoo" / "model" / "tag"
    shutil.copytree(FOLDER, folder)
    vocabulary = tmp_path / "zoo" / "bpe.txt.gz"
    shutil.copy(zoo.FOLDER / "bpe.txt.gz", vocabulary)
    written = json.loads(CONFIG.read_text())

    def hash_with(section: str | None = None, **values: object) -> str:
        changed = written if section is None else written | {section: written[section] | values}
        (folder / CONFIG.name).write_text(json.dumps(changed))
        return FAMILY.identify(resolve(f"local-dir:{folder}")).config_sha256

    unchanged = hash_with()
    assert unchanged == FAMILY.identify(resolve(f"local-dir:{FOLDER}")).config_sha256
    hashes = {
        unchanged,
        hash_with("model_cfg", quick_gelu=True),
        hash_with("preprocess_cfg", mean=[0.4, 0.5, 0.5]),
        hash_with("preprocess_cfg", interpolation="bilinear"),
        hash_with("preprocess_cfg", resize_mode="squash"),
    }
    vocabulary.write_bytes(vocabulary.read_bytes() + b"\0")
    hashes.add(hash_with())
    assert len(hashes) == 6
