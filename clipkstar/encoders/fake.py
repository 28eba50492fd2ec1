"""An encoder without weights whose answer is known: the mean colour of a picture against the names of colours.

On pictures of one plain colour each it is right every time, and every image of a class lies at the same point. It has
no weights to load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from clipkstar.checkpoint import Checkpoint, Geometry, Identity
from clipkstar.encoder import Family, Precision, Request
from clipkstar.errors import UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clipkstar.encoder import Pixels

COLORS = {"red": (1.0, 0.0, 0.0), "green": (0.0, 1.0, 0.0), "blue": (0.0, 0.0, 1.0)}
GEOMETRY = Geometry(size=(4, 4))


@dataclass(frozen=True, kw_only=True)
class ColorEncoder:
    """Image embedding: mean red, green, blue in 0 … 1. Text embedding: the colours it names, summed."""

    geometry: Geometry = GEOMETRY
    has_text: bool = True
    logit_scale: float = 100.0
    logit_bias: float | None = None

    def preprocess(self, image: Image) -> NDArray[np.float32]:
        """Never called: the encoder has a geometry."""
        raise TypeError(f"pictures of mode {image.mode} come in by geometry")

    def encode_images(self, pixels: Pixels) -> NDArray[np.float32]:
        """(n, 3, 4, 4) uint8 → (n, 3) float32."""
        import numpy as np

        return np.asarray(pixels.mean(axis=(2, 3)) / 255, dtype=np.float32)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n prompts) → (n, 3) float32; a prompt without a colour is white."""
        import numpy as np

        found = [[rgb for word, rgb in COLORS.items() if word in text] or [(1.0, 1.0, 1.0)] for text in texts]
        return np.array([np.sum(rgbs, axis=0) for rgbs in found], dtype=np.float32)


def resolve(request: Request) -> Checkpoint:
    """Know one model, `fake:colors`."""
    if request.model != "colors":
        raise UnknownNameError("model", f"fake:{request.model}", ["fake:colors"])
    return Checkpoint(family="fake", model="colors", pretrained=request.pretrained or "exact", lineage="fake/colors")


def identify(checkpoint: Checkpoint) -> Identity:
    """Hash the name, which is all there is."""
    return Identity(
        weights_sha256=sha256(checkpoint.title.encode()).hexdigest(),
        config_sha256=sha256(repr(COLORS).encode()).hexdigest(),
        geometry=GEOMETRY,
    )


def load(checkpoint: Checkpoint, device: str, precision: Precision) -> ColorEncoder:  # noqa: ARG001 - one for all
    """Return the encoder; device and precision make no difference."""
    return ColorEncoder()


FAMILY = Family(
    name="fake",
    version="1",
    summary="mean colour against colour names: no weights, a known answer, for tests",
    resolve=resolve,
    identify=identify,
    load=load,
    checkpoints=lambda: (),
    downloads=False,
)
