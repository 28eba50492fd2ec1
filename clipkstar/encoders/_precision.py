"""What a precision means for a torch model, alike for every family that runs one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from clipkstar.errors import InputError
from clipkstar.full_float32 import full_float32

if TYPE_CHECKING:
    import torch

    from clipkstar.encoder import Precision


def check_precision(device: str, precision: Precision) -> None:
    """Raise InputError for half precision on a CPU, which torch does not compute there."""
    if device == "cpu" and precision in ("fp16", "amp_fp16"):
        raise InputError(f"--precision {precision} needs a GPU; on a CPU use fp32, bf16 or amp_bf16.")


def parameter_dtype(precision: Precision) -> torch.dtype:
    """Type of the parameters and of the pixels: float32 for "fp32" and the mixed precisions."""
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)


@contextmanager
def computing(device: str, precision: Precision) -> Iterator[None]:
    """Within it, torch computes in that precision, without gradients and without TF32."""
    import torch

    kinds = {"amp_bf16": torch.bfloat16, "amp_fp16": torch.float16}
    mixed = torch.autocast(device, dtype=kinds[precision]) if precision in kinds else nullcontext()
    with torch.inference_mode(), full_float32(), mixed:
        yield
