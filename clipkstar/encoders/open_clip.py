"""Everything that open_clip loads: tags, hf-hub: and local-dir: models, checkpoint files, random weights.

All that is known of open_clip's own code stands here and in the _open_clip files.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from clipkstar.causes import first_line
from clipkstar.checkpoint import Checkpoint, Geometry, Identity
from clipkstar.encoder import Family, Precision
from clipkstar.encoders._downloads import fetched
from clipkstar.encoders._open_clip_files import (
    Located,
    activates_quickly,
    configured,
    geometry_of,
    names_for_open_clip,
    scheme_of,
    section,
)
from clipkstar.encoders._open_clip_listing import describe
from clipkstar.encoders._open_clip_names import checkpoints, resolve
from clipkstar.encoders._open_clip_projection import drop_projection
from clipkstar.encoders._open_clip_prompt_files import check_packages, prompt_files, vocabulary_files
from clipkstar.encoders._open_clip_random import build_random
from clipkstar.encoders._open_clip_refusals import check_positions, unloadable
from clipkstar.encoders._open_clip_texts import CausalTower, causal_tower, cut_changes_nothing, encode_tokens
from clipkstar.encoders._open_clip_weights import weights_of
from clipkstar.encoders._precision import check_precision, computing, parameter_dtype
from clipkstar.encoders._random_weights import state_sha256
from clipkstar.encoders._weight_files import sha256_of, weights_sha256
from clipkstar.errors import InputError
from clipkstar.hub_commits import refs_of

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipkstar.encoder import Pixels

    Tokenizer = Callable[[list[str]], torch.Tensor]


class Clip(Protocol):
    """What the models of open_clip have in common."""

    visual: torch.nn.Module
    logit_scale: torch.Tensor
    logit_bias: torch.Tensor | None

    def encode_image(self, image: torch.Tensor) -> torch.Tensor:
        """(n, 3, height, width) → (n, dim)."""

    def encode_text(self, text: torch.Tensor) -> torch.Tensor:
        """(n, context length) → (n, dim)."""


@dataclass(frozen=True, kw_only=True)
class OpenClipEncoder:
    """A loaded open_clip model on one device, in one precision.

    text_tower: what cuts prompts to their longest; None = they stay padded to the context length.
    """

    model: Clip
    tokenize: Tokenizer
    located: Located
    geometry: Geometry
    device: str
    precision: Precision
    logit_scale: float
    logit_bias: float | None
    text_tower: CausalTower | None = None
    has_text: bool = True

    @property
    def cuts_texts(self) -> bool:
        """Whether prompts are cut to the longest of their batch, with the result of padded ones."""
        return self.text_tower is not None

    def preprocess(self, image: Image) -> NDArray[np.float32]:
        """Never called: the encoder has a geometry."""
        raise TypeError(f"pictures of mode {image.mode} come in by geometry")

    def encode_images(self, pixels: Pixels) -> NDArray[np.float32]:
        """(n, 3, height, width) uint8 RGB → (n, dim) float32, as encode_image returns them."""
        import torch

        dtype = parameter_dtype(self.precision)
        images = self.located.normalization.apply(pixels, device=self.device, dtype=dtype)
        with computing(self.device, self.precision):
            features = self.model.encode_image(images)
            return features.to(torch.float32).cpu().numpy()

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n prompts) → (n, dim) float32, as encode_text returns them for padded prompts, up to rounding."""
        with computing(self.device, self.precision):
            return encode_tokens(self.model, self.text_tower, self.tokenize(list(texts)), self.device).numpy()


def identify(checkpoint: Checkpoint) -> Identity:
    """Find (or download) and hash the weights, and hash what decides how pictures and prompts are read.

    open_clip's own version is part of run_id; those of the packages that it builds parts of the model from are here.
    """
    located = locate(checkpoint)
    prompts = prompt_files(checkpoint, section(located.model_config, "text_cfg"), located.tokenizer_files)
    hashes = [sha256_of(file) for file in prompts]
    decisive = [located.model_config, located.preprocess, located.quick_gelu, hashes, *located.packages]
    files: list[Path] = []
    if located.weights:
        weights = weights_sha256(located.weights)
        files = [located.weights, *located.config_files, *prompts]
    else:  # what is drawn, no file tells
        weights = state_sha256(build_random(located, checkpoint.model, device="cpu", precision="fp32"))
    return Identity(
        weights_sha256=weights,
        config_sha256=hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest(),
        geometry=geometry_of(located.preprocess),
        activation="quick_gelu" if located.quick_gelu else "gelu",
        files=tuple(str(file) for file in (*files, *refs_of(files))),
    )


