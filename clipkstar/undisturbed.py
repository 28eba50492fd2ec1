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
    """Within it the model is in `evaluation_mode` and torch's default type is float32.

    Put back, also after an error, is what code within it may move: the state of every random number generator
    (Python's, numpy's, torch's on the CPU and on devices in use), the model's buffers (new ones go), torch's default
    type and number of threads, and whether garbage is collected. Plain attributes of modules are not.
    """
    import torch

    with ExitStack() as stack:  # where one cannot be put back, the others still are
        for undo in [*_settings(), *_buffers(model), *_random_states()]:
            stack.callback(undo)
        with evaluation_mode(model):
            torch.set_default_dtype(torch.float32)
            yield


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
    undo: list[Undo] = []
    for module in model.modules():
        names, unsaved = dict(module._buffers.items()), set(module._non_persistent_buffers_set)
        undo += [partial(_put_back, buffer, buffer.detach().clone()) for buffer in names.values() if buffer is not None]
        undo.append(partial(_put_names_back, module, names, unsaved))
    return undo


def _put_back(buffer: torch.Tensor, content: torch.Tensor) -> None:
    import torch

    if _same(buffer, content):  # a copy of what is the same would still invalidate a pending backward pass
        return
    with torch.no_grad():
        if buffer.shape != content.shape:
            buffer.resize_(content.shape)
        buffer.copy_(content)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors hold the same numbers, NaN the same as NaN."""
    import torch

    if one.shape != other.shape or torch.equal(one, other):
        return one.shape == other.shape
    return bool(((one == other) | ((one != one) & (other != other))).all())


def _put_names_back(module: torch.nn.Module, names: dict[str, torch.Tensor | None], unsaved: set[str]) -> None:
    for name in [name for name in module._buffers.keys() if name not in names]:  # noqa: SIM118 - TorchScript's is no dict
        del module._buffers[name]
    for name, buffer in names.items():
        module._buffers[name] = buffer
    module._non_persistent_buffers_set = unsaved


def _settings() -> list[Undo]:
    """Settings of the process; one that is as it was is not set again, as that has side effects for the threads."""
    import torch

    def put_back(read: Callable[[], object], before: object, undo: Undo) -> None:
        if read() != before:
            undo()

    dtype, threads, collects = torch.get_default_dtype(), torch.get_num_threads(), gc.isenabled()
    return [
        partial(put_back, torch.get_default_dtype, dtype, partial(torch.set_default_dtype, dtype)),
        partial(put_back, torch.get_num_threads, threads, partial(torch.set_num_threads, threads)),
        partial(put_back, gc.isenabled, collects, gc.enable if collects else gc.disable),
    ]
