"""Where open_clip keeps the configs of a checkpoint, and what they say."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.checkpoint import Geometry
from clipkstar.encoders._downloads import first_file
from clipkstar.encoders._normalization import Normalization
from clipkstar.encoders._open_clip_activations import activation_of_config, activation_of_tag
from clipkstar.encoders._open_clip_known_names import OWN, Config, default_preprocess, model_config, tag_config
from clipkstar.errors import InputError

if TYPE_CHECKING:
    from clipkstar.checkpoint import Checkpoint

SCHEMES = ("hf-hub:", "local-dir:")
CONFIG_FILE = "open_clip_config.json"
RANDOM = "random:"
"""Source of a checkpoint without trained weights; no file of weights can be named so, it has no suffix."""


PREPROCESS_KEYS = {"size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color"}
"""All that a preprocess_cfg may say."""


@dataclass(frozen=True, kw_only=True)
class Configured:
    """A checkpoint with its configs read; open_clip need not know them yet.

    model_config: as in an open_clip_config.json; overlay: its preprocessing, or the configuration of a tag.
    files: what the two were read from, and the folder that decides which files are taken; () = they are open_clip's.
    """

    model_config: Config
    overlay: Config
    files: tuple[Path, ...] = ()

    @property
    def text_config(self) -> Config:
        """The section on prompts."""
        return section(self.model_config, "text_cfg")

    @property
    def preprocess(self) -> Config:
        """What open_clip's own evaluation transform does, all defaults filled in."""
        said = {key: value for key, value in self.overlay.items() if key in PREPROCESS_KEYS and value is not None}
        defaults = {} if said.keys() == PREPROCESS_KEYS else default_preprocess()
        return defaults | said | {"size": section(self.model_config, "vision_cfg").get("image_size", 224)}


@dataclass(frozen=True, kw_only=True)
class Located:
    """A checkpoint with its files found.

    name, pretrained: what open_clip's own functions take. model_config, preprocess, config_files: as in Configured.
    tokenizer_files: tokenizer option → absolute path. weights: None = random ones. quick_gelu: whether the weights were
    trained with that activation.
    """

    name: str
    pretrained: str | None
    model_config: Config
    preprocess: Config
    tokenizer_files: dict[str, str]
    weights: Path | None
    quick_gelu: bool
    config_files: tuple[Path, ...] = ()

    @property
    def normalization(self) -> Normalization:
        """Mean and standard deviation as open_clip reads them: one number is for all colours, 0 is OpenAI's three."""
        from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

        mean, std = self.preprocess["mean"] or OPENAI_DATASET_MEAN, self.preprocess["std"] or OPENAI_DATASET_STD
        return Normalization(mean=_three(mean), std=_three(std))

    @property
    def packages(self) -> list[str]:
        """Packages and versions, beside open_clip's, that parts of the model are built and prompts are read by."""
        from importlib.metadata import version

        texts = section(self.model_config, "text_cfg")
        has_trunk = section(self.model_config, "vision_cfg").get("timm_model_name")
        names = ["timm"] if has_trunk else []
        names += ["transformers"] if texts.get("hf_model_name") or texts.get("hf_tokenizer_name") else []
        return [f"{name} {version(name)}" for name in names]


