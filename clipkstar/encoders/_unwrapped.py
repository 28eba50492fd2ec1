"""The module that a caller built, from under what torch puts around it for training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.errors import InputError

if TYPE_CHECKING:
    import torch

SHARDED = ("FullyShardedDataParallel", "FSDPModule", "DTensor")
"""Classes that mark weights of which a process has a part only: FSDP, its second version, tensors cut by hand."""


def unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """Take off DistributedDataParallel, DataParallel and torch.compile, which share the module's own weights.

    So is a wrapper without encode_image whose `module` has one, such as torch's AveragedModel. Parts of the module that
    were compiled alone are used as they are. Raises InputError for a model whose weights are spread over processes.
    """
    import torch

    _refuse_sharded(model)
    while True:
        if isinstance(model, torch.nn.parallel.DistributedDataParallel | torch.nn.DataParallel):
            model = model.module
        elif isinstance(compiled := getattr(model, "_orig_mod", None), torch.nn.Module):
            model = compiled
        elif isinstance(inner := _averaged(model), torch.nn.Module):
            model = inner
        else:
            return model


def _averaged(wrapper: torch.nn.Module) -> object:
    inner = getattr(wrapper, "module", None)
    return inner if hasattr(inner, "encode_image") and not hasattr(wrapper, "encode_image") else None


def _refuse_sharded(model: torch.nn.Module) -> None:
    for part in (*model.modules(), *model.parameters()):
        found = next((base.__name__ for base in type(part).__mro__ if base.__name__ in SHARDED), None)
        if found is not None:
            raise InputError(
                f"the model's weights are spread over processes ({found}), and clipkstar.evaluate computes on rank 0 "
                "alone; gather them on every rank with torch.distributed.checkpoint.state_dict.get_model_state_dict "
                "(full_state_dict=True, cpu_offload=True), load them into an unsharded copy on rank 0, and evaluate "
                "that."
            )
