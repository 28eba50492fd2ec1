"""A real Ray cluster of two nodes with one worker each: what it writes is what the local engine writes."""

import json
from collections import Counter
from dataclasses import replace

import polars as pl
import pytest
from ray_machines import descendants, own_ray, still_there

from clipkstar.discovery import TASKS, find_all
from clipkstar.encoder import Request
from clipkstar.engines import local
from clipkstar.engines import ray as engine
from clipkstar.engines.ray_cluster import connected
from clipkstar.errors import InputError
from clipkstar.notices import listening
from clipkstar.store import Store
from clipkstar.sweeps.survey import survey
from clipkstar.sweeps.sweep import Ended, Pair, Sweep
from clipkstar.unit import Settings

BAD_FAMILY = '''
"""The fake encoder, but for {what}."""
import os
import signal
from dataclasses import replace
from clipkstar.encoders import fake


def load(checkpoint, device, precision):
    {doing}


FAMILY = replace(
    fake.FAMILY,
    name="{name}",
    resolve=lambda request: replace(fake.resolve(request), family="{name}"),
    load=load,
)
'''

EPOCHS = '''
"""The fake encoder as two files of one name in two folders."""
from dataclasses import replace
from clipkstar.encoders import fake


def resolve(request):
    known = fake.resolve(replace(request, pretrained="epoch_1"))
    return replace(known, family="epochs", source=request.pretrained)


FAMILY = replace(fake.FAMILY, name="epochs", resolve=resolve)
'''


@pytest.fixture(scope="module")
def cluster():
    """This process is connected to the head node; afterwards no process is left."""
    before = set(descendants())
    with own_ray():
        from ray.cluster_utils import Cluster

        each = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
        nodes = Cluster(initialize_head=True, head_node_args=each)
        started = set(descendants()) - before
        try:
            nodes.add_node(**each)
            with connected(nodes.address):
                yield nodes
                started |= set(descendants()) - before
        finally:
            nodes.shutdown()
    assert still_there(started) == []


def family(folder, name, *, what, doing):
    """Write a family of encoders; return the model's name."""
    path = folder / f"{name}.py"
    path.write_text(BAD_FAMILY.format(name=name, what=what, doing=doing))
    return f"{path}:colors"


def fakes(*names):
    return tuple(Request(model="fake:colors", pretrained=name) for name in names)


def sweep(checkpoints, *tasks, limit=40):
    found = tuple(find_all(TASKS, tasks))
    return Sweep(checkpoints=checkpoints, tasks=found, limit=limit, settings=Settings(keep_pixels=True))


def run(chosen, store, *, on_event=lambda _: None):
    """Run on the cluster; return the ends and the notices."""
    ended, said = [], []

    def report(event):
        ended.extend([event] if isinstance(event, Ended) else [])
        on_event(event)

    with listening(said.append):
        engine.run(survey(chosen, store), report, address=None)
    return ended, said


def run_locally(chosen, store, cache, monkeypatch):
    """Run on this machine, with a cache of its own: nothing that the cluster computed is used."""
    ended = []
    with monkeypatch.context() as own:
        own.setenv("CLIPKSTAR_CACHE", str(cache))
        local.run(survey(chosen, store), lambda event: ended.extend([event] if isinstance(event, Ended) else []))
    return ended


def records(store):
    """Everything in a store but times, by path; no unfinished file may be there."""
    found = {}
    for path in sorted(path for path in store.root.rglob("*") if path.is_file()):
        name = str(path.relative_to(store.root))
        if path.suffix == ".parquet":
            found[name] = pl.read_parquet(path).to_dict(as_series=False)
        else:
            record = json.loads(path.read_text())
            found[name] = {key: value for key, value in record.items() if key not in ("seconds", "when")}
    return found


def outcomes(ended):
    return {(end.pair.task, end.pair.checkpoint): end.outcome for end in ended}


def workers():
    """Processes that are at a part."""
    import psutil

    at_work = []
    for process in descendants():
        try:
            at_work += [process] if process.cmdline()[:1] == ["ray::work_on"] else []
        except psutil.Error:
            continue
    return at_work


@pytest.mark.usefixtures("cluster")
def test_two_workers_write_what_the_local_engine_writes_failures_too(tmp_path, monkeypatch) -> None:
    broken = family(
        tmp_path, "broken", what="a model that cannot be loaded", doing='raise RuntimeError("no such thing")'
    )
    zoo = Request(model="tiny-narrow", pretrained="final")
    chosen = sweep((*fakes("a"), Request(model=broken), zoo), "digits", "emoji_noto")
    on_cluster, on_machine = Store(root=tmp_path / "cluster"), Store(root=tmp_path / "machine")

    ended, said = run(chosen, on_cluster)
    expected = run_locally(chosen, on_machine, tmp_path / "cache", monkeypatch)

    assert outcomes(ended) == outcomes(expected)
    assert Counter(end.outcome for end in ended) == {"ran": 4, "failed": 2}
    assert {end.sentence for end in ended} == {end.sentence for end in expected} == {"", "RuntimeError: no such thing"}
    assert records(on_cluster) == records(on_machine)
    assert len(records(on_cluster)) == 4 * 3 + 2
    assert said[0] == "the Ray cluster computes on cpu: nodes 2, parts at a time 2, CPUs for each 1."
    assert [sentence.splitlines()[0] for sentence in sorted(said[1:])] == [
        f"broken--colors--exact on {task} failed in a way that is not foreseen:" for task in ("digits", "emoji_noto")
    ]

    again, _ = run(replace(chosen, checkpoints=(*fakes("a", "new"), zoo)), on_cluster)
    assert Counter(end.outcome for end in again) == {"skipped": 4, "ran": 2}
    assert {end.pair.checkpoint for end in again if end.outcome == "ran"} == {"fake--colors--new"}


