"""Everything that open_clip loads: tags, hf-hub: and local-dir: models, checkpoint files.

All that is known of open_clip's own loading code stands here and in the _open_clip files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from clipkstar.checkpoint import Checkpoint, Geometry, Identity
from clipkstar.encoder import Family, Precision, Request
from clipkstar.encoders._open_clip_files import (
    Located,
    file_sha256,
    geometry_of,
    locate,
    scheme_of,
)
from clipkstar.encoders._open_clip_refusals import check_positions, unloadable
from clipkstar.errors import InputError, UnknownNameError
from clipkstar.full_float32 import full_float32

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipkstar.encoder import Pixels

    Tokenizer = Callable[[list[str]], torch.Tensor]

WEIGHT_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")
TAG_ALIASES = {"laion2b": "laion2b_s"}
"""Short names people type → beginning of the tag of the fully trained weights (laion2b_s34b_b79k, not laion2b_e16)."""
TEXT_BATCH = 128


class Clip(Protocol):
    """What the models of open_clip have in common."""

    def encode_image(self, image: torch.Tensor) -> torch.Tensor:
        """(n, 3, height, width) → (n, dim)."""

    def encode_text(self, text: torch.Tensor) -> torch.Tensor:
        """(n, context length) → (n, dim)."""


@dataclass(frozen=True, kw_only=True)
class OpenClipEncoder:
    """A loaded open_clip model on one device, in one precision."""

    model: Clip
    tokenize: Tokenizer
    located: Located
    geometry: Geometry
    device: str
    precision: Precision
    logit_scale: float
    logit_bias: float | None
    has_text: bool = True

    def preprocess(self, image: Image) -> NDArray[np.float32]:
        """Never called: the encoder has a geometry."""
        raise TypeError(f"pictures of mode {image.mode} come in by geometry")

    def encode_images(self, pixels: Pixels) -> NDArray[np.float32]:
        """(n, 3, height, width) uint8 RGB → (n, dim) float32, as encode_image returns them."""
        import torch

        # Three float32 steps in this order are bit-identical to open_clip's ToTensor and Normalize.
        images = torch.from_numpy(pixels).to(self.device).to(torch.float32).div_(255)
        mean, std = (torch.tensor(self.located.preprocess[key], device=self.device) for key in ("mean", "std"))
        images.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1))
        images = images.to({"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision, torch.float32))
        with torch.inference_mode(), full_float32(), self._autocast():
            return _to_numpy(self.model.encode_image(images))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n prompts) → (n, dim) float32, as encode_text returns them."""
        import numpy as np
        import torch

        parts = []
        with torch.inference_mode(), full_float32(), self._autocast():
            for start in range(0, len(texts), TEXT_BATCH):
                tokens = self.tokenize(list(texts[start : start + TEXT_BATCH])).to(self.device)
                parts.append(_to_numpy(self.model.encode_text(tokens)))
        return np.concatenate(parts)

    def _autocast(self) -> AbstractContextManager[None]:
        import torch

        kinds = {"amp_bf16": torch.bfloat16, "amp_fp16": torch.float16}
        if self.precision not in kinds:
            return nullcontext()
        return torch.autocast(self.device, dtype=kinds[self.precision])


def resolve(request: Request) -> Checkpoint:
    """Find the model and the tag, file or folder meant; raises InputError with the nearest names. Downloads nothing."""
    scheme = scheme_of(request.model)
    if scheme:
        return _resolve_scheme(request, scheme)
    import open_clip

    if request.config_file is None and request.model not in open_clip.list_models():
        raise UnknownNameError("model", request.model, open_clip.list_models(), lister="clipkstar models")
    if request.pretrained and _is_file(request.pretrained):
        return _resolve_file(request, Path(request.pretrained))
    if request.config_file:
        raise InputError(
            f"'{request.config_file}' describes an architecture of your own, which has no tags; "
            "give --pretrained the checkpoint file."
        )
    return _resolve_tag(request)


def _resolve_scheme(request: Request, scheme: str) -> Checkpoint:
    if request.pretrained or request.config_file:
        raise InputError(f"a {scheme} model brings its own weights; leave --pretrained and --model-config out.")
    place = request.model.removeprefix(scheme)
    if scheme == "local-dir:":
        if not (Path(place) / "open_clip_config.json").is_file():
            raise InputError(f"'{place}' has no open_clip_config.json, which {scheme} needs; check the path.")
        model = Path(place).resolve().name
    elif place.count("/") != 1:
        raise InputError(f"'{request.model}' names no hub repository; write hf-hub:org/name.")
    else:
        model = place
    tag = scheme.removesuffix(":")
    return Checkpoint(family="open_clip", model=model, pretrained=tag, lineage=f"{tag}/{model}", source=request.model)


def _is_file(pretrained: str) -> bool:
    return Path(pretrained).suffix in WEIGHT_SUFFIXES or os.sep in pretrained or Path(pretrained).is_file()


