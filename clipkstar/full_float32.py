"""Float32 that is float32: no TF32 on a GPU, no bfloat16 on a CPU."""

from collections.abc import Iterator
from contextlib import contextmanager

FULL = ("ieee", "none")
"""What torch calls it; none: nobody asked for less, neither for the backend nor for all."""


@contextmanager
def full_float32() -> Iterator[None]:
    """Within it, float32 products and convolutions are computed in full; afterwards each has the precision it had.

    torch tells the precision that a backend ends up with, not whether it was set for it or for all of them. So what is
    full already is left alone, and what was not is from then on set for itself: a later
    `torch.backends.fp32_precision` no longer reaches it.
    """
    import torch

    backends = (
        torch.backends.cuda.matmul,
        torch.backends.cudnn.conv,  # type: ignore[attr-defined]
        torch.backends.cudnn.rnn,
        torch.backends.mkldnn.matmul,  # type: ignore[attr-defined]
        torch.backends.mkldnn.conv,  # type: ignore[attr-defined]
        torch.backends.mkldnn.rnn,  # type: ignore[attr-defined]
    )
    before = [(backend, backend.fp32_precision) for backend in backends]
    reduced = [(backend, precision) for backend, precision in before if precision not in FULL]
    try:
        for backend, _ in reduced:
            backend.fp32_precision = "ieee"  # type: ignore[union-attr]
        yield
    finally:
        for backend, precision in reduced:
            backend.fp32_precision = precision  # type: ignore[union-attr]
