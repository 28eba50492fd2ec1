"""Where the files of a transformers model lie, on the hub or in a folder, and what its image processor does."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipkstar.checkpoint import Geometry, Identity
from clipkstar.encoders._downloads import snapshot
from clipkstar.encoders._normalization import Normalization
from clipkstar.encoders._weight_files import sha256_of, weights_sha256
from clipkstar.errors import InputError
from clipkstar.hub_commits import refs_of

if TYPE_CHECKING:
    from clipkstar.checkpoint import Checkpoint

MODEL_TYPES = ("clip", "siglip")
SETTINGS_FILES = (
    "config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "spiece.model", "tokenizer.model",
)  # fmt: skip
"""Files that decide what the model computes from its weights; no file of code is among them."""
SAFETENSORS = ("model.safetensors", "model.safetensors.index.json", "model-?????-of-?????.safetensors")
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-?????-of-?????.bin")
INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}
"""Numbers of PIL's filters in a preprocessor_config.json."""

Settings = dict[str, Any]
"""Content of a config in JSON, whose keys differ from model to model."""


@dataclass(frozen=True, kw_only=True)
class Located:
    """A model with its files found.

    model_type: "clip" or "siglip". activation: hidden_act of the image tower. weights: the weight files, one or more
    shards. geometry, normalization: what its image processor does to a picture. revision: of a hub repository; None =
    a folder of the user.
    """

    folder: Path
    model_type: str
    activation: str
    weights: tuple[Path, ...]
    geometry: Geometry
    normalization: Normalization
    revision: str | None

    def identity(self) -> Identity:
        """Hash weights, settings and the version of transformers, whose code is the architecture."""
        settings = {name: sha256_of(self.folder / name) for name in SETTINGS_FILES if (self.folder / name).is_file()}
        decisive = json.dumps([settings, version("transformers")], sort_keys=True)
        files = [*self.weights, *(self.folder / name for name in settings)]
        deciding = _deciding_files(self.folder) if self.revision is None else refs_of(files, self.revision)
        return Identity(
            weights_sha256=_joint_sha256(self.weights),
            config_sha256=hashlib.sha256(decisive.encode()).hexdigest(),
            geometry=self.geometry,
            activation=self.activation if self.activation in ("gelu", "quick_gelu") else "",
            files=tuple(str(file) for file in (*files, *deciding)),
        )


def locate(checkpoint: Checkpoint) -> Located:
    """Find config and weights of a checkpoint, downloading what is not cached.

    Raises UnreachableError where they are neither cached nor reachable, InputError for what is no CLIP or SigLIP.
    """
    local = bool(checkpoint.source)
    folder = Path(checkpoint.source) if local else _snapshot(checkpoint, (*SETTINGS_FILES, *SAFETENSORS))
    model_type, vision = _model_config(checkpoint.model, folder)
    if not local and not _weights_in(folder):
        folder = _snapshot(checkpoint, (*SETTINGS_FILES, *PICKLES))
    weights = _weights_in(folder)
    if not weights:
        raise InputError(
            f"'{checkpoint.model}' has no complete model.safetensors or pytorch_model.bin, in one file or in shards "
            "with their index; connect once, or name another model."
        )
    processor = _processor(checkpoint.model, folder)
    mean, std = (_per_channel(processor[key]) for key in ("image_mean", "image_std"))
    geometry = geometry_of(checkpoint.model, processor)
    side = vision["image_size"]
    expected = (side, side) if isinstance(side, int) else tuple(side)
    if geometry.size != expected:
        raise InputError(
            f"the image processor of '{checkpoint.model}' makes pictures of {geometry.size}, its model needs "
            f"{expected}; correct one of the two configs."
        )
    return Located(
        folder=folder,
        model_type=model_type,
        activation=vision["hidden_act"],
        weights=weights,
        geometry=geometry,
        normalization=Normalization(mean=mean, std=std),
        revision=None if local else checkpoint.pretrained,
    )


def geometry_of(model: str, processor: Settings) -> Geometry:
    """Geometry of a processor's pixels; raises InputError where it does something that no Geometry can say."""
    refusal = _beyond_geometry(processor)
    if refusal:
        raise InputError(f"the image processor of '{model}' {refusal}, which clipkstar cannot do alike; name another.")
    size, crop = processor["size"], processor.get("crop_size") if processor.get("do_center_crop") else None
    squash = "height" in size
    resized = (size["height"], size["width"]) if squash else (size["shortest_edge"],) * 2
    final = (crop["height"], crop["width"]) if crop else resized
    return Geometry(
        size=final,
        resize_mode="squash" if squash else "shortest",
        interpolation=INTERPOLATIONS[processor["resample"]],
        crop_fraction=_fraction(final[0], resized[0]),
        crop_rounding="down" if crop and (not squash or final != resized) else "even",
    )