def _resolve_file(request: Request, path: Path) -> Checkpoint:
    if not path.is_file():
        raise InputError(f"there is no checkpoint file '{path}'; check the path.")
    if path.suffix not in WEIGHT_SUFFIXES:
        raise InputError(f"'{path.name}' has no known checkpoint suffix; it needs one of {', '.join(WEIGHT_SUFFIXES)}.")
    # epoch_3.pt and epoch_12.pt of one folder are stages of one training run.
    run = re.sub(r"[_-]?\d+$", "", path.stem)
    return Checkpoint(
        family="open_clip",
        model=request.model,
        pretrained=path.stem,
        lineage=f"{request.model}/{path.resolve().parent.name}/{run}",
        source=str(path),
        config_file=request.config_file,
    )


def _resolve_tag(request: Request) -> Checkpoint:
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(request.model)
    if not tags:
        raise InputError(f"open_clip has no weights for '{request.model}'; give --pretrained a checkpoint file.")
    if not request.pretrained:
        raise InputError(f"'{request.model}' needs --pretrained: {', '.join(tags)}, or a checkpoint file.")
    tag = match_tag(request.model, request.pretrained, tags)
    weights = open_clip.get_pretrained_cfg(request.model, tag)
    return Checkpoint(
        family="open_clip",
        model=request.model,
        pretrained=tag,
        lineage=f"{request.model}/{re.sub(r'_e[0-9]+$', '', tag)}",
        summary=f"weights from {weights.get('hf_hub') or weights.get('url')}",
        notice="" if tag == request.pretrained else f"'{request.pretrained}' is taken to mean '{tag}'.",
    )


def match_tag(model: str, wanted: str, tags: Sequence[str]) -> str:
    """Return the tag meant: the exact one, else an alias, else the only one that begins so; raises InputError."""
    cleaned = wanted.lower().replace("-", "_")
    if cleaned in tags:
        return cleaned
    for start in (TAG_ALIASES.get(cleaned), cleaned):
        candidates = [tag for tag in tags if start and tag.startswith(start)]
        if len(candidates) == 1:
            return candidates[0]
    begins = [tag for tag in tags if tag.startswith(cleaned)]
    if begins:
        raise InputError(f"'{wanted}' may mean {' or '.join(begins)} of '{model}'; write one of them out.")
    raise UnknownNameError(f"'{model}' tag", wanted, tags, lister=f"clipkstar models {model}")


def identify(checkpoint: Checkpoint) -> Identity:
    """Find (or download) and hash the weights, and hash the config that decides what the model computes."""
    located = locate(checkpoint)
    tokenizer_files = [file_sha256(Path(path)) for path in located.tokenizer_files.values()]
    decisive = [located.model_config, located.preprocess, located.quick_gelu, tokenizer_files]
    return Identity(
        weights_sha256=file_sha256(located.weights),
        config_sha256=hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest(),
        geometry=geometry_of(located),
        activation="quick_gelu" if located.quick_gelu else "gelu",
    )


def load(checkpoint: Checkpoint, device: str, precision: Precision) -> OpenClipEncoder:
    """Build the model and fill it; raises InputError for weights that are damaged, unsafe, of another model."""
    import open_clip
    import torch

    if device == "cpu" and precision in ("fp16", "amp_fp16"):
        raise InputError(f"--precision {precision} needs a GPU; on a CPU use fp32, bf16 or amp_bf16.")
    located = locate(checkpoint)
    try:
        with warnings.catch_warnings():
            # Among them: the plain model name has another activation than the tag, which is what is set here.
            warnings.simplefilter("ignore")
            model = open_clip.create_model(
                located.name,
                pretrained=located.pretrained,
                precision="fp32" if precision.startswith("amp") else precision,
                device=device,
                weights_only=True,
                require_pretrained=True,
                quick_gelu=located.quick_gelu,
            ).eval()
            tokenizer = open_clip.get_tokenizer(located.name, **located.tokenizer_files)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # damaged files surface as many types: pickle, zip, safetensors, KeyError, RuntimeError
        raise unloadable(checkpoint.model, located.weights, error) from error
    if checkpoint.source and scheme_of(checkpoint.source) != "hf-hub:":  # a file of the user
        check_positions(checkpoint.model, located.weights, model)
    bias = getattr(model, "logit_bias", None)
    return OpenClipEncoder(
        model=model,
        tokenize=tokenizer,
        located=located,
        geometry=geometry_of(located),
        device=device,
        precision=precision,
        logit_scale=float(model.logit_scale.detach().exp()),
        logit_bias=None if bias is None else float(bias.detach()),
    )


def checkpoints() -> tuple[Checkpoint, ...]:
    """Every (model, tag) pair that open_clip knows."""
    import open_clip

    return tuple(_resolve_tag(Request(model=model, pretrained=tag)) for model, tag in open_clip.list_pretrained())


def _to_numpy(features: torch.Tensor) -> NDArray[np.float32]:
    import torch

    return features.to(torch.float32).cpu().numpy()


FAMILY = Family(
    name="open_clip",
    version="1",
    summary="open_clip models by tag, hf-hub:org/name, local-dir:FOLDER or checkpoint file",
    resolve=resolve,
    identify=identify,
    load=load,
    checkpoints=checkpoints,
)