def locate(checkpoint: Checkpoint) -> Located:
    """Find config, vocabulary and weights of a checkpoint, downloading what open_clip would download.

    Raises UnreachableError where they are neither cached nor reachable, InputError for a config that is none.
    """
    config = configured(checkpoint)
    # What can be refused without weights comes first: they may be gigabytes to download.
    preprocess, quick_gelu = config.preprocess, activates_quickly(checkpoint, config.model_config)
    check_packages(checkpoint.model, config.text_config)
    name, pretrained = names_for_open_clip(checkpoint, config)
    return Located(
        name=name,
        pretrained=pretrained,
        config_files=config.files,
        model_config=config.model_config,
        preprocess=preprocess,
        quick_gelu=quick_gelu,
        weights=weights_of(checkpoint),
        tokenizer_files=vocabulary_files(checkpoint, config.text_config),
    )


def load(checkpoint: Checkpoint, device: str, precision: Precision) -> OpenClipEncoder:
    """Build the model and fill it; raises InputError for weights that are damaged, unsafe, of another model."""
    check_precision(device, precision)
    located = locate(checkpoint)
    model = _build(checkpoint, located, device, precision)
    tokenizer = _tokenizer(checkpoint, located)
    tower = causal_tower(model)
    if tower is not None:
        with computing(device, precision):
            tower = tower if cut_changes_nothing(model, tower, tokenizer, precision) else None
    return OpenClipEncoder(
        model=model,
        tokenize=tokenizer,
        located=located,
        geometry=geometry_of(located.preprocess),
        device=device,
        precision=precision,
        logit_scale=float(model.logit_scale.detach().exp()),
        logit_bias=None if model.logit_bias is None else float(model.logit_bias.detach()),
        text_tower=tower,
    )


def load_pre_projection(checkpoint: Checkpoint, device: str, precision: Precision) -> OpenClipEncoder:
    """Like load, but images come back as they are before the projection, and there is no text in that space."""
    encoder = load(checkpoint, device, precision)
    drop_projection(checkpoint.model, encoder.model.visual)
    return replace(encoder, has_text=False)


def _build(checkpoint: Checkpoint, located: Located, device: str, precision: Precision) -> Clip:
    """The model with its weights, in evaluation mode."""
    import open_clip
    import torch

    own_precision: Precision = "fp32" if precision.startswith("amp") else precision
    if located.weights is None:
        return build_random(located, checkpoint.model, device=device, precision=own_precision)  # type: ignore[return-value]
    weights_sha256(located.weights)  # refuses a download that was damaged since
    try:
        with warnings.catch_warnings():
            # Among them: the plain model name has another activation than the tag, which is what is set here.
            warnings.simplefilter("ignore")
            model = open_clip.create_model(
                located.name,
                pretrained=located.pretrained,
                precision=own_precision,
                device=device,
                weights_only=True,
                require_pretrained=True,
                quick_gelu=located.quick_gelu,
            ).eval()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # damaged files surface as many types: pickle, zip, safetensors, KeyError, RuntimeError
        raise unloadable(checkpoint.model, located.weights, error) from error
    if checkpoint.source and scheme_of(checkpoint.source) != "hf-hub:":  # a file of the user
        check_positions(checkpoint.model, located.weights, model)
    return model  # type: ignore[no-any-return]


def _tokenizer(checkpoint: Checkpoint, located: Located) -> Tokenizer:
    """The model's own: open_clip takes a name that it does not know for a model with the default tokenizer."""
    import open_clip

    name = located.model_config["text_cfg"].get("hf_tokenizer_name") or "of open_clip"
    what = f"tokenizer '{name}' of '{checkpoint.model}'"
    try:
        tokenizer: Tokenizer = fetched(what, lambda: open_clip.get_tokenizer(located.name, **located.tokenizer_files))
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"the {what} does not load ({first_line(error)}); check its files.") from error
    return tokenizer


FAMILY = Family(
    name="open_clip",
    version="2",
    summary="open_clip models by tag, hf-hub:org/name, local-dir:FOLDER, checkpoint file, or with random weights",
    resolve=resolve,
    identify=identify,
    load=load,
    checkpoints=checkpoints,
    load_pre_projection=load_pre_projection,
    describe=describe,
)
