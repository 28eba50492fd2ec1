"""Where open_clip keeps the config, the weights and the tokenizer of a checkpoint, and what its errors mean."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipkstar.checkpoint import Geometry
from clipkstar.errors import InputError, UnreachableError

if TYPE_CHECKING:
    from clipkstar.checkpoint import Checkpoint

SCHEMES = ("hf-hub:", "local-dir:")

Config = dict[str, Any]
"""A section of open_clip's JSON, whose keys differ from model to model."""


@dataclass(frozen=True, kw_only=True)
class Located:
    """A checkpoint with its files found.

    name, pretrained: what open_clip's own functions take. model_config, preprocess: as in an open_clip_config.json.
    tokenizer_files: tokenizer option → absolute path. quick_gelu: the activation that the weights were trained with.
    """

    name: str
    pretrained: str | None
    model_config: Config
    preprocess: Config
    tokenizer_files: dict[str, str]
    weights: Path
    quick_gelu: bool


def scheme_of(name: str) -> str | None:
    """Return "hf-hub:" or "local-dir:" if the name begins with it."""
    return next((scheme for scheme in SCHEMES if name.startswith(scheme)), None)


def locate(checkpoint: Checkpoint) -> Located:
    """Find config and weights of a checkpoint, downloading what open_clip would download.

    Raises UnreachableError where they are neither cached nor reachable, InputError for a config that is none.
    """
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    scheme = scheme_of(checkpoint.source)
    if scheme:
        name, pretrained = checkpoint.source, None
        model_config, overlay, weights = _scheme_files(checkpoint.source, scheme)
    elif checkpoint.source:
        name, pretrained = _config_name(checkpoint), checkpoint.source
        model_config, overlay, weights = _built_in(name), {}, Path(checkpoint.source)
    else:
        name, pretrained = checkpoint.model, checkpoint.pretrained
        model_config, overlay, weights = _built_in(name), *_tag_files(name, pretrained)
    # A tag says which activation its weights were trained with; else the model config does.
    quick_gelu = bool(overlay.get("quick_gelu", model_config.get("quick_gelu", False)))
    preprocess = merge_preprocess_dict(dataclasses.asdict(PreprocessCfg()), overlay)
    preprocess["size"] = _section(model_config, "vision_cfg").get("image_size", 224)
    return Located(
        name=name,
        pretrained=pretrained,
        model_config=model_config,
        preprocess=preprocess,
        tokenizer_files=_tokenizer_files(checkpoint.source, model_config),
        weights=weights,
        quick_gelu=quick_gelu,
    )


def geometry_of(located: Located) -> Geometry:
    """Geometry of the pixels that the model's own evaluation transform makes."""
    size = located.preprocess["size"]
    height, width = size if isinstance(size, list | tuple) else (size, size)
    return Geometry(
        size=(int(height), int(width)),
        resize_mode=located.preprocess["resize_mode"],
        interpolation=str(located.preprocess["interpolation"]),
        fill_color=int(located.preprocess["fill_color"]),
    )


def file_sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unloadable(checkpoint: Checkpoint, located: Located, error: Exception) -> InputError:
    """Say in one sentence why open_clip could not fill the model with the weights."""
    name, reason = located.weights.name, str(error)
    if "state_dict" in reason:
        return InputError(
            f"'{name}' holds weights of another architecture than '{checkpoint.model}' "
            f"({_first_difference(reason)}); name the model it was trained as."
        )
    if "weights_only" in reason or "Weights only load" in reason:
        return InputError(
            f"'{name}' is a pickle that wants to run code, which clipkstar never does; save the plain state_dict, "
            "best as .safetensors."
        )
    first_line = (reason.splitlines() or [type(error).__name__])[0]
    return InputError(f"'{name}' is no readable checkpoint, perhaps truncated ({first_line}); fetch or save it again.")


def _first_difference(reason: str) -> str:
    lines = [line.strip() for line in reason.splitlines()[1:]]
    return next((line[:160] for line in lines if line), reason[:160])


