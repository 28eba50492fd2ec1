"""What a list tells of an open_clip checkpoint, from configs and caches on this machine alone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.caching.folder import cache_folder, write_whole
from clipkstar.checkpoint import Activation, Listing
from clipkstar.encoders._open_clip_activations import activation_of_config, told_by_tag
from clipkstar.encoders._open_clip_files import Configured, configured, geometry_of, names_for_open_clip
from clipkstar.encoders._open_clip_known_names import Config
from clipkstar.encoders._open_clip_weights import cached_weights, weights_of

if TYPE_CHECKING:
    from clipkstar.checkpoint import Checkpoint

OWN_TOKENIZER = "open_clip BPE"


def describe(checkpoint: Checkpoint, may_count: bool) -> Listing:
    """Tell of a tag or a folder; parameters that are not known yet are counted if they may be."""
    config = configured(checkpoint)
    activation: Activation | None
    if checkpoint.source:
        activation, weights = activation_of_config(config.model_config, checkpoint.activation), weights_of(checkpoint)
    else:
        activation, weights = told_by_tag(checkpoint.model, checkpoint.pretrained), cached_weights(checkpoint)
    return Listing(
        activation=activation,
        geometry=geometry_of(config.preprocess),
        context_length=context_length(config.text_config),
        tokenizer=tokenizer_title(config.text_config),
        parameters=_parameters(checkpoint, config, may_count=may_count),
        cached=weights is not None,
    )


def context_length(text_config: Config) -> int:
    """Number of tokens that prompts are padded to."""
    if "context_length" in text_config:  # importing open_clip takes seconds
        return int(text_config["context_length"])
    from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH

    return int(DEFAULT_CONTEXT_LENGTH)


def tokenizer_title(text_config: Config) -> str:
    """Name of the tokenizer, and how it cleans prompts: "lower" and "whitespace" are open_clip's own defaults."""
    name = text_config.get("hf_tokenizer_name")
    options = text_config.get("tokenizer_kwargs") or {}
    clean = options.get("clean", "whitespace" if name else "lower")
    return f"{name or OWN_TOKENIZER}, {clean}"


def _parameters(checkpoint: Checkpoint, config: Configured, *, may_count: bool) -> int | None:
    """Parameters of the whole model: as remembered, else counted if they may be; None = not known."""
    tower = config.text_config.get("hf_model_name")
    folder = _cached_tower(str(tower)) if tower else None
    if tower and (folder is None or find_spec("transformers") is None):
        return None
    tower_config = (folder / "config.json").read_text(encoding="utf-8") if folder else ""
    key = json.dumps([version("open_clip_torch"), version("timm"), config.model_config, tower_config], sort_keys=True)
    entry = cache_folder() / "parameters" / hashlib.sha256(key.encode()).hexdigest()
    known = _remembered(entry)
    if known is not None or not may_count:
        return known
    counted = _count(names_for_open_clip(checkpoint, config)[0], config, folder)
    with contextlib.suppress(OSError):
        write_whole(entry, f"{counted}\n".encode())
    return counted


def _remembered(entry: Path) -> int | None:
    try:
        text = entry.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.endswith("\n") and text.strip().isdigit() else None


def _cached_tower(name: str) -> Path | None:
    """Folder with the config of a Hugging Face text tower, if it is on this machine."""
    from huggingface_hub import try_to_load_from_cache

    if Path(name).is_dir():
        return Path(name)
    found = try_to_load_from_cache(name, "config.json")
    return Path(found).parent if isinstance(found, str) else None


def _count(name: str, config: Configured, tower: Path | None) -> int:
    """Build the model, called `name` by open_clip, on the meta device, where weights have a shape and no values."""
    import open_clip
    import torch

    text_config = config.text_config
    if tower is not None:
        text_config = text_config | {"hf_model_name": str(tower), "hf_model_pretrained": False}
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        model = open_clip.create_model(
            name, load_weights=False, pretrained_text=False, device="meta", text_cfg=text_config
        )
    return sum(parameter.numel() for parameter in model.parameters())
