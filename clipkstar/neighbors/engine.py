"""What the search runs on: the library that proposes, the device, and the type of its products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Backend = Literal["auto", "torch", "faiss"]


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A choice that moves the time a search takes and never its result.

    backend: "torch" multiplies tiles of which each serves both of its sides; "faiss" asks a flat index. auto: torch,
        which `make bench` shows to be faster wherever it was run.
    device: "cpu", "cuda" or "mps".
    product: of the torch tiles. auto: bfloat16 on a CPU that multiplies it (50,000 x 512 on two cores with AVX512-BF16:
        3.6 s against 7.9 s in float32; without such instructions bfloat16 takes several times as long), else float32.
    """

    backend: Backend = "auto"
    device: str = "cpu"
    product: Literal["auto", "float32", "bfloat16"] = "auto"