def _section(config: Config, key: str) -> Config:
    section = config.get(key)
    if not isinstance(section, dict):
        raise InputError(f"the model config has no '{key}'; open_clip needs embed_dim, vision_cfg and text_cfg.")
    return section


def _built_in(name: str) -> Config:
    import open_clip

    config: Config | None = open_clip.get_model_config(name)
    if config is None:
        raise InputError(f"the model config '{name}' has no embed_dim, vision_cfg and text_cfg, which open_clip needs.")
    return config


def _config_name(checkpoint: Checkpoint) -> str:
    """Return the name under which open_clip knows the config of a checkpoint file; register the user's own config."""
    if checkpoint.config_file is None:
        return checkpoint.model
    import open_clip

    path = Path(checkpoint.config_file)
    config = _read_config(path)
    # A name of its own by content, so that no built-in model of open_clip is replaced in this process.
    name = f"{checkpoint.model}-{hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]}"
    if open_clip.get_model_config(name) is None:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / f"{name}.json"
            copy.write_text(json.dumps(config.get("model_cfg", config)))
            open_clip.add_model_config(copy)
    return name


def _read_config(path: Path) -> Config:
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' is no readable model config in JSON ({error}); check the path.") from error
    if not isinstance(config, dict):
        raise InputError(f"'{path}' holds no JSON object; a model config has embed_dim, vision_cfg and text_cfg.")
    return config


def _scheme_files(source: str, scheme: str) -> tuple[Config, Config, Path]:
    """Return model config, preprocessing and weights of an open_clip folder, on this machine or on the hub."""
    place = source.removeprefix(scheme)
    if scheme == "local-dir:":
        from open_clip.factory import _find_checkpoint_in_dir

        config_path, found = Path(place) / "open_clip_config.json", _find_checkpoint_in_dir(Path(place))
        if not found:
            raise InputError(f"'{place}' holds no weights; it needs an open_clip_model.safetensors.")
        weights = Path(found)
    else:
        config_path, weights = _from_hub(place, "open_clip_config.json"), _from_hub(place, None)
    config = _read_config(config_path)
    overlay = config.get("preprocess_cfg") or {}
    if not isinstance(overlay, dict):
        raise InputError(f"'{config_path.name}' of '{place}' has a preprocess_cfg that is no JSON object; correct it.")
    return _section(config, "model_cfg"), overlay, weights


def _from_hub(repository: str, filename: str | None) -> Path:
    from open_clip.pretrained import download_pretrained_from_hf

    try:
        return Path(download_pretrained_from_hf(repository, filename=filename))
    except (OSError, RuntimeError) as error:
        raise _unreachable(f"model repository '{repository}'", error) from error


def _tag_files(name: str, tag: str) -> tuple[Config, Path]:
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg

    config: Config = get_pretrained_cfg(name, tag)
    place = config.get("hf_hub") or config.get("url")
    try:
        return config, Path(download_pretrained(config))
    except (OSError, RuntimeError) as error:
        raise _unreachable(f"weights '{tag}' of '{name}' from '{place}'", error) from error


def _unreachable(what: str, error: Exception) -> UnreachableError:
    reason = (str(error).splitlines() or [""])[0]
    offline = "offline mode is on" if os.environ.get("HF_HUB_OFFLINE") else reason[:300]
    return UnreachableError(
        f"the {what} are needed, are not cached and cannot be reached ({offline}); connect once, or use the bundled "
        "models, which need no network ('clipkstar models tiny-*')."
    )


def _tokenizer_files(source: str, model_config: Config) -> dict[str, str]:
    """Vocabulary files of a local-dir: config as absolute paths; open_clip itself would look in the working folder."""
    options = _section(model_config, "text_cfg").get("tokenizer_kwargs") or {}
    if scheme_of(source) != "local-dir:" or not isinstance(options, dict):
        return {}
    folder = Path(source.removeprefix("local-dir:"))
    return {key: str((folder / value).resolve()) for key, value in options.items() if key == "bpe_path"}
