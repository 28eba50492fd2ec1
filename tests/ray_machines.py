"""What tests of the Ray engine share: a quiet Ray of their own, and its processes."""

import shutil
import tempfile
from contextlib import contextmanager

import pytest

HALF_A_MINUTE = 30


@contextmanager
def own_ray():
    """Let Ray keep its files in a folder of its own (short: a socket's path has 107 bytes), with a token of its own."""
    folder = tempfile.mkdtemp(prefix="ray-")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_TMPDIR", folder)
        environment.setenv("RAY_AUTH_MODE", "token")
        environment.setenv("RAY_AUTH_TOKEN", "ab" * 32)
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.delenv("RAY_ADDRESS", raising=False)
        yield
    shutil.rmtree(folder)


def descendants():
    """Every process that this one started, and those that they started."""
    import psutil

    return psutil.Process().children(recursive=True)


def still_there(processes):
    """Those of some processes that have not ended after half a minute."""
    import psutil

    return psutil.wait_procs(processes, timeout=HALF_A_MINUTE)[1]
