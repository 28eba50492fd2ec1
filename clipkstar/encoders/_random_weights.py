"""Random weights, the same every time: for tests, benchmarks and as a floor for trained ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SEED = 0


def random_notice(model: str) -> str:
    """What is said of a model with random weights."""
    return f"'{model}' has random weights: nothing was trained, its scores are those of chance."


@contextmanager
def seeded() -> Iterator[None]:
    """Draw the same numbers on the CPU each time; afterwards the caller's go on as if nothing had been drawn."""
    import torch

    # Weights are drawn on the CPU and then moved; torch.manual_seed would also reseed the caller's GPU.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        yield


def state_sha256(model: torch.nn.Module) -> str:
    """Hex digest of all weights and buffers on the CPU: other versions of torch or another kind of CPU draw others."""
    import torch

    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
