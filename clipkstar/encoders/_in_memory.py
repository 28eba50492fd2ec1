"""A model that the caller holds in memory, such as one in training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.causes import first_line
from clipkstar.checkpoint import Checkpoint, Geometry, Identity
from clipkstar.encoder import Family, Precision, Request
from clipkstar.encoders._kept_tokens import tokens_of
from clipkstar.encoders._normalization import Normalization
from clipkstar.errors import InputError
from clipkstar.undisturbed import evaluation_mode

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipkstar.encoder import Pixels

TEXT_BATCH = 128


@dataclass(frozen=True, kw_only=True)
class PixelRecipe:
    """What a known preprocessing function does: geometry on bytes, which can be kept, then normalisation."""

    geometry: Geometry
    normalization: Normalization


@dataclass(frozen=True, kw_only=True)
class InMemoryEncoder:
    """A torch module that encodes pictures (and prompts), with the caller's own preprocessing and tokenizer.

    recipe: of the preprocessing, where it is known; None = it has to be called for each picture.
    """

    model: torch.nn.Module
    transform: Callable[[Image], torch.Tensor]
    tokenize: Callable[[list[str]], torch.Tensor] | None
    recipe: PixelRecipe | None = None

    @property
    def geometry(self) -> Geometry | None:
        """That of the recipe."""
        return None if self.recipe is None else self.recipe.geometry

    @property
    def has_text(self) -> bool:
        """Whether there are a tokenizer and an encode_text."""
        return self.tokenize is not None and hasattr(self.model, "encode_text")

    @property
    def logit_scale(self) -> float:
        """The exponential of the model's own logit_scale, as open_clip has it; 100 if it has none.

        It decides calibration only. Raises InputError for what is no logarithm of a scale.
        """
        log_scale = getattr(self.model, "logit_scale", None)
        if log_scale is None:
            return 100.0
        scale = float(_single(log_scale, "logit_scale").exp())
        if not math.isfinite(scale):
            raise InputError(
                f"the model's logit_scale is {float(log_scale)}, whose exponential is not finite; it needs the "
                "logarithm of the scale, such as 4.6052 for 100."
            )
        return scale

    @property
    def logit_bias(self) -> float | None:
        """The model's own bias."""
        bias = getattr(self.model, "logit_bias", None)
        return None if bias is None else float(_single(bias, "logit_bias"))

    def preprocess(self, image: Image) -> NDArray[np.float32]:
        """One RGB picture through the caller's preprocessing; raises InputError if no array of numbers comes back."""
        import numpy as np
        import torch

        made = self.transform(image)
        if isinstance(made, torch.Tensor):
            made = made.float()  # numpy has no bfloat16
        try:
            return np.asarray(made, dtype=np.float32)
        except (TypeError, ValueError, RuntimeError) as error:  # a dict, a ragged list, a tensor on a GPU or with grad
            raise InputError(
                f"the preprocessing returned a {type(made).__name__} that cannot be read as an array "
                f"({first_line(error)}); it needs a CPU tensor or an array (3, height, width)."
            ) from error

    def encode_images(self, pixels: Pixels) -> NDArray[np.float32]:
        """(n, 3, height, width), uint8 where there is a recipe, else as preprocessed → (n, dim) float32.

        A model without encode_image is called with the pictures, and what it returns is the embedding.
        """
        import torch

        device, dtype = device_of(self.model), _picture_type(self.model)
        with evaluation_mode(self.model):
            if self.recipe is None:
                images = torch.from_numpy(pixels).to(device=device, dtype=dtype)
            else:
                images = self.recipe.normalization.apply(pixels, device=str(device), dtype=dtype)
            encode = getattr(self.model, "encode_image", self.model)
            return _to_numpy(encode(images), "pictures")

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n prompts) → (n, dim) float32."""
        import numpy as np

        if self.tokenize is None:
            raise TypeError("prompts need a tokenizer")
        device = device_of(self.model)
        parts = []
        with evaluation_mode(self.model):
            for start in range(0, len(texts), TEXT_BATCH):
                tokens = tokens_of(self.tokenize, tuple(texts[start : start + TEXT_BATCH])).to(device)
                parts.append(_to_numpy(self.model.encode_text(tokens), "prompts"))  # type: ignore[operator]
        return np.concatenate(parts)


def in_memory_family(
    model: torch.nn.Module,
    preprocess: Callable[[Image], torch.Tensor],
    tokenizer: Callable[[list[str]], torch.Tensor] | None,
    *,
    recipe: PixelRecipe | None = None,
) -> Family:
    """Return a family that knows this one model; it has no weights hash, so its work is never taken for finished."""

    def load(checkpoint: Checkpoint, device: str, precision: Precision) -> InMemoryEncoder:  # noqa: ARG001 - one for all
        return InMemoryEncoder(model=model, transform=preprocess, tokenize=tokenizer, recipe=recipe)

    geometry = None if recipe is None else recipe.geometry
    return Family(
        name="memory",
        version="1",
        summary="a model that the caller holds in memory",
        resolve=_resolve,
        identify=lambda _: Identity(weights_sha256=None, config_sha256="", geometry=geometry),
        load=load,
        checkpoints=lambda: (),
    )


def precision_of(model: torch.nn.Module) -> Precision:
    """Return the precision in which the model takes pictures."""
    import torch

    names: dict[torch.dtype, Precision] = {torch.float16: "fp16", torch.bfloat16: "bf16"}
    return names.get(_picture_type(model), "fp32")


def device_of(model: torch.nn.Module) -> torch.device:
    """Return where the model's first parameter is; the CPU if it has none."""
    import torch

    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def _picture_type(model: torch.nn.Module) -> torch.dtype:
    """Type of the image tower's first convolution or linear layer; open_clip leaves other weights in float32."""
    import torch

    tower = getattr(model, "visual", model)
    layers = tower.modules() if isinstance(tower, torch.nn.Module) else ()
    weights = [layer.weight for layer in layers if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)]
    floating = (weight.dtype for weight in (*weights, *model.parameters()) if weight.is_floating_point())
    return next(floating, torch.float32)


def _resolve(request: Request) -> Checkpoint:
    tag = request.pretrained or "in-memory"
    return Checkpoint(family="memory", model=request.model, pretrained=tag, lineage=f"memory/{request.model}")


def _single(value: object, name: str) -> torch.Tensor:
    """Read an attribute of the model that is a number or a tensor of one; raises InputError if it is neither."""
    import torch

    try:
        tensor = torch.as_tensor(value).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the model's {name} is a {type(value).__name__}; it needs a number or a tensor of one."
        ) from error
    if tensor.numel() != 1:
        raise InputError(f"the model's {name} has {tensor.numel()} numbers; it needs one.")
    return tensor.reshape(())


def _to_numpy(features: object, encoded: str) -> NDArray[np.float32]:
    """encoded: "pictures" or "prompts"; raises InputError where the model answered them with something else."""
    import numpy as np
    import torch

    if not isinstance(features, torch.Tensor):
        raise InputError(
            f"the model answered {encoded} with a {type(features).__name__}; clipkstar needs a tensor (n, dim), so "
            "give it the module or a wrapper that returns one."
        )
    return np.asarray(features.detach().to(torch.float32).cpu())
