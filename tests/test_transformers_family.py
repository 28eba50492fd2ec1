"""The transformers family: pixels and embeddings against transformers' own, the bundled models converted, refusals."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import transformers
from hub_stand_in import hub_stand_in
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_transformers import save_clip, save_siglip

from clipkstar.checkpoint import Geometry
from clipkstar.data.rows import open_rows
from clipkstar.discovery import TASKS, find
from clipkstar.encoder import Request
from clipkstar.encoders import open_clip as open_clip_family
from clipkstar.encoders import zoo
from clipkstar.encoders._normalization import Normalization
from clipkstar.encoders._transformers_files import geometry_of
from clipkstar.encoders.transformers import FAMILY, TransformersEncoder
from clipkstar.errors import InputError, UnreachableError
from clipkstar.pixels import decode, resizer

PROMPTS = ["A photo of the number seven.", "a red thing.", "one", "a blue thing, a photo of the number one " * 20]
SIZES = [(64, 64), (33, 47), (47, 33), (7, 5), (100, 301), (301, 100), (351, 229), (32, 32), (640, 479), (51, 32)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {"clip": save_clip(root / "clip"), "siglip": save_siglip(root / "siglip")}


def load(folder: Path, precision: str = "fp32") -> TransformersEncoder:
    encoder = FAMILY.load(FAMILY.resolve(Request(model=str(folder))), "cpu", precision)  # type: ignore[arg-type]
    assert isinstance(encoder, TransformersEncoder)
    return encoder


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        load(folder)
    return str(caught.value)


def pictures() -> list[Image.Image]:
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)) for width, height in SIZES]


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


PROCESSORS = [
    {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}},
    {"size": 32, "crop_size": 32},
    {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}, "resample": 2},
    {"size": {"shortest_edge": 229}, "crop_size": {"height": 225, "width": 225}},
    {"size": {"height": 40, "width": 40}, "crop_size": {"height": 33, "width": 33}},
    {"size": {"height": 31, "width": 47}, "do_center_crop": False},
]


@pytest.mark.parametrize("settings", PROCESSORS)
def test_the_model_gets_what_transformers_own_pil_processor_gives_to_the_last_bit(settings: dict) -> None:
    processor = transformers.CLIPImageProcessorPil(**settings)
    completed = processor.to_dict()
    resize = resizer(geometry_of("made", completed))
    normalization = Normalization(mean=tuple(completed["image_mean"]), std=tuple(completed["image_std"]))
    for picture in pictures():
        given = normalization.apply(resize(picture)[None], device="cpu", dtype=torch.float32)[0].numpy()
        expected = processor(picture, return_tensors="np")["pixel_values"][0]
        assert given.shape == expected.shape
        assert given.tobytes() == expected.tobytes(), picture.size


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_logits_are_those_of_transformers_own_pipeline(kind: str, folders: dict[str, Path]) -> None:
    encoder = load(folders[kind])
    images = encoder.encode_images(np.stack([resizer(encoder.geometry)(picture) for picture in pictures()]))
    texts = encoder.encode_texts(PROMPTS)
    images, texts = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (images, texts))
    logits = encoder.logit_scale * images @ texts.T + (encoder.logit_bias or 0)

    model = transformers.AutoModel.from_pretrained(folders[kind]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders[kind])
    processor = transformers.AutoImageProcessor.from_pretrained(folders[kind], backend="pil")
    length = model.config.text_config.max_position_embeddings
    with torch.inference_mode():
        expected = model(
            **tokenizer(PROMPTS, padding="max_length", truncation=True, max_length=length, return_tensors="pt"),
            **processor(pictures(), return_tensors="pt"),
        ).logits_per_image.numpy()
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert (encoder.logit_bias is None) == (kind == "clip")


def test_clip_prompts_of_a_batch_are_embedded_as_each_alone_without_padding(folders: dict[str, Path]) -> None:
    model = transformers.CLIPModel.from_pretrained(folders["clip"]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders["clip"])
    with torch.inference_mode():
        alone = [
            model.get_text_features(**tokenizer([prompt], return_tensors="pt")).pooler_output.numpy()[0]
            for prompt in PROMPTS[:3]
        ]
    np.testing.assert_allclose(load(folders["clip"]).encode_texts(PROMPTS)[:3], alone, atol=1e-5)


def test_siglip_prompts_are_read_in_lower_case_whatever_the_tokenizer_does(folders: dict[str, Path]) -> None:
    encoder = load(folders["siglip"])
    seen: list[list[str]] = []
    tokenizer = encoder.tokenizer

    def record(text: list[str], **options: object) -> dict[str, torch.Tensor]:
        seen.append(text)
        return tokenizer(text, **options)  # type: ignore[arg-type]

    object.__setattr__(encoder, "tokenizer", record)
    encoder.encode_texts(["A Red Thing"])
    assert seen == [["a red thing"]]


def _layers(state: dict[str, torch.Tensor], ours: str, theirs: str) -> dict[str, torch.Tensor]:
    """Transformer blocks of open_clip under the names of transformers."""
    names = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    names["attn.out_proj"] = "self_attn.out_proj"
    found: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        if not key.startswith(f"{ours}."):
            continue
        layer, _, rest = key.removeprefix(f"{ours}.").partition(".")
        part, _, kind = rest.rpartition(".")
        if rest.startswith("attn.in_proj_"):
            for letter, third in zip("qkv", value.chunk(3), strict=True):
                found[f"{theirs}.{layer}.self_attn.{letter}_proj.{rest.removeprefix('attn.in_proj_')}"] = third
        else:
            found[f"{theirs}.{layer}.{names[part]}.{kind}"] = value
    return found


def _converted(folder: Path) -> Path:
    """The bundled tiny-p8 as a model of transformers, with its own vocabulary."""
    source = zoo.FOLDER / "tiny-p8" / "final"
    config = json.loads((source / "open_clip_config.json").read_text())["model_cfg"]
    vision, text = config["vision_cfg"], config["text_cfg"]
    state = load_file(source / "open_clip_model.safetensors")
    words = open_clip.get_tokenizer(f"local-dir:{source}", bpe_path=str(source / text["tokenizer_kwargs"]["bpe_path"]))
    start, end = "<start_of_text>", "<end_of_text>"
    transformers.CLIPTokenizer(
        vocab=words.encoder, merges=list(words.bpe_ranks), bos_token=start, eos_token=end, pad_token=end, unk_token=end
    ).save_pretrained(folder)
    ends = {"bos_token_id": words.encoder[start], "eos_token_id": words.encoder[end], "pad_token_id": 0}
    act = {"hidden_act": "quick_gelu" if config.get("quick_gelu") else "gelu"}
    model = transformers.CLIPModel(
        transformers.CLIPConfig(
            projection_dim=config["embed_dim"],
            vision_config={
                **act, "hidden_size": vision["width"], "intermediate_size": int(vision["mlp_ratio"] * vision["width"]),
                "num_hidden_layers": vision["layers"], "num_attention_heads": vision["width"] // vision["head_width"],
                "image_size": vision["image_size"], "patch_size": vision["patch_size"],
            },
            text_config={
                **act, **ends, "hidden_size": text["width"], "intermediate_size": 4 * text["width"],
                "num_hidden_layers": text["layers"], "num_attention_heads": text["heads"],
                "vocab_size": text["vocab_size"], "max_position_embeddings": text["context_length"],
            },
        )
    )  # fmt: skip
    renamed = {
        "vision_model.embeddings.patch_embedding.weight": state["visual.conv1.weight"],
        "vision_model.embeddings.class_embedding": state["visual.class_embedding"],
        "vision_model.embeddings.position_embedding.weight": state["visual.positional_embedding"],
        "text_model.embeddings.token_embedding.weight": state["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": state["positional_embedding"],
        "visual_projection.weight": state["visual.proj"].T,
        "text_projection.weight": state["text_projection"].T,
        "logit_scale": state["logit_scale"],
        **_layers(state, "visual.transformer.resblocks", "vision_model.encoder.layers"),
        **_layers(state, "transformer.resblocks", "text_model.encoder.layers"),
    }
    norms = {"visual.ln_pre": "vision_model.pre_layrnorm", "visual.ln_post": "vision_model.post_layernorm"}
    for ours, theirs in {**norms, "ln_final": "text_model.final_layer_norm"}.items():
        renamed |= {f"{theirs}.{kind}": state[f"{ours}.{kind}"] for kind in ("weight", "bias")}
    model.load_state_dict(renamed)
    model.save_pretrained(folder)
    side = vision["image_size"]
    transformers.CLIPImageProcessor(
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    ).save_pretrained(folder)
    return folder


def test_a_bundled_model_converted_to_transformers_gives_the_embeddings_of_open_clip(tmp_path: Path) -> None:
    ours = load(_converted(tmp_path))
    request = Request(model=f"local-dir:{zoo.FOLDER / 'tiny-p8' / 'final'}")
    reference = open_clip_family.load(open_clip_family.resolve(request), "cpu", "fp32")
    rows = open_rows(find(TASKS, "digits")[0], limit=24)
    digits = [decode(content, where="digits") for images in rows.image_batches(24) for content in images]
    assert ours.geometry.size == reference.geometry.size
    images, expected = (
        encoder.encode_images(np.stack([resizer(encoder.geometry)(digit) for digit in digits]))
        for encoder in (ours, reference)
    )
    np.testing.assert_allclose(images, expected, atol=1e-5)
    prompts = ["a photo of the number seven.", "a grey picture of the digit two.", "Zero!"]
    np.testing.assert_allclose(ours.encode_texts(prompts), reference.encode_texts(prompts), atol=1e-5)
    assert ours.logit_scale == pytest.approx(reference.logit_scale, rel=1e-6)


def test_a_folder_is_identified_by_its_weights_and_by_every_setting(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["clip"], tmp_path / "copy")
    before = FAMILY.identify(FAMILY.resolve(Request(model=str(folder))))
    assert before.geometry == Geometry(size=(32, 32), crop_fraction=32 / 36, crop_rounding="down")
    assert before.activation == "quick_gelu"
    edit(folder / "tokenizer_config.json", model_max_length=11)
    after = FAMILY.identify(FAMILY.resolve(Request(model=str(folder))))
    assert after.weights_sha256 == before.weights_sha256
    assert after.config_sha256 != before.config_sha256


def test_weights_in_shards_are_loaded_and_a_missing_shard_is_said(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["clip"], tmp_path / "clip")
    (folder / "model.safetensors").unlink()
    transformers.CLIPModel.from_pretrained(folders["clip"]).save_pretrained(folder, max_shard_size="60KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    pixels = np.random.default_rng(1).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    np.testing.assert_array_equal(load(folder).encode_images(pixels), load(folders["clip"]).encode_images(pixels))
    shards[-1].unlink()
    assert refusal(folder) == (
        "'clip' has no complete model.safetensors or pytorch_model.bin, in one file or in shards with their index; "
        "connect once, or name another model."
    )


def test_half_precision_changes_the_embeddings_a_little(folders: dict[str, Path]) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
    full = load(folders["clip"]).encode_images(pixels)
    for precision in ("bf16", "amp_bf16"):
        half = load(folders["clip"], precision).encode_images(pixels)
        assert half.dtype == np.float32
        assert not np.array_equal(half, full)
        np.testing.assert_allclose(half, full, atol=0.1 * float(np.abs(full).max()))
    with pytest.raises(InputError) as caught:
        load(folders["clip"], "fp16")
    assert str(caught.value) == "--precision fp16 needs a GPU; on a CPU use fp32, bf16 or amp_bf16."


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"do_normalize": False}, "has do_normalize off"),
        ({"rescale_factor": 1.0}, "pads pictures or rescales them by another factor than 1/255"),
        ({"resample": 1}, "resizes by PIL's filter 1, neither bilinear (2) nor bicubic (3)"),
        ({"do_center_crop": False}, "has the size {'shortest_edge': 36} without a centre crop"),
        (
            {"size": {"shortest_edge": 30}},
            "cuts {'height': 32, 'width': 32} out of {'shortest_edge': 30}, which is smaller",
        ),
        (
            {"crop_size": {"height": 32, "width": 30}},
            "cuts {'height': 32, 'width': 30} out of {'shortest_edge': 36}",
        ),
    ],
)  # fmt: skip
def test_an_image_processor_that_no_geometry_can_say_is_refused(
    changes: dict, what: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders["clip"], tmp_path / "clip")
    edit(folder / "preprocessor_config.json", **changes)
    assert refusal(folder) == f"the image processor of 'clip' {what}, which clipkstar cannot do alike; name another."


def test_pictures_of_another_size_than_the_models_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["clip"], tmp_path / "clip")
    edit(folder / "preprocessor_config.json", crop_size={"height": 24, "width": 24})
    assert refusal(folder) == (
        "the image processor of 'clip' makes pictures of (24, 24), its model needs (32, 32); "
        "correct one of the two configs."
    )


def test_another_kind_of_model_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["clip"], tmp_path / "clip")
    edit(folder / "config.json", model_type="siglip2", auto_map={"AutoModel": "evil.Model"})
    assert refusal(folder) == "'clip' is of the model_type 'siglip2'; transformers: needs clip or siglip."


def test_weights_that_lack_a_part_are_not_filled_at_random(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["clip"], tmp_path / "clip")
    state = load_file(folder / "model.safetensors")
    del state["visual_projection.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    assert refusal(folder) == (
        "the weights of 'clip' are not those of its config.json: they lack visual_projection.weight (1 in all); "
        "fetch or save them again."
    )
    save_file(state | {"visual_projection.weight": torch.zeros(16, 32), "head.bias": torch.zeros(3)},
              folder / "model.safetensors", metadata={"format": "pt"})  # fmt: skip
    assert refusal(folder) == (
        "the weights of 'clip' are not those of its config.json: they have also head.bias (1 in all); "
        "fetch or save them again."
    )


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch evil",)


def test_a_pickle_is_loaded_as_plain_weights_only(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["clip"], tmp_path / "clip")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert load(folder).encode_texts(["one"]).shape == (1, 16)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"logit_scale": _Evil()}))
    assert refusal(folder) == (
        "the weights of 'clip' are a pickle that wants to run code, which clipkstar never does; "
        "save the plain weights, best as .safetensors."
    )


def test_truncated_weights_are_said_in_one_sentence(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["clip"], tmp_path / "clip")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    sentence = refusal(folder)
    assert sentence.startswith("'clip' does not load in transformers (")
    assert sentence.endswith("); fetch or save its files again.")


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (Request(model="clip"), "'clip' is no folder and no hub repository; write transformers:org/name."),
        (Request(model=""), "'' is no folder and no hub repository; write transformers:org/name."),
        (
            Request(model="org/name", config_file="c.json"),
            "'transformers:org/name' brings its own config; leave --model-config and --activation out.",
        ),
        (
            Request(model="tests", pretrained="main"),
            "the folder 'tests' brings its own weights; leave --pretrained out.",
        ),
    ],
)
def test_names_that_cannot_be_meant_are_refused(
    request_: Request, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent)
    with pytest.raises(InputError) as caught:
        FAMILY.resolve(request_)
    assert str(caught.value) == sentence


def test_a_hub_name_keeps_its_revision_and_downloads_nothing() -> None:
    checkpoint = FAMILY.resolve(Request(model="org/name", pretrained="v2"))
    assert checkpoint.title == "transformers--org/name--v2"
    assert checkpoint.lineage == "transformers/org/name"
    assert FAMILY.resolve(Request(model="org/name")).pretrained == "main"
    with pytest.raises(UnreachableError) as caught:
        FAMILY.identify(checkpoint)
    assert str(caught.value).startswith("the model repository 'org/name' cannot be reached (")


def test_without_the_package_the_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError) as caught:
        FAMILY.resolve(Request(model="org/name"))
    assert str(caught.value) == (
        "'transformers:org/name' needs the package transformers; install it with pip install 'clipkstar[transformers]'."
    )
    assert FAMILY.checkpoints() == ()


SCRIPT = """
import sys
from clipkstar.encoder import Request
from clipkstar.encoders.transformers import FAMILY
from clipkstar.errors import InputError
try:
    checkpoint = FAMILY.resolve(Request(model=sys.argv[1], pretrained=sys.argv[2] or None))
    identity, encoder = FAMILY.identify(checkpoint), FAMILY.load(checkpoint, "cpu", "fp32")
    print(identity.weights_sha256, encoder.encode_texts(["one"]).shape)
