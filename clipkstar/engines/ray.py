"""A sweep on a Ray cluster: parts of it go to the workers, which run them as the local engine does.

What a worker finishes lies in the store that all machines share, so a part whose worker is lost goes on where that one
stopped, and nothing but events comes back.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar import store
from clipkstar.engines.parts import Claim, Part, Place, claim, places, split
from clipkstar.engines.ray_cluster import check, connected, nodes
from clipkstar.engines.ray_worker import Order, work_on
from clipkstar.environment import describe
from clipkstar.errors import InputError
from clipkstar.notices import notice
from clipkstar.store import Store
from clipkstar.sweeps.failures import record_failure
from clipkstar.sweeps.survey import Survey, skip_stored
from clipkstar.sweeps.sweep import Ended, Event, Member, Pair, Report, Sweep

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.util.queue import Queue

RETRIES = 2
"""Times that a part is sent out again after its worker was lost."""

LISTEN_SECONDS = 0.2
"""Between two looks for what workers tell."""

BINDING = ("HF_HUB_OFFLINE", "CLIPKSTAR_CACHE_GB")
"""Environment variables that workers take over; where their caches lie is each machine's own."""

GRACE_SECONDS = 10.0
"""For workers to finish what they write when the sweep is interrupted."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the driver knows while parts are out.

    members: of the whole sweep, in its order. todo: pairs that nobody reported the end of. unread: events and sentences
    out of the mailbox. said: sentences that were passed on.
    """

    sweep: Sweep
    results: Store
    claimed: Claim
    members: Sequence[Member]
    report: Report
    todo: set[Pair]
    mailbox: Queue
    unread: deque[Event | str] = field(default_factory=deque)
    said: set[str] = field(default_factory=set)

    def pair(self, part: Part, checkpoint: int) -> Pair:
        """Name one checkpoint of a part."""
        return Pair(task=self.sweep.tasks[part.task].name, checkpoint=self.members[checkpoint].label)

    def unfinished(self, part: Part) -> tuple[int, ...]:
        """Return the checkpoints of a part whose end was not reported."""
        return tuple(position for position in part.checkpoints if self.pair(part, position) in self.todo)

    def listen(self) -> None:
        """Pass on what workers told; a worker that goes on for a lost one tells again of what had ended."""
        waiting = self.mailbox.qsize()
        self.unread.extend(self.mailbox.get_nowait_batch(waiting) if waiting else ())
        while self.unread:  # what an interrupted report leaves is read by the next call
            told = self.unread.popleft()
            if isinstance(told, str):
                self._say(told)
            elif told.pair in self.todo:
                self.todo.difference_update({told.pair} if isinstance(told, Ended) else ())
                self.report(told)

    def _say(self, sentence: str) -> None:
        if sentence not in self.said:
            self.said.add(sentence)
            notice(sentence)


@dataclass(frozen=True, kw_only=True)
class Errand:
    """A part that is out. attempt: 1 for the first worker it was given to."""

    part: Part
    attempt: int = 1


def run(found: Survey, report: Report, *, address: str | None) -> None:
    """Evaluate every pair of a sweep on a Ray cluster; each is reported once when it ended, as by the local engine.

    address: "auto" or host:port of a cluster; None = one of this machine's own, for as long as the sweep takes. Raises
    InputError for what the local engine refuses, without Ray or a cluster that answers, for machines that do not share
    the store or have another clipkstar, and for a device that the cluster lacks. An interrupt leaves finished runs.
    """
    store.check_writable(found.results)
    sweep = found.sweep
    found = replace(found, results=Store(root=found.results.root.absolute()))
    left = None if sweep.settings.device == "auto" else skip_stored(found, report)
    if left == []:  # a finished sweep needs no cluster
        return
    with connected(address):
        machines = nodes()
        claimed = claim(sweep.settings.device, machines, len(sweep.checkpoints) * len(sweep.tasks))
        settings = replace(sweep.settings, device=claimed.device)
        found = replace(found, device=claimed.device, sweep=replace(sweep, settings=settings))
        if left is None:
            left = skip_stored(found, report)
        if left:
            _share_out(found, report, left, claimed=claimed, working=places(machines, claimed))


def _share_out(
    found: Survey, report: Report, left: Iterable[Pair], *, claimed: Claim, working: Sequence[Place]
) -> None:
    """Evaluate the pairs that are left on the machines named."""
    sweep = found.sweep
    check([place.node for place in working], found.results)
    notice(_decided(claimed, working))
    desk = Desk(
        sweep=sweep,
        results=found.results,
        claimed=claimed,
        members=list(found.members.values()),
        report=report,
        todo=set(left),
        mailbox=_mailbox(),
    )
    parts = split(len(sweep.tasks), len(sweep.checkpoints), working)
    unfinished = [replace(part, checkpoints=desk.unfinished(part)) for part in parts]
    _attend(desk, [Errand(part=part) for part in unfinished if part.checkpoints])


