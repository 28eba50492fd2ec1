"""Work that one process of a distributed training does for all of them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakKeyDictionary

from clipkstar.causes import first_line
from clipkstar.errors import InputError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

Answer = TypeVar("Answer")

LONGEST = timedelta(days=1)
"""How long ranks wait for rank 0; the training's own groups often give up after 10 minutes, which NCCL does."""

_groups: WeakKeyDictionary[ProcessGroup, ProcessGroup] = WeakKeyDictionary()
"""For this module alone, by the group of all ranks that was there when it was made."""


@dataclass(frozen=True, kw_only=True)
class _Told(Generic[Answer]):
    """What rank 0 tells the others: its answer, or why there is none; is_input: by the caller's fault."""

    answer: Answer | None = None
    failure: str = ""
    is_input: bool = False


def from_rank_zero(work: Callable[[], Answer]) -> Answer:
    """Do the work on rank 0 of torch.distributed and return its answer on every rank; without ranks, just do it.

    All ranks have to call it. They wait up to LONGEST, over gloo, so that nothing waits on a device. What rank 0 raises
    is raised on all: an InputError as it is, anything else as a RuntimeError that says what rank 0 met, such as an
    answer that cannot be sent.
    """
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        return work()
    group = _own_group()
    if distributed.get_rank() == 0:
        return _share(work, group)
    received: list[_Told[Answer]] = [_Told()]
    distributed.broadcast_object_list(received, src=0, group=group)
    told = received[0]
    if told.failure:
        raise InputError(told.failure) if told.is_input else RuntimeError(told.failure)
    return told.answer  # type: ignore[return-value]


def _own_group() -> ProcessGroup:
    """Make a group of all ranks, once for each time that torch.distributed is initialized; all have to call it."""
    from torch import distributed

    everyone: ProcessGroup = distributed.group.WORLD  # type: ignore[assignment]
    if everyone not in _groups:
        _groups[everyone] = distributed.new_group(backend="gloo", timeout=LONGEST)  # type: ignore[assignment]
    return _groups[everyone]


def _share(work: Callable[[], Answer], group: ProcessGroup) -> Answer:
    """Do the work and tell the others, whatever comes of it: they wait."""
    try:
        answer = work()
        pickle.dumps(answer)  # what cannot be sent fails here, where it can still be told
    except BaseException as error:
        with suppress(Exception):  # where the others are gone, what happened first is what helps
            _tell(_failed(error), group)
        raise
    _tell(_Told(answer=answer), group)
    return answer


def _failed(error: BaseException) -> _Told[Answer]:
    if isinstance(error, InputError):
        return _Told(failure=str(error), is_input=True)
    met = f"{type(error).__name__}: {first_line(error)}"
    return _Told(failure=f"clipkstar.evaluate failed on rank 0 ({met}); see its traceback.")


def _tell(told: _Told[Answer], group: ProcessGroup) -> None:
    from torch import distributed

    distributed.broadcast_object_list([told], src=0, group=group)
