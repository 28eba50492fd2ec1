"""Pixels as bytes → the values that a torch model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from clipkstar.encoder import Pixels


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """Mean and standard deviation of red, green, blue; of values in 0 … 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, pixels: Pixels, *, device: str, dtype: torch.dtype) -> torch.Tensor:
        """(n, 3, height, width) uint8 → the same shape in `dtype` on the device; the pixels are left as they are.

        Three float32 steps in this order are bit-identical to what torchvision does per picture, one multiply-add is
        not.
        """
        import torch

        images = torch.from_numpy(pixels).to(device).to(torch.float32).div_(255)
        mean, std = (torch.tensor(values, device=device).view(-1, 1, 1) for values in (self.mean, self.std))
        return images.sub_(mean).div_(std).to(dtype)
