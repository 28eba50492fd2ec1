"""What is known of every (model, tag) pair of open_clip without a download, and what decides their activation."""

import json
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip import transform
from safetensors.torch import save_file

from clipkstar.catalog import model_entries
from clipkstar.checkpoint import Checkpoint, Listing
from clipkstar.discovery import FAMILIES, find
from clipkstar.encoder import Request
from clipkstar.encoders import _open_clip_listing, zoo
from clipkstar.encoders.open_clip import FAMILY
from clipkstar.errors import InputError

UNTOLD = ("roberta-ViT-B-32", "laion2b_s12b_b32k")
PAIRS = open_clip.list_pretrained()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own."""
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def told(model: str, tag: str, *, may_count: bool = False) -> Listing:
    (checkpoint,) = [known for known in FAMILY.checkpoints() if (known.model, known.pretrained) == (model, tag)]
    assert FAMILY.describe is not None
    return FAMILY.describe(checkpoint, may_count)


def resolve(model: str, tag: str, activation: str | None = None) -> Checkpoint:
    return FAMILY.resolve(Request(model=model, pretrained=tag, activation=activation))  # type: ignore[arg-type]


def evaluation_transform(model: str, tag: str) -> tuple[tuple[int, int], str, str]:
    """Size, resize mode and interpolation, read off open_clip's own transform for the pair."""
    size = open_clip.get_model_config(model)["vision_cfg"]["image_size"]
    of_tag = {
        key: open_clip.get_pretrained_cfg(model, tag)[key] for key in ("mean", "std", "interpolation", "resize_mode")
    }
    settings = transform.PreprocessCfg(size=size, **of_tag)
    steps = transform.image_transform_v2(settings, is_train=False).transforms
    resize = steps[0]
    if isinstance(resize, transform.ResizeKeepRatio):
        mode = "longest"
    else:
        mode = "squash" if isinstance(resize.size, list | tuple) and len(resize.size) == 2 else "shortest"
    height, width = size if isinstance(size, list | tuple) else (size, size)
    return (height, width), mode, resize.interpolation.value


@pytest.mark.parametrize(("model", "tag"), PAIRS)
def test_every_pair_is_described_as_open_clip_has_it(model: str, tag: str) -> None:
    listing, text = told(model, tag), open_clip.get_model_config(model)["text_cfg"]
    of_tag, of_model = (
        config.get("quick_gelu")
        for config in (open_clip.get_pretrained_cfg(model, tag), open_clip.get_model_config(model))
    )
    activation = {(True, None): "quick_gelu", (True, True): "quick_gelu", (None, None): "gelu", (None, True): None}
    assert listing.activation == activation[of_tag, of_model]
    if (model, tag) != UNTOLD:
        assert resolve(model, tag).pretrained == tag
    geometry = listing.geometry
    assert (geometry.size, geometry.resize_mode, geometry.interpolation) == evaluation_transform(model, tag)
    assert listing.context_length == text.get("context_length", 77)
    assert listing.tokenizer.startswith(f"{text.get('hf_tokenizer_name') or 'open_clip BPE'}, ")
    assert (listing.cached, listing.parameters) == (False, None)


def test_the_pairs_fall_into_the_kinds_that_are_known() -> None:
    listings = [told(model, tag) for model, tag in PAIRS]
    kinds = [listing.activation for listing in listings]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"gelu": 141, "quick_gelu": 54, None: 1}
    assert {listing.tokenizer.split(", ")[1] for listing in listings} == {"lower", "whitespace", "canonicalize"}


def test_an_activation_that_cannot_be_told_is_refused_unless_the_user_says_which() -> None:
    with pytest.raises(InputError) as caught:
        resolve(*UNTOLD)
    assert str(caught.value) == (
        "it cannot be told whether the weights 'laion2b_s12b_b32k' of 'roberta-ViT-B-32' were trained with quick_gelu, "
        "as the model's configuration says, or with gelu, as the tag's has it; say which with --activation."
    )
    found = [resolve(*UNTOLD, activation) for activation in ("gelu", "quick_gelu")]
    assert [checkpoint.activation for checkpoint in found] == ["gelu", "quick_gelu"]
    assert [checkpoint.notice for checkpoint in found] == [
        "gelu is the activation, as asked.",
        "quick_gelu is the activation, as asked.",
    ]


