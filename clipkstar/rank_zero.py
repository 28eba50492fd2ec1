"""Work that one process of a distributed training does for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from clipkstar.causes import first_line
from clipkstar.errors import InputError

if TYPE_CHECKING:
    import torch

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class _Told(Generic[Answer]):
    """What rank 0 tells the others: its answer, or why there is none; is_input: by the caller's fault."""

    answer: Answer | None = None
    failure: str = ""
    is_input: bool = False


def from_rank_zero(work: Callable[[], Answer], *, device: torch.device) -> Answer:
    """Do the work on rank 0 of torch.distributed and return its answer on every rank; without ranks, just do it.

    All ranks have to call it. device: where this process keeps its model, which is what NCCL sends from. What rank 0
    raises is raised on all: an InputError as it is, anything else as a RuntimeError that says what rank 0 met.
    """
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        return work()
    via = device if "nccl" in distributed.get_backend() else None
    if distributed.get_rank() == 0:
        return _share(work, via)
    received: list[_Told[Answer]] = [_Told()]
    distributed.broadcast_object_list(received, src=0, device=via)
    told = received[0]
    if told.failure:
        raise InputError(told.failure) if told.is_input else RuntimeError(told.failure)
    return told.answer  # type: ignore[return-value]


def _share(work: Callable[[], Answer], via: torch.device | None) -> Answer:
    """Do the work and tell the others, whatever comes of it: they wait."""
    from torch import distributed

    try:
        answer = work()
    except InputError as error:
        distributed.broadcast_object_list([_Told[Answer](failure=str(error), is_input=True)], src=0, device=via)
        raise
    except BaseException as error:
        failure = (
            f"clipkstar.evaluate failed on rank 0 ({type(error).__name__}: {first_line(error)}); see its traceback."
        )
        distributed.broadcast_object_list([_Told[Answer](failure=failure)], src=0, device=via)
        raise
    distributed.broadcast_object_list([_Told(answer=answer)], src=0, device=via)
    return answer
