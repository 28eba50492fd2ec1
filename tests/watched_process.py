"""A command in a process of its own, with the time and the memory that it took (Linux, macOS)."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent

STARTER = """
    import json, os, subprocess, sys, threading, time

    def watch(pid):
        global own
        while True:
            try:
                with open(f"/proc/{pid}/status") as file:
                    lines = [line.split() for line in file]
            except OSError:
                return
            own = max([own, *(int(line[1]) for line in lines if line[0] == "RssAnon:")])
            time.sleep(0.02)

    own = 0
    started = time.perf_counter()
    process = subprocess.Popen(sys.argv[2:])
    threading.Thread(target=watch, args=(process.pid,), daemon=True).start()
    _, status, usage = os.wait4(process.pid, 0)
    taken = time.perf_counter() - started
    found = {"code": os.waitstatus_to_exitcode(status), "seconds": taken, "own": own * 1024}
    found["bytes"] = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    with open(sys.argv[1], "w") as file:
        json.dump(found, file)
"""
"""A small process between us and the command: Linux counts the peak of the process that starts a command as the
command's own, and that of a test or a benchmark is large."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A command that ended well.

    seconds: wall clock. peak_bytes: most memory resident at once, with files that are mapped into it. own_peak_bytes:
    the same without them, which the system cannot take back; looked at every 20 ms, 0 where it is not told (macOS).
    said: its stdout.
    """

    seconds: float
    peak_bytes: int
    own_peak_bytes: int
    said: str


def watched(command: Sequence[str | Path], *, folder: Path, environment: Mapping[str, str]) -> Watched:
    """Run a command in a folder, with more in its environment; raises RuntimeError with what it said if it fails."""
    with TemporaryDirectory() as place:
        report = Path(place) / "report.json"
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", dedent(STARTER), report, *command],
            cwd=folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(report.read_text())
    if found["code"] != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {found['code']}: {done.stdout}{done.stderr}")
    return Watched(seconds=found["seconds"], peak_bytes=found["bytes"], own_peak_bytes=found["own"], said=done.stdout)
