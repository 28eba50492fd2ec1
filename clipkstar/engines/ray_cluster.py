"""A Ray cluster: connecting to it or starting one, and whether its machines can do our work."""

from __future__ import annotations

import logging
import re
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import clipkstar
from clipkstar.causes import first_line
from clipkstar.engines.parts import Node
from clipkstar.errors import InputError, UnreachableError

if TYPE_CHECKING:
    from clipkstar.store import Store

CONNECT_SECONDS = 5.0
"""Ray itself tries an address where nothing listens for minutes."""

LOOK_SECONDS = 120.0
"""For a machine to start its first worker and answer."""

SHARED_SECONDS = 10.0
"""For a new file to show on other machines: network file systems remember what was not there for some seconds."""

OBJECT_STORE_BYTES = 100 * 2**20
"""Of a cluster that we start: parts and events are all that goes through it. Ray takes 30 % of the memory unasked."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a machine of the cluster says of itself."""

    clipkstar: str
    open_clip: str
    sees_store: bool


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to the cluster at an address, or start one on this machine and stop it afterwards.

    address: "auto" or host:port of a cluster that this machine is a node of; None = start one. A process that is
    connected already keeps its connection. Raises InputError without Ray, and where no cluster answers.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError("--engine ray needs the extra: pip install 'clipkstar[ray]'.") from error
    if ray.is_initialized():
        yield
        return
    with _own_sigterm(), _silent_ray():
        try:
            _start() if address is None else _connect(address)
            yield
        finally:
            ray.shutdown(wait_for_processes=True)


def nodes() -> list[Node]:
    """Return the machines of the connected cluster, by name."""
    import ray

    found = [
        Node(
            id=node["NodeID"],
            name=f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
            cpus=int(node["Resources"].get("CPU", 0)),
            gpus=int(node["Resources"].get("GPU", 0)),
        )
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"]
    ]
    return sorted(found, key=lambda node: (node.name, node.id))


def check(machines: Sequence[Node], results: Store) -> None:
    """Raise InputError that names the machine which sees another store or has another clipkstar than this one."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    with _probe(results.root) as probe:
        looking = ray.remote(num_cpus=0, max_retries=0)(look)
        answers = [
            looking.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(
                probe, SHARED_SECONDS
            )
            for node in machines
        ]
        own = look(probe, 0)
        for node, answer in zip(machines, answers, strict=True):
            try:
                sight = ray.get(answer, timeout=LOOK_SECONDS)
            except ray.exceptions.RayError as error:
                cause = first_line(error.cause if isinstance(error, ray.exceptions.RayTaskError) else error)
                raise InputError(
                    f"the node {node.name} cannot run clipkstar ({cause}); install clipkstar {own.clipkstar} there, or "
                    "take the node out of the cluster."
                ) from error
            _compare(node, sight, own, results)


def look(probe: Path, patience: float) -> Sight:
    """Say what this machine has. patience: seconds to wait for the file `probe` to show."""
    from importlib.metadata import version

    last = time.monotonic() + patience
    while not (sees_store := probe.is_file()) and time.monotonic() < last:
        time.sleep(0.2)
        with suppress(OSError):
            next(probe.parent.iterdir(), None)  # makes a network file system ask again
    return Sight(clipkstar=clipkstar.__version__, open_clip=version("open_clip_torch"), sees_store=sees_store)


def _compare(node: Node, sight: Sight, own: Sight, results: Store) -> None:
    if (sight.clipkstar, sight.open_clip) != (own.clipkstar, own.open_clip):
        raise InputError(
            f"the node {node.name} has clipkstar {sight.clipkstar} and open_clip_torch {sight.open_clip}, this machine "
            f"{own.clipkstar} and {own.open_clip}; install the same on every node."
        )
    if not sight.sees_store:
        raise InputError(
            f"the node {node.name} does not see the runs folder '{results.root}' of this machine; choose one that all "
            "nodes share under the same path with --runs."
        )


@contextmanager
def _probe(root: Path) -> Iterator[Path]:
    """Put a file for a moment where the runs are to be."""
    probe = root / f".probe-{uuid.uuid4().hex}"
    is_new = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe.touch()
    except OSError as error:
        raise InputError(f"the runs folder '{root}' cannot be written; choose another with --runs.") from error
    try:
        yield probe
    finally:
        probe.unlink(missing_ok=True)
        if is_new:
            with suppress(OSError):
                root.rmdir()


def _start() -> None:
    import ray

    try:
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise InputError(
            f"Ray cannot start on this machine ({first_line(error)}); set that right, or use --engine local."
        ) from error


def _connect(address: str) -> None:
    import ray
    from ray._private.services import canonicalize_bootstrap_address  # nothing public tells what "auto" stands for

    if address != "auto" and not re.fullmatch(r"[^\s/]+:\d+", address):
        raise InputError(f"--address got '{address}'; it needs auto, or host:port such as 10.0.0.1:6379.")
    try:
        place = canonicalize_bootstrap_address(address) or ""
        host, _, port = place.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
        ray.init(address=place, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, OverflowError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise UnreachableError(
            f"no Ray cluster answers at --address {address} ({first_line(error)}); start one with 'ray start --head' "
            "or leave --address out for one on this machine."
        ) from error


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Give SIGTERM back to whom it belonged to: Ray takes it when it connects."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _silent_ray() -> Iterator[None]:
    """Keep Ray from printing what happens to workers: it goes to stdout, whatever `log_to_driver` says."""
    from ray._private import worker as ray_worker

    before = ray_worker._worker_logs_enabled
    ray_worker._worker_logs_enabled = False  # the switch that Ray's own debugger turns
    try:
        yield
    finally:
        ray_worker._worker_logs_enabled = before
