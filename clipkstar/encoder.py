"""What an encoder must answer, and what a family of encoders is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from clipkstar.checkpoint import Activation, Checkpoint, Geometry, Identity, Listing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Pixels = NDArray[np.uint8 | np.float32]

Precision = Literal["fp32", "amp_bf16", "amp_fp16", "bf16", "fp16"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Space = Literal["output", "pre_projection"]
"""output = what encode_image returns; pre_projection = the image embedding before its projection to where texts lie."""


class Encoder(Protocol):
    """A loaded checkpoint. Embeddings come back as the model returns them, not normalised."""

    @property
    def geometry(self) -> Geometry | None:
        """Geometry of the pixels that `encode_images` takes; None = it takes what `preprocess` returns."""

    @property
    def has_text(self) -> bool:
        """Whether there is a text tower; without one the zero-shot scores are null and the rest works."""

    @property
    def logit_scale(self) -> float:
        """Factor from cosine similarity to logit (already exponentiated)."""

    @property
    def logit_bias(self) -> float | None:
        """Added to the logits; not None marks a sigmoid model such as SigLIP."""

    def preprocess(self, image: Image) -> NDArray[np.float32]:
        """One RGB picture → (3, height, width) float32; called only where `geometry` is None."""

    def encode_images(self, pixels: Pixels) -> NDArray[np.float32]:
        """(n, 3, height, width), uint8 RGB where `geometry` is given → (n, dim) float32."""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n prompts) → (n, dim) float32; called only where `has_text`."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for, before a family made a checkpoint of it.

    model: the name without its family prefix. pretrained: tag, abbreviation or file; None where not given.
    config_file: model config (JSON) of an architecture that the family does not know by name.
    activation: what the user says the weights were trained with; None where not given.
    """

    model: str
    pretrained: str | None = None
    config_file: str | None = None
    activation: Activation | None = None


@dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of encoder. To add one: a file `clipkstar/encoders/<name>.py` with `FAMILY = Family(name="<name>", …)`.

    version: raised when the family's code changes the embeddings; part of run_id.
    resolve: names → checkpoint, without download; raises InputError with the nearest names.
    identify: hashes the weights and config (this downloads them where they are not cached).
    load: checkpoint, device ("cpu", "cuda", "mps"), precision → encoder.
    checkpoints: every checkpoint that can be named without a file or a repository.
    load_pre_projection: like load, in the space "pre_projection", where there is no text; None = no model has one.
    downloads: whether identifying a checkpoint may download its weights, which is then done beside other work.
    describe: what a list tells of one of `checkpoints`, without download; the flag: whether parameters may be counted
        by building the model without weights, which takes up to seconds; else only known counts are told.
    """

    name: str
    version: str
    summary: str
    resolve: Callable[[Request], Checkpoint]
    identify: Callable[[Checkpoint], Identity]
    load: Callable[[Checkpoint, str, Precision], Encoder]
    checkpoints: Callable[[], tuple[Checkpoint, ...]]
    load_pre_projection: Callable[[Checkpoint, str, Precision], Encoder] | None = None
    downloads: bool = True
    describe: Callable[[Checkpoint, bool], Listing] | None = None