def _decided(claimed: Claim, working: Sequence[Place]) -> str:
    """Say on what the sweep runs, since "auto" and the number of parts are decided by the cluster."""
    slots = sum(place.slots for place in working)
    each = f"CPUs for each {claimed.cpus}" + (", GPUs for each 1" if claimed.gpus else "")
    return f"the Ray cluster computes on {claimed.device}: nodes {len(working)}, parts at a time {slots}, {each}."


def _attend(desk: Desk, errands: Iterable[Errand]) -> None:
    """Send parts out, pass on what comes back, and send out again what was lost, until every part is done."""
    import ray

    out = {_send(desk, errand): errand for errand in errands}
    try:
        while out:
            finished, _ = ray.wait(list(out), timeout=LISTEN_SECONDS)
            desk.listen()
            for reference in finished:
                errand = out.pop(reference)
                lost = _loss(reference)
                if lost:
                    out |= {_send(desk, again): again for again in _again(desk, errand, lost)}
    except BaseException as error:
        _call_back(desk, list(out), is_interrupt=isinstance(error, KeyboardInterrupt))
        raise


def _send(desk: Desk, errand: Errand) -> ObjectRef[None]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    part, claimed = errand.part, desk.claimed
    checkpoints = tuple(desk.sweep.checkpoints[position] for position in part.checkpoints)
    order = Order(
        sweep=replace(desk.sweep, tasks=(desk.sweep.tasks[part.task],), checkpoints=checkpoints),
        labels=tuple(desk.members[position].label for position in part.checkpoints),
        results=desk.results,
        folder=str(Path.cwd()),
        settings={name: os.environ[name] for name in BINDING if name in os.environ},
    )
    working = ray.remote(num_cpus=claimed.cpus, num_gpus=claimed.gpus, max_retries=0)(work_on)
    if part.node is not None:
        working = working.options(scheduling_strategy=NodeAffinitySchedulingStrategy(part.node, soft=True))
    return working.remote(order, desk.mailbox)


def _loss(reference: ObjectRef[None]) -> str:
    """Say how the worker of a part was lost; "" = it was not. What a worker raises itself is raised here."""
    import ray

    try:
        ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise InputError(str(error.cause)) from error
        raise
    except ray.exceptions.OutOfMemoryError:
        return "its machine ran out of memory"
    except ray.exceptions.NodeDiedError:
        return "its machine left the cluster"
    except ray.exceptions.RayError:
        return "its process was killed"
    return ""


def _again(desk: Desk, errand: Errand, lost: str) -> list[Errand]:
    """Return what is to be sent out for a part whose worker was lost.

    A part that is lost every time is cut into single checkpoints, so that the one that kills its worker takes no other
    with it; a single one that is lost every time has failed.
    """
    left = desk.unfinished(errand.part)
    if not left:
        return []
    notice(f"a worker at {desk.sweep.tasks[errand.part.task].name} was lost ({lost}); another one goes on.")
    if errand.attempt <= RETRIES:
        return [Errand(part=replace(errand.part, checkpoints=left), attempt=errand.attempt + 1)]
    if len(left) > 1:
        return [Errand(part=replace(errand.part, checkpoints=(position,))) for position in left]
    _give_up(desk, errand.part, left[0], f"{lost}; attempts: {errand.attempt}")
    return []


def _give_up(desk: Desk, part: Part, position: int, how: str) -> None:
    """Record and report a pair that takes every worker with it."""
    pair = desk.pair(part, position)
    sentence = (
        f"{pair.checkpoint} on {pair.task} lost every worker that it was given ({how}); see to their machines and "
        "memory, then run the sweep again."
    )
    ended = Ended(pair=pair, outcome="failed", sentence=sentence)
    environment = replace(describe("cpu"), device=desk.claimed.device)  # the driver's: the worker can tell nothing
    record_failure(desk.results, ended, environment=environment)
    desk.todo.discard(pair)
    desk.report(ended)


def _call_back(desk: Desk, out: list[ObjectRef[None]], *, is_interrupt: bool) -> None:
    """Stop the parts that are out; workers finish the file that they write."""
    import ray

    for reference in out:
        ray.cancel(reference)
    if is_interrupt and out:
        notice("the workers are stopping; every finished run is in the store, and the same command goes on from there.")
        ray.wait(out, num_returns=len(out), timeout=GRACE_SECONDS)
        desk.listen()


def _mailbox() -> Queue:
    """A queue on this machine, so that it is not lost with another."""
    import ray
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