def test_a_pair_from_the_list_that_cannot_be_told_is_refused_before_it_is_downloaded() -> None:
    (checkpoint,) = [known for known in FAMILY.checkpoints() if (known.model, known.pretrained) == UNTOLD]
    for use in (FAMILY.identify, lambda found: FAMILY.load(found, "cpu", "fp32")):
        with pytest.raises(InputError, match="it cannot be told whether the weights"):
            use(checkpoint)


@pytest.mark.parametrize(
    ("tag", "trained", "asked"), [("openai", "quick_gelu", "gelu"), ("laion2b_s34b_b79k", "gelu", "quick_gelu")]
)
def test_another_activation_than_the_tags_is_refused(tag: str, trained: str, asked: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve("ViT-B-32", tag, asked)
    assert str(caught.value) == (
        f"the weights '{tag}' of 'ViT-B-32' were trained with {trained}, not {asked}; leave --activation out."
    )
    assert resolve("ViT-B-32", tag, trained).activation == trained


SMALL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.mark.parametrize("own", [None, False, True])
@pytest.mark.parametrize("asked", [None, "gelu", "quick_gelu"])
def test_a_file_runs_with_the_configs_activation_unless_the_user_says_another(
    own: bool | None, asked: str | None, tmp_path: Path
) -> None:
    config, weights = tmp_path / "small.json", tmp_path / "small.safetensors"
    config.write_text(json.dumps(SMALL if own is None else SMALL | {"quick_gelu": own}))
    save_file(open_clip.CLIP(**SMALL).state_dict(), weights)
    checkpoint = FAMILY.resolve(
        Request(model="small", pretrained=str(weights), config_file=str(config), activation=asked)  # type: ignore[arg-type]
    )
    expected = asked or ("quick_gelu" if own else "gelu")
    assert FAMILY.identify(checkpoint).activation == expected
    encoder = FAMILY.load(checkpoint, "cpu", "fp32")
    gelu = type(encoder.model.visual.transformer.resblocks[0].mlp.gelu)  # type: ignore[attr-defined]
    assert gelu.__name__.lower() == expected.replace("_", "")


def test_a_bundled_model_takes_no_other_activation() -> None:
    with pytest.raises(InputError) as caught:
        zoo.FAMILY.resolve(Request(model="tiny-p8", pretrained="final", activation="quick_gelu"))
    assert str(caught.value) == "'tiny-p8' is bundled with its config; leave --activation out."


def test_parameters_are_counted_without_weights_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told("RN50", "openai").parameters is None
    counted = told("RN50", "openai", may_count=True).parameters
    assert counted == sum(parameter.numel() for parameter in open_clip.create_model("RN50").parameters())
    monkeypatch.setattr(_open_clip_listing, "_count", None)
    assert told("RN50", "openai").parameters == told("RN50", "cc12m", may_count=True).parameters == counted


@pytest.mark.parametrize("damage", ["", "12", "many\n", "-3\n"])
def test_a_damaged_count_is_made_again(damage: str, cache: Path) -> None:
    counted = told("RN50", "openai", may_count=True).parameters
    (entry,) = (cache / "parameters").iterdir()
    entry.write_text(damage)
    assert told("RN50", "openai").parameters is None
    assert told("RN50", "openai", may_count=True).parameters == counted


def test_a_model_whose_text_tower_only_the_hub_describes_has_no_count() -> None:
    assert told("xlm-roberta-base-ViT-B-32", "laion5b_s13b_b90k", may_count=True).parameters is None


def test_a_bundled_model_is_described_too() -> None:
    checkpoint = zoo.FAMILY.resolve(Request(model="tiny-p8", pretrained="final"))
    assert zoo.FAMILY.describe is not None
    listing = zoo.FAMILY.describe(checkpoint, True)
    model = open_clip.create_model(checkpoint.source)
    assert listing == Listing(
        activation="gelu",
        geometry=zoo.FAMILY.identify(checkpoint).geometry,  # type: ignore[arg-type]
        context_length=32,
        tokenizer="open_clip BPE, lower",
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        cached=True,
    )


def in_hub_cache(repository: str, name: str, content: bytes, *, blob: str) -> Path:
    """Put a file where huggingface_hub would have downloaded it to."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / ("0" * 40)
    for part in (folder / "refs", folder / "blobs", snapshot):
        part.mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (folder / "blobs" / blob).write_bytes(content)
    link = snapshot / name
    link.unlink(missing_ok=True)
    link.symlink_to(Path("../../blobs") / blob)
    return link


def test_weights_in_the_hub_cache_are_listed_as_cached() -> None:
    model, tag = "ViT-B-16", "commonpool_l_s1b_b8k"
    assert not told(model, tag).cached
    place = open_clip.get_pretrained_cfg(model, tag)["hf_hub"].rstrip("/")
    in_hub_cache(place, "open_clip_model.safetensors", b"", blob="0" * 64)
    assert told(model, tag).cached
    (entry,) = model_entries(f"{model}/{tag}")
    assert entry["cached"] == "yes"


def test_a_download_whose_content_is_not_what_the_hub_announced_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tag = "ViT-B-32", "datacomp_s_s13m_b4k"
    place = open_clip.get_pretrained_cfg(model, tag)["hf_hub"].rstrip("/")
    link = in_hub_cache(place, "open_clip_model.safetensors", b"damaged", blob="ab" * 32)
    checkpoint = resolve(model, tag)
    for use in (FAMILY.identify, lambda found: FAMILY.load(found, "cpu", "fp32")):
        with pytest.raises(InputError) as caught:
            use(checkpoint)
        assert str(caught.value) == (
            f"the file '{link.name}' is damaged in the cache (its sha256 is not the one that the hub gave); delete "
            f"'{link.resolve()}' and repeat the command with a connection."
        )


def test_the_files_of_a_hub_tokenizer_are_part_of_the_config_hash(tmp_path: Path) -> None:
    config, weights = tmp_path / "small.json", tmp_path / "small.safetensors"
    config.write_text(json.dumps(SMALL | {"text_cfg": SMALL["text_cfg"] | {"hf_tokenizer_name": "org/words"}}))
    save_file({"any": torch.zeros(1)}, weights)
    checkpoint = FAMILY.resolve(Request(model="small", pretrained=str(weights), config_file=str(config)))
    with pytest.raises(InputError) as caught:
        FAMILY.identify(checkpoint)
    assert str(caught.value).startswith("the tokenizer 'org/words' cannot be reached (")
    hashes = []
    for number, content in enumerate((b"{}", b'{"a": 1}')):
        in_hub_cache("org/words", "tokenizer.json", content, blob=f"blob{number}")
        in_hub_cache("org/words", "README.md", content, blob=f"readme{number}")
        hashes.append(FAMILY.identify(checkpoint).config_sha256)
    in_hub_cache("org/words", "README.md", b"news", blob="readme2")
    assert FAMILY.identify(checkpoint).config_sha256 == hashes[1] != hashes[0]


def test_the_list_shows_what_is_known() -> None:
    (entry,) = model_entries("ViT-B-16-SigLIP-512")
    assert entry == {
        "model": "ViT-B-16-SigLIP-512",
        "pretrained": "webli",
        "family": "open_clip",
        "activation": "gelu",
        "picture": "512 squash bicubic",
        "context": 64,
        "tokenizer": "timm/ViT-B-16-SigLIP, canonicalize",
        "parameters": entry["parameters"],
        "cached": "no",
        "weights": "timm/ViT-B-16-SigLIP-512",
    }
    assert isinstance(entry["parameters"], int)


def test_a_list_of_everything_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_open_clip_listing, "_count", None)
    entries = [entry for entry in model_entries("*") if entry["family"] == "open_clip"]
    assert [(entry["model"], entry["pretrained"]) for entry in entries] == sorted(PAIRS, key=lambda pair: pair[0])
    assert {entry["parameters"] for entry in entries} == {None}


def test_both_families_of_open_clip_models_have_the_further_spaces_and_lists() -> None:
    for name in ("open_clip", "zoo"):
        (family,) = find(FAMILIES, name)
        assert family.describe is not None
        assert family.load_pre_projection is not None
