"""Claims share the work between processes, and are gone with the process that had them."""

import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from small_disk import read_only

from clipkstar.store import Store
from clipkstar.sweeps.claims import claimed

CONTEXT = multiprocessing.get_context("spawn")


def _hold(results: Store, is_held: Event) -> None:
    with claimed(results, "a") as is_ours:
        assert is_ours
        is_held.set()
        signal.pause()


def test_what_one_process_has_claimed_no_other_one_has_until_it_dies(tmp_path: Path) -> None:
    results, is_held = Store(root=tmp_path / "runs"), CONTEXT.Event()
    other = CONTEXT.Process(target=_hold, args=(results, is_held), daemon=True)
    other.start()
    assert is_held.wait(timeout=100)
    with claimed(results, "a") as is_ours:
        assert not is_ours
    with claimed(results, "b") as is_ours:
        assert is_ours
    assert other.pid is not None
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    with claimed(results, "a") as is_ours:
        assert is_ours
    assert list(results.root.iterdir()) == []


def test_a_claim_is_dropped_when_the_work_fails(tmp_path: Path) -> None:
    results = Store(root=tmp_path)
    with pytest.raises(ValueError, match="of the work"), claimed(results, "a"):
        raise ValueError("of the work")
    with claimed(results, "a") as is_ours:
        assert is_ours
    assert list(tmp_path.iterdir()) == []


def test_a_claim_that_was_left_by_a_killed_process_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / ".claims").mkdir()
    (tmp_path / ".claims" / "a").touch()
    with claimed(Store(root=tmp_path), "a") as is_ours:
        assert is_ours


def test_where_no_claim_can_be_written_everyone_may_work(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with read_only(tmp_path / "runs"), claimed(Store(root=tmp_path / "runs"), "a") as is_ours:
        assert is_ours
