"""Sweeps in processes of their own, which may be killed at any moment, and what they leave behind.

They start from one process that has imported everything, so that they begin within a fraction of a second.
"""

import multiprocessing
import os
import re
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

PRELOADED = (
    "clipkstar.cli", "clipkstar.engines.local", "clipkstar.neighbors", "datasets", "faiss", "filelock", "msgspec",
    "open_clip", "polars", "rich.console", "safetensors.numpy", "scipy.stats", "sklearn.metrics", "torch", "xxhash",
)  # fmt: skip

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(list(PRELOADED))

KILLED = -signal.SIGKILL

BEGUN, ENDED = "begun", "ended"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where sweeps work: a store, a cache, and logs of the units of work and of file operations."""

    root: Path
    runs: Path
    cache: Path

    @property
    def units(self) -> list[tuple[str, str, int]]:
        """What was computed, in order: BEGUN or ENDED, task and checkpoint, process."""
        if not self._unit_log.exists():
            return []
        lines = [line.split("\t") for line in self._unit_log.read_text().splitlines()]
        return [(what, pair, int(process)) for what, pair, process in lines]

    @property
    def begun(self) -> list[str]:
        """The units that were begun, each as often as that happened."""
        return [pair for what, pair, _ in self.units if what == BEGUN]

    @property
    def operations(self) -> list[str]:
        """What was done to files of the store and the cache, in order, as far as Python does it."""
        return self._operation_log.read_text().splitlines()

    @property
    def _unit_log(self) -> Path:
        return self.root / "units.log"

    @property
    def _operation_log(self) -> Path:
        return self.root / "operations.log"


def place_in(root: Path) -> Place:
    """A new place with an empty store and an empty cache."""
    root.mkdir(parents=True, exist_ok=True)
    return Place(root=root, runs=root / "runs", cache=root / "cache")


@dataclass(frozen=True, kw_only=True)
class Trap:
    """Where a sweep signals itself: before its n-th operation on a file that fits (from 1), or `later` ones after."""

    fits: str = ""
    nth: int = 1
    later: int = 0
    signal: int = signal.SIGKILL


@dataclass(frozen=True, kw_only=True)
class Child:
    """A sweep on its way; output: what it wrote to stdout and stderr."""

    process: ForkServerProcess
    output: Path

    def wait(self) -> int:
        """Wait for its end and return its exit code, KILLED if it was killed."""
        self.process.join(timeout=120)
        assert self.process.exitcode is not None, f"still running:\n{self.output.read_text()}"
        return self.process.exitcode

    @property
    def said(self) -> list[str]:
        """What it wrote to stdout and stderr, line by line."""
        return [line.removeprefix("clipkstar: ") for line in self.output.read_text().splitlines()]


def start(place: Place, arguments: Sequence[str], *, trap: Trap | None = None, **environment: str) -> Child:
    """Begin `clipkstar ARGUMENTS` in a process of its own, with the store and the cache of a place."""
    output = place.root / f"output-{len(list(place.root.glob('output-*')))}.txt"
    output.touch()
    variables = {"CLIPKSTAR_CACHE": str(place.cache), "HF_HOME": os.environ["HF_HOME"], "HF_HUB_OFFLINE": "1"}
    process = CONTEXT.Process(
        target=_run,
        args=(place, output, list(arguments), variables | environment, trap, resource.getrlimit(resource.RLIMIT_FSIZE)),
        daemon=True,
    )
    process.start()
    return Child(process=process, output=output)


def begin(place: Place, arguments: Sequence[str], *, trap: Trap | None = None, **environment: str) -> Child:
    """Begin a sweep."""
    return start(place, ["sweep", "--runs", str(place.runs), *arguments], trap=trap, **environment)


def sweep(place: Place, arguments: Sequence[str], *, trap: Trap | None = None, **environment: str) -> tuple[int, Child]:
    """Run a sweep to its end; return its exit code, KILLED if it was killed, and what it said."""
    child = begin(place, arguments, trap=trap, **environment)
    return child.wait(), child


def _run(
    place: Place,
    output: Path,
    arguments: list[str],
    environment: Mapping[str, str],
    trap: Trap | None,
    file_limit: tuple[int, int],
) -> None:
    """Be the user's command."""
    from clipkstar import cli

    os.environ.update(environment)
    resource.setrlimit(resource.RLIMIT_FSIZE, file_limit)
    to_file = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(to_file, 1)
    os.dup2(to_file, 2)
    _log_units(place.root / "units.log")
    _watch_files(place, trap)
    sys.argv = ["clipkstar", *arguments]
    cli.main()


def _log_units(log: Path) -> None:
    """Write down when the work of a unit begins and ends; one that is in the store has none."""
    from clipkstar import runner

    compute = runner.compute

    def logged(unit, *others):
        pair = f"{unit.rows.task.name} {unit.work.checkpoint.title}"
        _append(log, f"{BEGUN}\t{pair}\t{os.getpid()}")
        evaluation = compute(unit, *others)
        _append(log, f"{ENDED}\t{pair}\t{os.getpid()}")
        return evaluation

    runner.compute = logged


def _append(log: Path, line: str) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)


OPERATIONS = {"open": 0, "os.mkdir": 0, "os.remove": 0, "os.rename": 1, "os.rmdir": 0, "os.truncate": 0, "os.utime": 0}
"""Events that Python announces before it touches a file → which argument of them is the path."""


def _watch_files(place: Place, trap: Trap | None) -> None:
    """Write down every change of a file of the store and the cache before it happens, and die where the trap is."""
    log = os.open(place.root / "operations.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    folders = (f"{place.runs}/", f"{place.cache}/")
    count = {"fitting": 0, "later": 0}

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event not in OPERATIONS or (event == "open" and not int(arguments[2]) & (os.O_WRONLY | os.O_RDWR)):
            return
        path = str(arguments[OPERATIONS[event]])
        if not path.startswith(folders):
            return
        line = f"{event.removeprefix('os.')} {path.removeprefix(str(place.root))}"
        os.write(log, f"{line}\n".encode())
        if trap is None:
            return
        count["fitting"] += bool(re.search(trap.fits, line))
        if count["fitting"] >= trap.nth:
            if count["later"] == trap.later:
                os.kill(os.getpid(), trap.signal)
            count["later"] += 1

    sys.addaudithook(hear)
