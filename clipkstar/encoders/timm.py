"""Image encoders of timm, as the baselines that have no text tower: k* and its kin work, zero-shot scores are null."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.checkpoint import Checkpoint, Geometry, Identity, ResizeMode
from clipkstar.encoder import Family, Precision, Request
from clipkstar.encoders._normalization import Normalization
from clipkstar.encoders._precision import check_precision, computing, parameter_dtype
from clipkstar.encoders._random_weights import random_notice, state_sha256
from clipkstar.encoders._timm_weights import (
    RANDOM,
    PretrainedConfig,
    build,
    hub_place,
    pretrained_config,
    weights_file,
)
from clipkstar.encoders._weight_files import (
    WEIGHT_SUFFIXES,
    existing_file,
    names_a_file,
    training_run,
    weights_sha256,
)
from clipkstar.errors import InputError, UnknownNameError
from clipkstar.hub_commits import refs_of

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipkstar.encoder import Pixels

SUFFIXES = (*WEIGHT_SUFFIXES, ".tar")
RESIZE_MODES: dict[str, ResizeMode] = {"center": "shortest", "squash": "squash", "border": "longest"}
"""timm's crop_mode → how a Geometry calls it."""


@dataclass(frozen=True, kw_only=True)
class TimmEncoder:
    """A loaded image tower on one device, in one precision; it has no text tower."""

    model: torch.nn.Module
    geometry: Geometry
    normalization: Normalization
    device: str
    precision: Precision
    has_text: bool = False
    logit_scale: float = 1.0
    logit_bias: float | None = None

    def preprocess(self, image: Image) -> NDArray[np.float32]:
        """Never called: the encoder has a geometry."""
        raise TypeError(f"pictures of mode {image.mode} come in by geometry")

    def encode_images(self, pixels: Pixels) -> NDArray[np.float32]:
        """(n, 3, height, width) uint8 RGB → (n, dim) float32, the pooled features that the classifier would get."""
        import numpy as np
        import torch

        images = self.normalization.apply(pixels, device=self.device, dtype=parameter_dtype(self.precision))
        with computing(self.device, self.precision):
            return np.asarray(self.model(images).to(torch.float32).cpu().numpy())

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Never called: there is no text tower."""
        raise TypeError(f"{len(texts)} prompts cannot be encoded without a text tower")


def resolve(request: Request) -> Checkpoint:
    """Find the model and the tag or file meant; raises InputError with the nearest names. Downloads nothing."""
    import timm

    model, _, tag = request.model.partition(".")
    if request.config_file or request.activation:
        raise InputError(f"'timm:{request.model}' is built by timm itself; leave --model-config and --activation out.")
    if not timm.is_model(model):
        raise UnknownNameError("timm model", model, timm.list_models())
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{model}.*")]
    if tag and request.pretrained and tag != request.pretrained:
        raise InputError(f"'timm:{request.model}' names a tag, and --pretrained {request.pretrained} too; keep one.")
    wanted = tag or request.pretrained or ""
    if wanted == RANDOM:
        return _checkpoint(model, RANDOM, summary="random weights", notice=random_notice(model))
    if names_a_file(wanted, SUFFIXES):
        return _resolve_file(model, existing_file(wanted))
    if not tags:
        raise InputError(f"timm has no weights for '{model}'; give --pretrained a checkpoint file, or {RANDOM}.")
    if not wanted:
        wanted = str(timm.models.get_pretrained_cfg(model).tag)
        return _checkpoint(model, wanted, notice=f"'{model}' without a tag is taken to mean timm's first, '{wanted}'.")
    if wanted not in tags:
        raise UnknownNameError(f"'{model}' tag", wanted, tags)
    return _checkpoint(model, wanted)


def _checkpoint(model: str, tag: str, *, summary: str = "timm", notice: str = "") -> Checkpoint:
    return Checkpoint(
        family="timm",
        model=model,
        pretrained=tag,
        lineage=f"timm/{model}.{tag}",
        summary=summary,
        notice=notice,
    )


def _resolve_file(model: str, path: Path) -> Checkpoint:
    stem = path.name.partition(".")[0]  # checkpoint-3.pth.tar has two suffixes
    found = Checkpoint(
        family="timm",
        model=model,
        pretrained=stem,
        lineage=f"timm/{model}/{training_run(path, stem)}",
        source=str(path),
    )
    like = ".".join(filter(None, (model, pretrained_config(found).get("tag"))))
    notice = f"'{path.name}' does not say how its pictures were prepared: they are prepared as timm does for '{like}'."
    return replace(found, notice=notice)


def identify(checkpoint: Checkpoint) -> Identity:
    """Find (or download) and hash the weights; the config is timm's, so timm's version is part of its hash."""
    is_random = checkpoint.pretrained == RANDOM and not checkpoint.source
    config = pretrained_config(checkpoint)
    geometry, normalization = geometry_of(checkpoint.model, config), _normalization(config)
    decisive = [checkpoint.model, geometry.__dict__, normalization.__dict__, version("timm")]
    files: list[Path] = []
    if is_random:  # what is drawn, no file tells
        weights = state_sha256(build(checkpoint, None))
    else:
        files = [weights_file(checkpoint)]
        weights = weights_sha256(files[0])
    return Identity(
        weights_sha256=weights,
        config_sha256=hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest(),
        geometry=geometry,
        files=tuple(str(file) for file in (*files, *refs_of(files, hub_place(config)[1]))),
    )


def load(checkpoint: Checkpoint, device: str, precision: Precision) -> TimmEncoder:
    """Build the model and fill it; raises InputError for weights that are damaged, unsafe, of another model."""
    check_precision(device, precision)
    is_random = checkpoint.pretrained == RANDOM and not checkpoint.source
    config = pretrained_config(checkpoint)
    geometry = geometry_of(checkpoint.model, config)
    weights = None if is_random else weights_file(checkpoint)
    if weights is not None:
        weights_sha256(weights)  # refuses what is gone, and a download that was damaged since
    model = build(checkpoint, weights)
    return TimmEncoder(
        model=model.to(device=device, dtype=parameter_dtype(precision)),
        geometry=geometry,
        normalization=_normalization(config),
        device=device,
        precision=precision,
    )


def geometry_of(model: str, config: PretrainedConfig) -> Geometry:
    """Geometry of the pixels that timm's own evaluation transform makes; raises InputError where none can say it."""
    from timm.data import resolve_data_config

    data = resolve_data_config(pretrained_cfg=config)
    channels, height, width = data["input_size"]
    mode, fraction, fill = data["crop_mode"], float(data["crop_pct"]), {round(255 * value) for value in data["mean"]}
    refusal = ""
    if channels != 3:
        refusal = f"takes {channels} channels, clipkstar gives 3"
    elif mode not in RESIZE_MODES or data["interpolation"] not in ("bicubic", "bilinear"):
        refusal = f"resizes by '{mode}' and '{data['interpolation']}', clipkstar by {', '.join(RESIZE_MODES)} and "
        refusal += "bicubic or bilinear"
    elif not 0 < fraction <= 1:
        refusal = f"has the crop_pct {fraction}, clipkstar needs more than 0 and at most 1"
    elif mode == "border" and len(fill) > 1:
        refusal = f"pads with the colour {data['mean']}, clipkstar with a grey"
    elif mode == "center" and height != width and data["interpolation"] == "bilinear":
        refusal = "resizes to a rectangle by 'bilinear', clipkstar by 'bicubic' only"
    if refusal:
        raise InputError(f"'timm:{model}' {refusal}; choose another model.")
    return Geometry(
        size=(height, width),
        resize_mode=RESIZE_MODES[mode],
        interpolation=data["interpolation"],
        fill_color=fill.pop() if mode == "border" else 0,
        crop_fraction=fraction,
    )


def _normalization(config: PretrainedConfig) -> Normalization:
    from timm.data import resolve_data_config

    data = resolve_data_config(pretrained_cfg=config)
    return Normalization(mean=tuple(data["mean"]), std=tuple(data["std"]))


FAMILY = Family(
    name="timm",
    version="1",
    summary="image encoders of timm without text, timm:NAME or timm:NAME.TAG of timm.list_models(pretrained=True)",
    resolve=resolve,
    identify=identify,
    load=load,
    checkpoints=lambda: (),
)