@pytest.mark.usefixtures("cluster")
def test_workers_killed_in_the_middle_cost_no_run_and_no_word_on_stdout(tmp_path, monkeypatch, capfd) -> None:
    chosen = sweep(fakes(*"abcdefgh"), "digits", limit=30)
    on_cluster, on_machine = Store(root=tmp_path / "cluster"), Store(root=tmp_path / "machine")
    killed = []

    def kill_at_the_first_end(event) -> None:
        if isinstance(event, Ended) and not killed:
            for worker in workers():
                worker.kill()
                killed.append(worker.pid)

    ended, said = run(chosen, on_cluster, on_event=kill_at_the_first_end)
    run_locally(chosen, on_machine, tmp_path / "cache", monkeypatch)

    assert killed
    assert len(ended) == len({end.pair for end in ended}) == 8
    assert {end.outcome for end in ended} <= {"ran", "skipped"}  # skipped: written, and killed before it was told
    assert records(on_cluster) == records(on_machine)
    assert 1 <= said.count("a worker at digits was lost (its process was killed); another one goes on.") <= len(killed)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("cluster")
def test_a_checkpoint_that_kills_every_worker_is_given_up_and_takes_no_other_with_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(engine, "RETRIES", 0)
    deadly = family(tmp_path, "deadly", what="a load that kills", doing="os.kill(os.getpid(), signal.SIGKILL)")
    chosen = sweep((*fakes("a"), Request(model=deadly), *fakes("b")), "digits", limit=30)
    store = Store(root=tmp_path / "runs")

    ended, _ = run(chosen, store)

    assert outcomes(ended) == {
        ("digits", "fake--colors--a"): "ran",
        ("digits", "deadly--colors--exact"): "failed",
        ("digits", "fake--colors--b"): "ran",
    }
    (failed,) = [end for end in ended if end.outcome == "failed"]
    assert failed.sentence == (
        "deadly--colors--exact on digits lost every worker that it was given (its process was killed; attempts: 1); "
        "see to their machines and memory, then run the sweep again."
    )
    record = json.loads((store.root / "digits/deadly--colors--exact/failed.json").read_text())
    assert record["sentence"] == failed.sentence
    assert record["environment"]["device"] == "cpu"


def test_a_node_that_is_lost_with_its_worker_costs_no_run(cluster, tmp_path) -> None:
    store, leaving = Store(root=tmp_path / "runs"), []
    third = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20, include_dashboard=False)

    def lose_it_at_the_first_end(event) -> None:
        if isinstance(event, Ended) and not leaving:
            leaving.append(third)
            cluster.remove_node(third, allow_graceful=False)

    ended, said = run(sweep(fakes(*"abcdef"), "digits", limit=30), store, on_event=lose_it_at_the_first_end)

    assert said[0] == "the Ray cluster computes on cpu: nodes 3, parts at a time 3, CPUs for each 1."
    assert len(ended) == len({end.pair for end in ended}) == 6
    assert {end.outcome for end in ended} <= {"ran", "skipped"}
    assert len(records(store)) == 6 * 3


@pytest.mark.usefixtures("cluster")
def test_checkpoints_of_one_title_are_told_apart_though_each_is_alone_in_its_part(tmp_path) -> None:
    path = tmp_path / "epochs.py"
    path.write_text(EPOCHS)
    chosen = sweep(tuple(Request(model=f"{path}:colors", pretrained=name) for name in ("old", "new")), "digits")

    ended, _ = run(chosen, Store(root=tmp_path / "runs"))

    assert {end.pair.checkpoint for end in ended} == {
        "epochs--colors--epoch_1 of old",
        "epochs--colors--epoch_1 of new",
    }


def test_a_gpu_that_torch_cannot_use_ends_the_sweep_with_that_sentence(cluster, tmp_path) -> None:
    with_gpu = cluster.add_node(num_cpus=1, num_gpus=1, object_store_memory=80 * 2**20, include_dashboard=False)
    try:
        with pytest.raises(InputError) as refused:
            run(sweep(fakes("a", "b"), "digits"), Store(root=tmp_path / "runs"))
    finally:
        cluster.remove_node(with_gpu)
    assert str(refused.value) == "--device cuda was asked for, and torch sees none here; use --device auto."
    assert records(Store(root=tmp_path / "runs")) == {}


@pytest.mark.usefixtures("cluster")
def test_an_interrupted_sweep_stops_its_workers_and_goes_on_from_there(tmp_path) -> None:
    chosen = sweep(fakes(*"abcdefgh"), "digits", limit=30)
    store = Store(root=tmp_path / "runs")
    first, said = [], []

    def interrupt(event) -> None:
        if isinstance(event, Ended):
            first.append(event.pair)
            if len(first) == 1:
                raise KeyboardInterrupt

    with listening(said.append), pytest.raises(KeyboardInterrupt):
        engine.run(survey(chosen, store), interrupt, address=None)
    assert workers() == []
    assert said[1:] == [
        "the workers are stopping; every finished run is in the store, and the same command goes on from there."
    ]
    stored = {path.split("/")[1] for path in records(store)}

    ended, _ = run(chosen, store)
    assert {end.pair.checkpoint for end in ended if end.outcome == "skipped"} == stored
    assert {pair.checkpoint for pair in first} <= stored
    assert len(stored) < 8
    assert {end.pair for end in ended} == {
        Pair(task="digits", checkpoint=f"fake--colors--{name}") for name in "abcdefgh"
    }
