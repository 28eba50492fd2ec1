"""A sweep cut into parts for the workers of a cluster: one data set each, with some or all of the checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.errors import InputError

if TYPE_CHECKING:
    from clipkstar.encoder import Device


@dataclass(frozen=True, kw_only=True)
class Node:
    """One machine of a cluster, with all it has, busy or not. id: the cluster's own; name: for people."""

    id: str
    name: str
    cpus: int
    gpus: int


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What every part takes for itself, and the device it computes on, which all parts must share: run_id holds it."""

    device: Device
    cpus: int
    gpus: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """A machine that works on parts. slots: how many at once, at least 1."""

    node: Node
    slots: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one worker does, as positions in the sweep.

    node: id of the machine that should do it, so that the pictures of a data set are decoded there only; None = any.
    """

    task: int
    checkpoints: tuple[int, ...]
    node: str | None = None


def claim(device: Device, nodes: Sequence[Node], n_pairs: int) -> Claim:
    """Decide once for all parts: a GPU each where there are any and `device` allows it, else CPUs alone.

    With a GPU go the CPUs that every machine has for each of its GPUs; without, as many CPUs as leave no pair waiting,
    and at least one. Raises InputError for "cuda" where no machine has a GPU.
    """
    with_gpu = [node for node in nodes if node.gpus]
    if device == "cuda" and not with_gpu:
        raise InputError("--device cuda was asked for, and no machine of the Ray cluster has a GPU; use --device auto.")
    if device in ("auto", "cuda") and with_gpu:
        return Claim(device="cuda", cpus=min(node.cpus // node.gpus for node in with_gpu), gpus=1)
    wanted = min(n_pairs, sum(node.cpus for node in nodes))
    most = max((node.cpus for node in nodes), default=1)
    cpus = next((n for n in range(most, 1, -1) if sum(node.cpus // n for node in nodes) >= wanted), 1)
    return Claim(device="cpu" if device == "auto" else device, cpus=cpus, gpus=0)


def places(nodes: Sequence[Node], claimed: Claim) -> list[Place]:
    """Return the machines that have what a part claims; raises InputError if there are none."""
    slots = [node.gpus if claimed.gpus else node.cpus // claimed.cpus for node in nodes]
    found = [Place(node=node, slots=n) for node, n in zip(nodes, slots, strict=True) if n]
    if not found:
        raise InputError("the Ray cluster has no CPU to work with; start its nodes with --num-cpus of at least 1.")
    return found


def split(n_tasks: int, n_checkpoints: int, machines: Sequence[Place]) -> list[Part]:
    """Cut n_tasks × n_checkpoints so that every slot has something to do and few machines decode one data set.

    With at least as many data sets as slots a part is a whole data set, for any machine. With fewer, each machine takes
    the data sets it has most room for, its slots are shared out among them, and the checkpoints of a data set among its
    slots. Every pair is in exactly one part.
    """
    if n_tasks >= sum(place.slots for place in machines):
        return [Part(task=task, checkpoints=tuple(range(n_checkpoints))) for task in range(n_tasks)]
    parts = []
    for task, share in enumerate(_shares(n_tasks, machines)):
        slots = share[:n_checkpoints]
        ends = [n_checkpoints * position // len(slots) for position in range(len(slots) + 1)]
        for node, first, last in zip(slots, ends[:-1], ends[1:], strict=True):
            parts.append(Part(task=task, checkpoints=tuple(range(first, last)), node=node))
    return parts


def _shares(n_tasks: int, machines: Sequence[Place]) -> list[list[str]]:
    """For each data set, the machine of each slot it gets; there are fewer data sets than slots."""
    tasks_at: list[list[int]] = [[] for _ in machines]
    for task in range(n_tasks):
        room = [place.slots / (len(tasks) + 1) for place, tasks in zip(machines, tasks_at, strict=True)]
        tasks_at[room.index(max(room))].append(task)
    shares: list[list[str]] = [[] for _ in range(n_tasks)]
    for place, tasks in zip(machines, tasks_at, strict=True):
        for position in range(place.slots if tasks else 0):
            shares[tasks[position % len(tasks)]].append(place.node.id)
    idle = [place for place, tasks in zip(machines, tasks_at, strict=True) if not tasks]
    for place in sorted(idle, key=lambda place: -place.slots):
        min(shares, key=len).extend([place.node.id] * place.slots)
    return shares
