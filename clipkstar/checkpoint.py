"""A checkpoint: one set of trained weights, by name."""

import math
from dataclasses import dataclass
from typing import Literal

ResizeMode = Literal["shortest", "longest", "squash"]
Activation = Literal["gelu", "quick_gelu"]


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """How a picture becomes pixels of fixed size; encoders of equal geometry share pixels.

    size: height, width in pixels.
    resize_mode: shortest = shortest side to size, then centre crop; longest = longest side to size, then pad with
        fill_color; squash = both sides to size.
    interpolation: "bicubic" or "bilinear", with antialias, as PIL does it.
    fill_color: 0 … 255, padding of "longest".
    crop_fraction: in (0, 1], share of the resized picture's sides that the centre crop keeps (timm's crop_pct); the
        picture is resized to `resized_size` instead of size.
    crop_rounding: where a margin is odd, half a pixel is rounded "even" (torchvision, open_clip, timm) or "down"
        (transformers).
    """

    size: tuple[int, int]
    resize_mode: ResizeMode = "shortest"
    interpolation: str = "bicubic"
    fill_color: int = 0
    crop_fraction: float = 1.0
    crop_rounding: Literal["even", "down"] = "even"

    @property
    def resized_size(self) -> tuple[int, int]:
        """Height, width that the picture is resized to before the centre crop, rounded down as timm does."""
        height, width = (math.floor(side / self.crop_fraction) for side in self.size)
        return height, width


def checkpoint_title(family: str, model: str, pretrained: str) -> str:
    """Return the name of a checkpoint in tables and folders."""
    return f"{family}--{model}--{pretrained}"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One set of weights of one model, as names: nothing is loaded or downloaded by making one.

    family: the loader, a file of clipkstar/encoders.
    model, pretrained: as they stand in records and tables; `pretrained` is the resolved tag, never an abbreviation.
    lineage: the training run or pretraining source that the weights descend from; statistics treat checkpoints of one
        lineage as one cluster.
    source: what the family needs to find the weights (a path, a repository); never recorded, it may name a machine.
    activation: what the user says the weights were trained with; None = what their configuration says.
    summary: one line for lists, such as where the weights come from.
    notice: what was decided in resolving the names, in one sentence for the user; "" = nothing to say.
    """

    family: str
    model: str
    pretrained: str
    lineage: str
    source: str = ""
    config_file: str | None = None
    activation: Activation | None = None
    summary: str = ""
    notice: str = ""

    @property
    def title(self) -> str:
        """The name in tables and folders: family--model--pretrained."""
        return checkpoint_title(self.family, self.model, self.pretrained)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What decides the embeddings of a checkpoint, known before it is loaded.

    weights_sha256: hex digest of the weights file; None = unknown (a model in memory), such runs are never skipped.
    config_sha256: hex digest of the resolved model config, preprocessing and tokenizer included.
    geometry: None = the encoder brings a preprocessing of its own that shares pixels with nobody.
    activation: "gelu" or "quick_gelu" where the family can tell, else "".
    files: what all of this was read from, files and folders of this machine, never recorded; where they are as they
        were, so is the identity. () = it has to be found out each time.
    """

    weights_sha256: str | None
    config_sha256: str
    geometry: Geometry | None
    activation: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a list tells of a checkpoint; all of it is known without a download.

    activation: None = it cannot be told. context_length: tokens. tokenizer: its name, and how it cleans prompts.
    parameters: of the whole model; None = not counted, or a part of the architecture is described on the hub only.
    cached: whether the weights are on this machine.
    """

    activation: Activation | None
    geometry: Geometry
    context_length: int
    tokenizer: str
    parameters: int | None
    cached: bool
