"""A training that does not notice: the process and the model after an evaluation are as they were before it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from clipkstar.full_float32 import full_float32

if TYPE_CHECKING:
    import torch

    Undo = Callable[[], object]


@contextmanager
def evaluation_mode(model: torch.nn.Module) -> Iterator[None]:
    """Within it the model evaluates: no dropout, gradients, autocast or TF32; afterwards all is as the caller had it.

    The flags are set one by one and not by eval() and train(), which a module may have overridden to do more, such as
    merging adapters into its weights.
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, training in modes:
            if training:
                module.training = False
        with plain_numbers(model):
            yield
    finally:
        for module, training in modes:
            if module.training != training:
                module.training = training


@contextmanager
def plain_numbers(model: torch.nn.Module) -> Iterator[None]:
    """Within it torch computes in the types it is given, without gradients; afterwards all is as the caller had it.

    Nothing enters the cache of an outer autocast, which is the training's.
    """
    import torch

    kinds = {"cpu", "cuda", *(parameter.device.type for parameter in model.parameters())}
    with ExitStack() as stack:
        stack.enter_context(full_float32())
        stack.enter_context(torch.no_grad())
        for kind in sorted(kinds):
            stack.enter_context(torch.autocast(kind, enabled=False, cache_enabled=False))
        yield


@contextmanager
def undisturbed(model: torch.nn.Module) -> Iterator[None]:
    """Within it the model is in `evaluation_mode`; put back, also after an error, what code within it may move.

    That is the state of every random number generator (Python's, numpy's, torch's on the CPU and on devices in use),
    the model's buffers, torch's default type and number of threads, and whether garbage is collected.
    """
    undo = [*_random_states(), *_buffers(model)]
    settings = _settings()
    try:
        with evaluation_mode(model):
            yield
    finally:
        for put_back in undo:
            put_back()
        for is_changed, put_back in settings:
            if is_changed():
                put_back()


def _random_states() -> list[Undo]:
    import random

    import numpy as np
    import torch

    undo: list[Undo] = [
        partial(random.setstate, random.getstate()),
        partial(np.random.set_state, np.random.get_state()),
        partial(torch.set_rng_state, torch.get_rng_state()),
    ]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        undo.append(partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    if torch.backends.mps.is_available():
        undo.append(partial(torch.mps.set_rng_state, torch.mps.get_rng_state()))
    return undo


def _buffers(model: torch.nn.Module) -> list[Undo]:
    """Statistics are not updated in evaluation mode, but a module may keep something else there."""

    def put_back(module: torch.nn.Module, name: str, buffer: torch.Tensor, content: torch.Tensor) -> None:
        import torch

        module._buffers[name] = buffer
        if not torch.equal(buffer, content):  # a copy of what is equal would still invalidate a pending backward pass
            with torch.no_grad():
                buffer.copy_(content)

    return [
        partial(put_back, module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]


def _settings() -> list[tuple[Callable[[], bool], Undo]]:
    """Settings of the process, each with whether it was changed and what puts it back.

    One that is as it was is not set again: to set the number of threads has side effects of its own.
    """
    import torch

    dtype, threads, collects = torch.get_default_dtype(), torch.get_num_threads(), gc.isenabled()
    return [
        (lambda: torch.get_default_dtype() != dtype, partial(torch.set_default_dtype, dtype)),
        (lambda: torch.get_num_threads() != threads, partial(torch.set_num_threads, threads)),
        (lambda: gc.isenabled() != collects, gc.enable if collects else gc.disable),
    ]
