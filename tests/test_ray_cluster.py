"""A cluster of this machine's own, started and stopped; what Ray and its machines can be without."""

import signal
import socket
import sys

import pytest
from ray_machines import descendants, own_ray, still_there

import clipkstar
from clipkstar.engines import ray_cluster
from clipkstar.engines.ray_cluster import Sight, check, connected, look, nodes
from clipkstar.errors import InputError
from clipkstar.store import Store


@pytest.fixture(scope="module", autouse=True)
def _quiet_ray():
    with own_ray():
        yield


def refusal(address):
    with pytest.raises(InputError) as refused, connected(address):
        pass
    return str(refused.value)


def test_without_ray_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert refusal(None) == "--engine ray needs the extra: pip install 'clipkstar[ray]'."


@pytest.mark.parametrize("address", ["somewhere", "ray://10.0.0.1:10001", "10.0.0.1:", "10.0.0.1:port", ""])
def test_what_is_no_address_is_refused(address) -> None:
    assert refusal(address) == f"--address got '{address}'; it needs auto, or host:port such as 10.0.0.1:6379."


def test_an_address_where_nothing_answers_is_said_at_once(capfd) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert refusal(address) == (
        f"no Ray cluster answers at --address {address} ([Errno 111] Connection refused); start one with 'ray start "
        "--head' or leave --address out for one on this machine."
    )
    assert capfd.readouterr() == ("", "")


def test_auto_where_there_is_no_cluster_is_said() -> None:
    assert refusal("auto") == (
        "no Ray cluster answers at --address auto (Could not find any running Ray instance. Please specify the one to "
        "connect to by setting `--address` flag or `RAY_ADDRESS` environment variable.); start one with 'ray start "
        "--head' or leave --address out for one on this machine."
    )


def test_a_ray_that_cannot_start_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / ("long" * 30)))  # a socket's path has 107 bytes
    sentence = refusal(None)
    assert sentence.startswith("Ray cannot start on this machine (")
    assert sentence.endswith("); set that right, or use --engine local.")


def test_an_own_cluster_is_quiet_looks_at_its_nodes_and_leaves_nothing_behind(tmp_path, monkeypatch, capfd) -> None:
    before, handler = set(descendants()), signal.getsignal(signal.SIGTERM)
    results = Store(root=tmp_path / "runs")
    with connected(None):
        started = set(descendants()) - before
        machines = nodes()
        check(machines, results)
        assert not results.root.exists()
        started |= set(descendants()) - before
        (node,) = machines

        with pytest.MonkeyPatch.context() as elsewhere:
            elsewhere.setattr(clipkstar, "__version__", "9.9")
            with pytest.raises(InputError) as older:
                check(machines, results)
        own = look(tmp_path, 0)
        assert str(older.value) == (
            f"the node {node.name} has clipkstar {own.clipkstar} and open_clip_torch {own.open_clip}, this machine 9.9 "
            f"and {own.open_clip}; install the same on every node."
        )

        monkeypatch.setattr(ray_cluster, "SHARED_SECONDS", 0.3)
        monkeypatch.setattr(type(tmp_path), "touch", lambda _: None)  # so that no node finds it
        with pytest.raises(InputError) as unseen:
            check(machines, results)
        assert str(unseen.value) == (
            f"the node {node.name} does not see the runs folder '{results.root}' of this machine; choose one that all "
            "nodes share under the same path with --runs."
        )
    assert node.cpus >= 1
    assert started
    assert still_there(started) == []
    assert signal.getsignal(signal.SIGTERM) is handler
    assert capfd.readouterr() == ("", "")


def test_a_file_that_shows_late_is_seen_and_one_that_never_does_is_not(tmp_path, monkeypatch) -> None:
    late = tmp_path / "late"
    monkeypatch.setattr(ray_cluster.time, "sleep", lambda _: late.touch())
    assert look(late, 5).sees_store
    assert look(tmp_path / "never", 0.05) == Sight(
        clipkstar=clipkstar.__version__, open_clip=look(late, 0).open_clip, sees_store=False
    )


def test_a_runs_folder_that_cannot_be_made_is_said(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as refused:
        check([], Store(root=tmp_path / "file" / "runs"))
    assert str(refused.value) == (
        f"the runs folder '{tmp_path}/file/runs' cannot be written; choose another with --runs."
    )