except InputError as error:
    print(error)
"""


def _ask(endpoint: str, home: Path, name: str, revision: str = "", *, offline: str = "") -> str:
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": offline}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, revision], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_only_what_is_needed_is_downloaded_and_then_works_without_the_hub(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    repository = shutil.copytree(folders["clip"], tmp_path / "hub" / "models" / "org" / "tiny")
    for unwanted in ("modeling_evil.py", "tf_model.h5", "pytorch_model.bin", "onnx/model.safetensors"):
        (repository / unwanted).parent.mkdir(exist_ok=True)
        (repository / unwanted).write_bytes(b"unwanted")
    with hub_stand_in(tmp_path / "hub") as hub:
        online = _ask(hub.endpoint, tmp_path / "home", "org/tiny")
        fetched = {path.rpartition("/resolve/")[2].partition("/")[2] for _, path in hub.requests if "/resolve/" in path}
        endpoint = hub.endpoint
        unknown = _ask(endpoint, tmp_path / "home", "org/nothing")
        revision = _ask(endpoint, tmp_path / "home", "org/tiny", "v9")
    assert online.endswith("(1, 16)")
    assert fetched == {path.name for path in folders["clip"].iterdir()}
    assert _ask(endpoint, tmp_path / "home", "org/tiny", offline="1") == online
    assert unknown == (
        "the hub has no model repository 'org/nothing', or it is private; correct the name, or log in with "
        "'hf auth login'."
    )
    assert revision == "the model repository 'org/tiny' has no revision 'v9'; correct it."
