"""What a worker of the Ray cluster does: its part of the sweep as the local engine would, telling the driver."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clipkstar.engines import local
from clipkstar.notices import listening
from clipkstar.sweeps.survey import survey
from clipkstar.sweeps.sweep import Ended, Event, Sweep, members

if TYPE_CHECKING:
    from ray.util.queue import Queue

    from clipkstar.store import Store

TELL_SECONDS = 0.2
"""Between two words on how far a pair is; its end is told at once."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A part as it is sent to a worker.

    sweep: of one task and the part's checkpoints. labels: what the whole sweep calls them. folder: where relative paths
    begin on the driver. settings: environment variables of the driver that bind its workers, too.
    """

    sweep: Sweep
    labels: tuple[str, ...]
    results: Store
    folder: str
    settings: dict[str, str]


def work_on(order: Order, mailbox: Queue) -> None:
    """Do one part; events and notices go into the mailbox before this returns. Raises what the local engine raises."""
    with suppress(OSError):  # where this machine has no such folder, whole paths and names still work
        os.chdir(order.folder)
    os.environ.update(order.settings)
    label_of = {member.label: label for member, label in zip(members(order.sweep), order.labels, strict=True)}
    told = 0.0

    def tell(event: Event) -> None:
        nonlocal told
        if isinstance(event, Ended) or time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            mailbox.put(replace(event, pair=replace(event.pair, checkpoint=label_of[event.pair.checkpoint])))

    with listening(mailbox.put):
        local.run(survey(order.sweep, order.results), tell)
