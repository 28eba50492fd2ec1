"""What a sweep has before it, told without a model, a picture or a download."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from colors import BROKEN, LABELS
from counted import Counted, install, requests, settled_task, weights

from clipkstar.caching.pixel_cache import pixel_bytes
from clipkstar.checkpoint import Geometry
from clipkstar.encoder import Request
from clipkstar.encoders import fake
from clipkstar.engines.local import run
from clipkstar.selection import select_tasks
from clipkstar.store import Store
from clipkstar.sweeps.forecast import Download, Forecast, forecast
from clipkstar.sweeps.survey import survey
from clipkstar.sweeps.sweep import Pair, Sweep
from clipkstar.unit import Settings

SMALL, LARGE = Geometry(size=(4, 4)), Geometry(size=(6, 6))


@pytest.fixture(autouse=True)
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Nothing may reach for a network."""

    def refuse(*_: object) -> None:
        raise AssertionError("a forecast asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return install(monkeypatch, tmp_path / "cache")


@pytest.fixture
def results(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "runs")


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """12 and 9 pictures × two checkpoints of one geometry and one of another."""
    small, large = weights(tmp_path / "own", "a", "c"), weights(tmp_path / "own", "b")
    return Sweep(
        checkpoints=(*requests("small", small), *requests("large", large)),
        tasks=(settled_task(tmp_path, "first"), settled_task(tmp_path, "second", labels=LABELS[:9])),
        metrics=("zero_shot",),
        settings=Settings(device="cpu", batch_size=5, keep_pixels=True),
    )


def told(sweep: Sweep, results: Store) -> Forecast:
    return forecast(survey(sweep, results))


def go(sweep: Sweep, results: Store) -> None:
    run(survey(sweep, results), lambda _: None)


def states(found: Forecast) -> list[str]:
    return [pair.state for pair in found.pairs]


def test_everything_is_before_a_sweep_that_was_never_run(sweep: Sweep, results: Store, counted: Counted) -> None:
    found = told(sweep, results)
    assert states(found) == ["to run"] * 6
    assert [pair.n_images for pair in found.pairs] == [12, 12, 12, 9, 9, 9]
    assert found.to_encode == 3 * (12 + 9)
    assert found.to_decode == 2 * (12 + 9)
    assert found.pixel_bytes == sum(pixel_bytes(n, geometry) for n in (12, 9) for geometry in (SMALL, LARGE))
    assert (found.downloads, found.is_complete) == ((), True)
    assert counted.done == []


def test_where_no_pixels_are_kept_each_checkpoint_decodes_and_no_disk_is_taken(sweep: Sweep, results: Store) -> None:
    found = told(replace(sweep, settings=replace(sweep.settings, keep_pixels=False)), results)
    assert (found.to_encode, found.to_decode, found.pixel_bytes, found.is_complete) == (63, 63, 0, True)


def test_nothing_is_before_a_finished_sweep(sweep: Sweep, results: Store, counted: Counted) -> None:
    go(sweep, results)
    counted.done.clear()
    found = told(sweep, results)
    assert states(found) == ["stored"] * 6
    assert (found.to_encode, found.to_decode, found.pixel_bytes, found.downloads) == (0, 0, 0, ())
    assert found.to_encode_by_pair == {}
    assert counted.done == []


def test_a_further_metric_needs_no_picture(sweep: Sweep, results: Store) -> None:
    go(sweep, results)
    found = told(replace(sweep, metrics=("zero_shot", "kstar")), results)
    assert states(found) == ["metrics missing"] * 6
    assert found.to_encode == found.to_decode == 0


def test_a_further_checkpoint_takes_pixels_from_the_cache(sweep: Sweep, results: Store, tmp_path: Path) -> None:
    go(sweep, results)
    more = replace(sweep, checkpoints=(*sweep.checkpoints, *requests("small", weights(tmp_path / "own", "d"))))
    found = told(more, results)
    assert states(found) == ["stored", "stored", "stored", "to run"] * 2
    assert (found.to_encode, found.to_decode, found.pixel_bytes) == (12 + 9, 0, 0)
    assert found.to_encode_by_pair == {
        Pair(task="first", checkpoint="fake--small--d"): 12,
        Pair(task="second", checkpoint="fake--small--d"): 9,
    }


def test_force_repeats_what_is_stored(sweep: Sweep, results: Store) -> None:
    go(sweep, results)
    found = told(replace(sweep, settings=replace(sweep.settings, force=True)), results)
    assert states(found) == ["to run"] * 6
    assert (found.to_encode, found.to_decode) == (63, 0)


def test_what_failed_before_is_told_and_counted_again(sweep: Sweep, results: Store, tmp_path: Path) -> None:
    broken = replace(sweep, tasks=(settled_task(tmp_path, "broken", pictures=[BROKEN] * 12), sweep.tasks[1]))
    go(broken, results)
    found = told(broken, results)
    assert states(found) == ["failed before"] * 3 + ["stored"] * 3
    assert (found.to_encode, found.to_decode) == (36, 24)


@pytest.mark.parametrize(("limit", "n"), [(6, 6), (50, 12)])
def test_a_sample_is_at_most_the_data_set(limit: int, n: int, sweep: Sweep, results: Store) -> None:
    found = told(replace(sweep, tasks=sweep.tasks[:1], limit=limit), results)
    assert {pair.n_images for pair in found.pairs} == {n}


def test_what_is_not_known_is_left_out_of_the_sums_and_said(
    sweep: Sweep, results: Store, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsized = replace(sweep, tasks=(sweep.tasks[0], replace(sweep.tasks[1], n_images=None)))
    found = told(unsized, results)
    assert (found.to_encode, found.to_decode, found.is_complete) == (36, 24, False)
    assert set(found.to_encode_by_pair.values()) == {12, None}

    monkeypatch.setattr(fake, "FAMILY", replace(counted.family, describe=None))
    found = told(sweep, results)
    assert (found.to_encode, found.to_decode, found.pixel_bytes, found.is_complete) == (63, 21, 0, False)


# What would have to be fetched.


def downloads(results: Store, *wanted: Request, task: str = "digits") -> tuple[Download, ...]:
    settings = Settings(device="cpu", keep_pixels=True)
    return told(
        Sweep(checkpoints=wanted, tasks=tuple(select_tasks([task], None)), settings=settings), results
    ).downloads


def test_weights_and_data_that_are_not_here_are_told_with_their_size_where_it_is_known(
    results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipkstar.encoders._open_clip_listing._parameters", lambda *_, **__: 1000)
    wanted = Request(model="ViT-B-32", pretrained="laion2b")
    assert downloads(results, wanted, task="cifar10") == (
        Download(what="weights", name="open_clip--ViT-B-32--laion2b_s34b_b79k", bytes=4000),
        Download(what="data set", name="djghosh/wds_cifar10_test", bytes=None),
    )


def test_a_repository_on_the_hub_is_told_without_asking_it(results: Store) -> None:
    assert downloads(results, Request(model="hf-hub:org/name")) == (
        Download(what="weights", name="open_clip--org/name--hf-hub", bytes=None),
    )


@pytest.mark.parametrize(
    "wanted",
    [
        Request(model="tiny-p8", pretrained="final"),
        Request(model="ViT-B-32", pretrained="random"),
        Request(model="fake:colors", pretrained="FILE"),
        Request(model="ViT-B-32", pretrained="FILE"),
    ],
    ids=lambda wanted: f"{wanted.model} {wanted.pretrained}",
)
def test_what_is_on_this_machine_is_no_download(wanted: Request, results: Store, tmp_path: Path) -> None:
    (file,) = weights(tmp_path / "own", "a")
    if wanted.pretrained == "FILE":
        model = wanted.model.replace("colors", "small")
        wanted = replace(wanted, model=model, pretrained=file)
    assert downloads(results, wanted) == ()


HEAVY = ("torch", "datasets", "transformers", "torchvision", "open_clip")


def test_a_forecast_of_a_finished_sweep_imports_nothing_heavy(tmp_path: Path) -> None:
    """In a process of its own, after a real sweep of another one."""
    command = (
        f"sweep --model tiny-p8 --pretrained final --task digits --limit 20 --metric zero_shot --runs {tmp_path}/runs"
    )
    probe = (
        "import sys\nfrom clipkstar import cli\nsys.argv = ['clipkstar', *sys.argv[1:]]\n"
        "try:\n    cli.main()\nfinally:\n"
        f"    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    environment = os.environ | {"CLIPKSTAR_CACHE": str(tmp_path / "own cache")}

    def call(*more: str) -> Any:
        return subprocess.run(
            [sys.executable, "-c", probe, *command.split(), *more],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    assert call().returncode == 0
    again = call("--dry-run")
    assert again.returncode == 0
    assert "1 pair of checkpoint and task: 1 stored." in again.stdout
    assert again.stderr.splitlines()[-1] == "[]"
    once_more = call()
    assert "1 pair: 0 ran, 1 skipped, 0 failed." in once_more.stdout
    assert once_more.stderr.splitlines()[-1] == "[]"