def _three(values: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(values) if isinstance(values, Sequence) else (values,) * 3


def scheme_of(name: str) -> str | None:
    """Return "hf-hub:" or "local-dir:" if the name begins with it."""
    return next((scheme for scheme in SCHEMES if name.startswith(scheme)), None)


def configured(checkpoint: Checkpoint) -> Configured:
    """Read the configs of a checkpoint; only that of a hf-hub: model is downloaded."""
    scheme = scheme_of(checkpoint.source)
    place = checkpoint.source.removeprefix(scheme or "")
    if scheme == "local-dir:":
        return _config_file(Path(place) / CONFIG_FILE, also=(Path(place),))
    if scheme:
        return _config_file(from_hub(place, CONFIG_FILE))
    if checkpoint.config_file:
        config = _config_file(Path(checkpoint.config_file))
        _whole(checkpoint.model, config.model_config)
        return config
    overlay = {} if checkpoint.source else tag_config(checkpoint.model, checkpoint.pretrained)
    return Configured(model_config=_whole(checkpoint.model, model_config(checkpoint.model)), overlay=overlay)


def names_for_open_clip(checkpoint: Checkpoint, config: Configured) -> tuple[str, str | None]:
    """Return model name and pretrained as open_clip's own functions take them; a config of the user is made known."""
    if scheme_of(checkpoint.source):
        return checkpoint.source, None
    name = _register(checkpoint.model, config.model_config) if checkpoint.config_file else checkpoint.model
    return name, None if checkpoint.source == RANDOM else checkpoint.source or checkpoint.pretrained


def activates_quickly(checkpoint: Checkpoint, config: Config) -> bool:
    """Whether the model of a config runs with quick_gelu; raises InputError where that cannot be told."""
    if checkpoint.source:
        return activation_of_config(config, checkpoint.activation) == "quick_gelu"
    return activation_of_tag(checkpoint.model, checkpoint.pretrained, checkpoint.activation) == "quick_gelu"


def geometry_of(preprocess: Config) -> Geometry:
    """Geometry of the pixels that the model's own evaluation transform makes."""
    size, resize_mode = preprocess["size"], preprocess["resize_mode"]
    # open_clip takes "random", a training option, as bicubic.
    interpolation = str(preprocess["interpolation"]).replace("random", "bicubic")
    fill_color = preprocess["fill_color"]
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


def section(config: Config, key: str) -> Config:
    """Return a section of a model config; raises InputError if it has none of that name."""
    found = config.get(key)
    if not isinstance(found, dict):
        raise InputError(f"the model config has no '{key}'; open_clip needs embed_dim, vision_cfg and text_cfg.")
    return found


def _whole(name: str, config: Config | None) -> Config:
    if config is None or not all(part in config for part in ("embed_dim", "vision_cfg", "text_cfg")):
        raise InputError(f"the model config '{name}' has no embed_dim, vision_cfg and text_cfg, which open_clip needs.")
    return config


def _register(model: str, config: Config) -> str:
    """Make the user's own config known to open_clip; return the name it goes by there."""
    import open_clip

    # A name of its own by content, so that no built-in model of open_clip is replaced in this process.
    name = (
        f"{OWN}{model.replace('/', '-')}-{hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]}"
    )
    if open_clip.get_model_config(name) is None:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / f"{name}.json"
            copy.write_text(json.dumps(config), encoding="utf-8")
            open_clip.add_model_config(copy)
    return name


def _config_file(path: Path, *, also: tuple[Path, ...] = ()) -> Configured:
    """Read a file that holds a model config, or model_cfg and preprocess_cfg."""
    config = _read_config(path)
    if "model_cfg" not in config:
        section(config, "vision_cfg")
        return Configured(model_config=config, overlay={}, files=(path, *also))
    overlay = config.get("preprocess_cfg") or {}
    if not isinstance(overlay, dict):
        raise InputError(f"'{path.name}' has a preprocess_cfg that is no JSON object; correct it.")
    return Configured(model_config=section(config, "model_cfg"), overlay=overlay, files=(path, *also))


def _read_config(path: Path) -> Config:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' is no readable model config in JSON ({error}); check the path.") from error
    if not isinstance(config, dict):
        raise InputError(f"'{path}' holds no JSON object; a model config has embed_dim, vision_cfg and text_cfg.")
    return config


def from_hub(repository: str, filename: str | None) -> Path:
    """Find a file of a model repository, None = its weights; raises InputError where it can be had nowhere."""
    return first_file(repository, alternatives(filename), what=f"model repository '{repository}'")


def alternatives(filename: str | None) -> tuple[str, ...]:
    """Names under which open_clip looks for a file; for weights, a .safetensors comes before a pickle."""
    from open_clip.constants import HF_WEIGHTS_NAME
    from open_clip.pretrained import _get_safe_alternatives

    name = filename or HF_WEIGHTS_NAME
    return (*_get_safe_alternatives(name), name)
