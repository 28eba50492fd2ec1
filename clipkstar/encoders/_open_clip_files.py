"""Where open_clip keeps the config, the weights and the tokenizer of a checkpoint, and what its errors mean."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from clipkstar.checkpoint import Geometry
from clipkstar.encoders._open_clip_refusals import not_downloaded
from clipkstar.errors import InputError

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
    overlay: Config = {}
    vocabulary: Callable[[str], Path] | None = None
    if scheme == "local-dir:":
        name, pretrained, folder = checkpoint.source, None, Path(checkpoint.source.removeprefix(scheme))
        model_config, overlay = _config_file(folder / "open_clip_config.json")
        weights, vocabulary = _weights_in(folder), partial(_beside, folder)
    elif scheme:
        name, pretrained, repository = checkpoint.source, None, checkpoint.source.removeprefix(scheme)
        model_config, overlay = _config_file(_from_hub(repository, "open_clip_config.json"))
        weights, vocabulary = _from_hub(repository, None), partial(_within_repository, repository)
    elif checkpoint.config_file:
        path = Path(checkpoint.config_file)
        model_config, overlay = _config_file(path)
        name, pretrained = _register(checkpoint.model, model_config), checkpoint.source
        weights, vocabulary = Path(checkpoint.source), partial(_beside, path.parent)
    else:
        name, pretrained = checkpoint.model, checkpoint.source or checkpoint.pretrained
        model_config = _built_in(name)
        overlay, weights = ({}, Path(pretrained)) if checkpoint.source else _tag_files(name, pretrained)
    # A tag says which activation its weights were trained with; else the model config does.
    quick_gelu = bool(overlay.get("quick_gelu", model_config.get("quick_gelu", False)))
    preprocess = merge_preprocess_dict(dataclasses.asdict(PreprocessCfg()), overlay)
    preprocess["size"] = _section(model_config, "vision_cfg").get("image_size", 224)
    return Located(
        name=name,
        pretrained=pretrained,
        model_config=model_config,
        preprocess=preprocess,
        tokenizer_files=_tokenizer_files(model_config, vocabulary),
        weights=weights,
        quick_gelu=quick_gelu,
    )


def geometry_of(located: Located) -> Geometry:
    """Geometry of the pixels that the model's own evaluation transform makes."""
    size, resize_mode = located.preprocess["size"], located.preprocess["resize_mode"]
    # open_clip takes "random", a training option, as bicubic.
    interpolation = str(located.preprocess["interpolation"]).replace("random", "bicubic")
    fill_color = located.preprocess["fill_color"]
    if not isinstance(fill_color, int) or not 0 <= fill_color <= 255:
        raise InputError(f"the model config has the fill_color {fill_color!r}; it needs a whole number from 0 to 255.")
    if resize_mode not in ("shortest", "longest", "squash") or interpolation not in ("bicubic", "bilinear"):
        raise InputError(
            f"the model config has resize_mode '{resize_mode}' and interpolation '{interpolation}'; "
            "open_clip needs shortest, longest or squash, and bicubic or bilinear."
        )
    height, width = size if isinstance(size, list | tuple) else (size, size)
    return Geometry(
        size=(int(height), int(width)),
        resize_mode=resize_mode,
        interpolation=interpolation,
        fill_color=fill_color,
    )


def file_sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def _register(model: str, config: Config) -> str:
    """Make the user's own config known to open_clip; return the name it goes by there."""
    import open_clip

    # A name of its own by content, so that no built-in model of open_clip is replaced in this process.
    name = f"{model.replace('/', '-')}-{hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]}"
    if open_clip.get_model_config(name) is None:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / f"{name}.json"
            copy.write_text(json.dumps(config), encoding="utf-8")
            open_clip.add_model_config(copy)
    _built_in(name)
    return name


def _config_file(path: Path) -> tuple[Config, Config]:
    """Return model config and preprocessing of a file that holds the former, or model_cfg and preprocess_cfg."""
    config = _read_config(path)
    if "model_cfg" not in config:
        _section(config, "vision_cfg")
        return config, {}
    overlay = config.get("preprocess_cfg") or {}
    if not isinstance(overlay, dict):
        raise InputError(f"'{path.name}' has a preprocess_cfg that is no JSON object; correct it.")
    return _section(config, "model_cfg"), overlay


def _read_config(path: Path) -> Config:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' is no readable model config in JSON ({error}); check the path.") from error
    if not isinstance(config, dict):
        raise InputError(f"'{path}' holds no JSON object; a model config has embed_dim, vision_cfg and text_cfg.")
    return config


def _weights_in(folder: Path) -> Path:
    from open_clip.factory import _find_checkpoint_in_dir

    found = _find_checkpoint_in_dir(folder)
    if not found:
        raise InputError(f"'{folder}' holds no weights; it needs an open_clip_model.safetensors.")
    return Path(found)


def _from_hub(repository: str, filename: str | None) -> Path:
    from open_clip.pretrained import download_pretrained_from_hf

    try:
        return Path(download_pretrained_from_hf(repository, filename=filename))
    except (OSError, RuntimeError) as error:
        raise not_downloaded(f"{filename or 'the weights'} of the model repository '{repository}'", error) from error


def _tag_files(name: str, tag: str) -> tuple[Config, Path]:
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg

    config: Config = get_pretrained_cfg(name, tag)
    place = config.get("hf_hub") or config.get("url")
    try:
        return config, Path(download_pretrained(config))
    except (OSError, RuntimeError) as error:
        raise not_downloaded(f"the weights '{tag}' of '{name}' (from '{place}')", error) from error


def _tokenizer_files(model_config: Config, find: Callable[[str], Path] | None) -> dict[str, str]:
    """Vocabulary files of a config as absolute paths; open_clip itself would look for them in the working folder."""
    options = _section(model_config, "text_cfg").get("tokenizer_kwargs") or {}
    if find is None or not isinstance(options, dict) or "bpe_path" not in options:
        return {}
    return {"bpe_path": str(find(str(options["bpe_path"])))}


def _beside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_file():
        raise InputError(f"the model config in '{folder}' names the vocabulary '{name}', which is not there; add it.")
    return path


def _within_repository(repository: str, name: str) -> Path:
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise InputError(
            f"the config of the model repository '{repository}' names the vocabulary '{name}', which lies outside it; "
            "put the file into the repository."
        )
    return _from_hub(repository, name).resolve()
