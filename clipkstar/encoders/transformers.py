"""CLIP and SigLIP models of Hugging Face transformers, from the hub or from a folder; never code from a repository."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from clipkstar.checkpoint import Checkpoint, Geometry, Identity
from clipkstar.encoder import Family, Precision, Request
from clipkstar.encoders._precision import check_precision, computing, parameter_dtype
from clipkstar.encoders._transformers_files import Located, locate
from clipkstar.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipkstar.encoder import Pixels

TEXT_BATCH = 128
TOKEN_NAMES = ("input_ids", "attention_mask")
"""What the models take of a tokenizer's answer; whether there is a mask, its own config says."""


class Features(Protocol):
    """What get_image_features and get_text_features return since transformers 5."""

    pooler_output: torch.Tensor


class DualEncoder(Protocol):
    """What CLIPModel and SiglipModel have in common."""

    def get_image_features(self, pixel_values: torch.Tensor) -> Features:
        """(n, 3, height, width) → pooler_output (n, dim)."""

    def get_text_features(self, **tokens: torch.Tensor) -> Features:
        """Tokens (n, length) → pooler_output (n, dim)."""


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that is used here."""

    padding_side: str

    def __call__(
        self, text: list[str], *, padding: str, truncation: bool, max_length: int, return_tensors: str
    ) -> dict[str, torch.Tensor]:
        """Prompts → input_ids (n, length) and, where the model wants one, attention_mask."""


@dataclass(frozen=True, kw_only=True)
class TransformersEncoder:
    """A loaded model on one device, in one precision.

    padding: "longest" of the batch for CLIP, whose text tower is causal and pools at the end token, so that nothing
    after it counts; "max_length" for SigLIP, which pools at the last position and was trained so.
    lowercase: SigLIP was trained on lower case, and the tokenizer that SigLIP 2 repositories name keeps capitals.
    """

    model: DualEncoder
    tokenizer: Tokenizer
    located: Located
    device: str
    precision: Precision
    padding: str
    lowercase: bool
    context_length: int
    logit_scale: float
    logit_bias: float | None
    has_text: bool = True

    @property
    def geometry(self) -> Geometry:
        """What the model's image processor does."""
        return self.located.geometry

    def preprocess(self, image: Image) -> NDArray[np.float32]:
        """Never called: the encoder has a geometry."""
        raise TypeError(f"pictures of mode {image.mode} come in by geometry")

    def encode_images(self, pixels: Pixels) -> NDArray[np.float32]:
        """(n, 3, height, width) uint8 RGB → (n, dim) float32, as get_image_features pools them."""
        dtype = parameter_dtype(self.precision)
        images = self.located.normalization.apply(pixels, device=self.device, dtype=dtype)
        with computing(self.device, self.precision):
            return _to_numpy(self.model.get_image_features(pixel_values=images))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n prompts) → (n, dim) float32, as get_text_features pools them; longer prompts are cut."""
        import numpy as np

        parts = []
        with computing(self.device, self.precision):
            for start in range(0, len(texts), TEXT_BATCH):
                batch = texts[start : start + TEXT_BATCH]
                tokens = self.tokenizer(
                    [text.lower() for text in batch] if self.lowercase else list(batch),
                    padding=self.padding,
                    truncation=True,
                    max_length=self.context_length,
                    return_tensors="pt",
                )
                given = {
                    name: tokens[name].to(self.device) for name in ("input_ids", "attention_mask") if name in tokens
                }
                parts.append(_to_numpy(self.model.get_text_features(**given)))
        return np.concatenate(parts)


def resolve(request: Request) -> Checkpoint:
    """Name a repository of the hub at a revision, or a folder; downloads nothing."""
    if importlib.util.find_spec("transformers") is None:
        raise InputError(
            f"'transformers:{request.model}' needs the package transformers; "
            "install it with pip install 'clipkstar[transformers]'."
        )
    if request.config_file or request.activation:
        raise InputError(
            f"'transformers:{request.model}' brings its own config; leave --model-config and --activation out."
        )
    folder = Path(request.model)
    if request.model and folder.is_dir():
        if request.pretrained:
            raise InputError(f"the folder '{request.model}' brings its own weights; leave --pretrained out.")
        name = folder.resolve().name
        return Checkpoint(
            family="transformers",
            model=name,
            pretrained="folder",
            lineage=f"transformers/{name}",
            source=str(folder),
        )
    if request.model.count("/") != 1 or not all(request.model.split("/")) or request.model.startswith("."):
        raise InputError(f"'{request.model}' is no folder and no hub repository; write transformers:org/name.")
    return Checkpoint(
        family="transformers",
        model=request.model,
        pretrained=request.pretrained or "main",
        lineage=f"transformers/{request.model}",
    )


def identify(checkpoint: Checkpoint) -> Identity:
    """Find (or download) and hash the weights, and hash the config, image processor and tokenizer."""
    return locate(checkpoint).identity()


def load(checkpoint: Checkpoint, device: str, precision: Precision) -> TransformersEncoder:
    """Build and fill the model; raises InputError for weights that are damaged, unsafe or of another model."""
    import torch
    from transformers import AutoTokenizer, CLIPModel, SiglipModel

    check_precision(device, precision)
    located = locate(checkpoint)
    is_clip = located.model_type == "clip"
    folder, kind = str(located.folder), CLIPModel if is_clip else SiglipModel
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model, report = kind.from_pretrained(
            folder,
            dtype=parameter_dtype(precision),
            local_files_only=True,
            use_safetensors=located.weights[0].suffix == ".safetensors",
            weights_only=True,
            output_loading_info=True,
        )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # damaged files surface as many types: safetensors, pickle, KeyError, RuntimeError
        raise _unloadable(checkpoint.model, error) from error
    _check_complete(checkpoint.model, {key: sorted(map(str, keys)) for key, keys in report.items()})
    if is_clip:
        tokenizer.padding_side = "right"
    return TransformersEncoder(
        model=model.to(device).eval(),
        tokenizer=tokenizer,
        located=located,
        device=device,
        precision=precision,
        padding="longest" if is_clip else "max_length",
        lowercase=not is_clip,
        context_length=model.config.text_config.max_position_embeddings,
        logit_scale=float(model.logit_scale.detach().exp()),
        logit_bias=None if is_clip else float(model.logit_bias.detach()),
    )


def _check_complete(model: str, report: dict[str, list[str]]) -> None:
    """Raise InputError if transformers left out a weight of the file or made one up at random."""
    for key, meaning in (("missing_keys", "lack"), ("mismatched_keys", "differ in"), ("unexpected_keys", "have also")):
        if report.get(key):
            raise InputError(
                f"the weights of '{model}' are not those of its config.json: they {meaning} {report[key][0]} "
                f"({len(report[key])} in all); fetch or save them again."
            )


def _unloadable(model: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if "sentencepiece" in reason.lower() or "protobuf" in reason.lower():
        return InputError(
            f"the tokenizer of '{model}' needs the packages sentencepiece and protobuf; "
            "install them with pip install 'clipkstar[transformers]'."
        )
    if "weights_only" in reason or "Weights only load" in reason:
        return InputError(
            f"the weights of '{model}' are a pickle that wants to run code, which clipkstar never does; "
            "save the plain weights, best as .safetensors."
        )
    return InputError(f"'{model}' does not load in transformers ({reason}); fetch or save its files again.")


def _to_numpy(features: Features) -> NDArray[np.float32]:
    import torch

    return features.pooler_output.to(torch.float32).cpu().numpy()


FAMILY = Family(
    name="transformers",
    version="1",
    summary="CLIP and SigLIP models of Hugging Face transformers, transformers:org/name or transformers:FOLDER",
    resolve=resolve,
    identify=identify,
    load=load,
    checkpoints=lambda: (),
)