def _beyond_geometry(processor: Settings) -> str:
    """What a processor does that a Geometry cannot say, as the rest of a sentence; "" = nothing."""
    size, crop = processor.get("size") or {}, processor.get("crop_size") or {}
    cropped = bool(processor.get("do_center_crop"))
    steps = ("do_resize", "do_rescale", "do_normalize")
    left_out = [step for step in steps if not processor.get(step)]
    if left_out:
        return f"has {left_out[0]} off"
    if processor.get("do_pad") or processor.get("rescale_factor", 1 / 255) != 1 / 255:
        return "pads pictures or rescales them by another factor than 1/255"
    if processor.get("resample") not in INTERPOLATIONS:
        return f"resizes by PIL's filter {processor.get('resample')}, neither bilinear (2) nor bicubic (3)"
    if set(size) == {"height", "width"}:
        resized = (size["height"], size["width"])
    elif set(size) == {"shortest_edge"} and cropped:
        resized = (size["shortest_edge"],) * 2
    else:
        return f"has the size {size} {'with' if cropped else 'without'} a centre crop"
    final = (crop.get("height"), crop.get("width")) if cropped else resized
    if None in final or (final != resized and (final[0] != final[1] or resized[0] != resized[1])):
        return f"cuts {crop} out of {size}"
    if final[0] > resized[0]:
        return f"cuts {crop} out of {size}, which is smaller"
    return ""


def _fraction(side: int, resized: int) -> float:
    """Share that `side` is of `resized`, such that Geometry.resized_size gives `resized` back."""
    fraction = side / resized
    return fraction if math.floor(side / fraction) == resized else math.nextafter(fraction, 0)


def _snapshot(checkpoint: Checkpoint, patterns: tuple[str, ...]) -> Path:
    what = f"model repository '{checkpoint.model}'"
    return snapshot(checkpoint.model, patterns, what=what, revision=checkpoint.pretrained)


def _model_config(model: str, folder: Path) -> tuple[str, Settings]:
    """Return the model_type and the vision_config as transformers completes it by its own defaults."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = config.get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"'{model}' has no readable config.json ({_reason(error)}); check the name or the files."
        ) from error
    if kind not in MODEL_TYPES:
        raise InputError(f"'{model}' is of the model_type '{kind}'; transformers: needs {' or '.join(MODEL_TYPES)}.")
    from transformers import CLIPConfig, SiglipConfig

    try:
        completed = (CLIPConfig if kind == "clip" else SiglipConfig).from_dict(config)
    except Exception as error:  # transformers checks by many types of its own
        raise InputError(f"the config.json of '{model}' is not valid ({_reason(error)}); correct it.") from error
    return kind, dict(completed.vision_config.to_dict())


def _processor(model: str, folder: Path) -> Settings:
    """Settings of the image processor as transformers completes them by its own defaults."""
    from transformers import AutoImageProcessor

    try:
        found = AutoImageProcessor.from_pretrained(
            str(folder), backend="pil", local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, TypeError, KeyError, ImportError) as error:
        raise InputError(
            f"the image processor of '{model}' does not load ({_reason(error)}); correct its config."
        ) from error
    return dict(found.to_dict())


def _weights_in(folder: Path) -> tuple[Path, ...]:
    """Complete weights in the order in which transformers looks for them; () = none."""
    for single, index, _ in (SAFETENSORS, PICKLES):
        if (folder / single).is_file():
            return (folder / single,)
        if (folder / index).is_file():
            names = _shards(folder / index)
            if all(Path(name).name == name and (folder / name).is_file() for name in names):
                return tuple(folder / name for name in names)
    return ()


def _shards(index: Path) -> list[str]:
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"'{index}' does not list the shards of the weights; fetch or save it again.") from error


def _deciding_files(folder: Path) -> list[Path]:
    """What decides which files of a user's folder are taken: those that list the shards, and the folder itself."""
    indexes = [folder / index for _, index, _ in (SAFETENSORS, PICKLES)]
    return [folder, *(index for index in indexes if index.is_file())]


def _joint_sha256(files: tuple[Path, ...]) -> str:
    """Digest of one file's content; of several, of their names and digests."""
    if len(files) == 1:
        return weights_sha256(files[0])
    lines = "".join(f"{file.name} {weights_sha256(file)}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _per_channel(values: float | list[float]) -> tuple[float, ...]:
    return (values,) * 3 if isinstance(values, float | int) else tuple(values)


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:160]
