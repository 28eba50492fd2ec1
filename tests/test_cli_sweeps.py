"""The commands for many checkpoints: sweep, score and cache."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from called import Call, Said, call  # noqa: F401
from colors import BROKEN, LABELS, NAMES, picture, write_task
from counted import Counted, install, settled, weights

from clipkstar.engines import local

CLIPKSTAR = str(Path(sys.executable).with_name("clipkstar"))


@pytest.fixture(autouse=True)
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """The working directory holds checkpoint files of two models and the task file colors.py."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    weights(Path("epochs"), "epoch_1", "epoch_2", "epoch_10")
    write_task(tmp_path / "work")
    settled(Path("colors.parquet"))
    return install(monkeypatch, tmp_path / "cache")


SWEEP = "sweep --model fake:small --pretrained epochs/epoch_*.pt --task colors.py --metric zero_shot"


def everything(folder: Path) -> dict[str, int]:
    """Every file and folder below, with the time of its last change."""
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*")}


# sweep


def test_a_sweep_runs_every_pair_and_again_skips_every_pair(call: Call, counted: Counted) -> None:
    first = call(SWEEP)
    assert (first.code, first.last) == (0, "3 pairs: 3 ran, 0 skipped, 0 failed.")
    assert list(counted.of("load")) == ["load epoch_1", "load epoch_2", "load epoch_10"]
    counted.done.clear()
    again = call(SWEEP)
    assert (again.code, again.last) == (0, "3 pairs: 0 ran, 3 skipped, 0 failed.")
    assert again.err == "clipkstar: 3 pairs of checkpoint and task: 3 stored.\n"
    assert counted.done == []


def test_progress_goes_to_stderr_and_the_table_to_stdout(call: Call) -> None:
    said = call(SWEEP)
    lines = said.err.splitlines()
    assert lines[:2] == [
        "clipkstar: 3 pairs of checkpoint and task: 3 to run.",
        "clipkstar: 36 pictures to encode, 12 of them to decode and resize first, for which the cache takes 0.00 GB.",
    ]
    assert [line.rpartition(" (")[0] for line in lines[2:]] == [
        f"clipkstar: {number} of 3: fake--small--{name} on colors: top1 % 100.0, 1-NN % –, k*/n –, Γ′ –"
        for number, name in enumerate(("epoch_1", "epoch_2", "epoch_10"), start=1)
    ]
    assert "clipkstar:" not in said.out


def test_quiet_says_nothing_but_the_table(call: Call) -> None:
    said = call(SWEEP, "--quiet")
    assert (said.code, said.err) == (0, "")
    assert said.last == "3 pairs: 3 ran, 0 skipped, 0 failed."


def test_json_is_all_there_is_on_stdout(call: Call) -> None:
    said = call(SWEEP, "--json")
    results = json.loads(said.out)
    assert [(each["checkpoint"], each["outcome"]) for each in results] == [
        (f"fake--small--{name}", "ran") for name in ("epoch_1", "epoch_2", "epoch_10")
    ]
    for each in results:
        folder = Path("runs", "colors", each["checkpoint"], each["run"]["run_id"])
        assert json.loads((folder / "run.json").read_text()) == each["run"]


def test_a_plan_and_the_same_options_mean_the_same_sweep(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []
    monkeypatch.setattr(local, "run", lambda found, *_: taken.append(found.sweep))
    Path("plan.toml").write_text(
        'task = "colors.py"\nmetric = "zero_shot"\nbatch_size = 5\nlimit = 6\nspace = "pre_projection"\n'
        '[[checkpoints]]\nmodel = "fake:small"\npretrained = "epochs/epoch_*.pt"\nactivation = "gelu"\n'
    )
    options = "--batch-size 5 --limit 6 --space pre_projection --activation gelu"
    assert call(SWEEP, *options.split(), "--no-pixel-cache", "--force").code == 0
    assert call("sweep plan.toml --no-pixel-cache --force").code == 0
    assert call("sweep plan.toml").code == 0
    by_options, by_plan, keeping = taken
    assert by_plan == by_options
    assert (by_plan.settings.keep_pixels, by_plan.settings.force) == (False, True)
    assert (keeping.settings.keep_pixels, keeping.settings.force) == (True, False)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_dry_run_shows_the_plan_and_opens_downloads_and_writes_nothing(
    engine: str, call: Call, counted: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a dry run asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(local, "open_rows", refuse)
    before = everything(tmp_path)
    said = call(f"{SWEEP} --dry-run --engine {engine}")
    assert (said.code, said.err) == (0, "")
    assert [" ".join(line.split()) for line in said.out.splitlines() if "epoch" in line] == [
        f"colors fake--small--{name} 12 to run" for name in ("epoch_1", "epoch_2", "epoch_10")
    ]
    assert said.out.splitlines()[-2:] == [
        "3 pairs of checkpoint and task: 3 to run.",
        "36 pictures to encode, 12 of them to decode and resize first, for which the cache takes 0.00 GB.",
    ]
    assert json.loads(call(f"{SWEEP} --dry-run --json").out)["to_encode"] == 36
    assert counted.done == []
    assert everything(tmp_path) == before


def test_a_dry_run_tells_what_is_stored_what_lacks_metrics_and_what_failed(call: Call) -> None:
    for name, pictures in (("broken", [BROKEN] * 12), ("late", None)):
        write_task(Path(), name=name, pictures=pictures)
        settled(Path(f"{name}.parquet"))
    assert call(SWEEP).code == 0
    assert call(SWEEP.replace("colors.py", "broken.py")).code == 1
    said = call(f"{SWEEP} --task broken.py --task late.py --dry-run")
    assert said.code == 0
    assert "9 pairs of checkpoint and task: 3 stored, 3 failed before, 3 to run.\n" in said.out
    assert "72 pictures to encode" in said.out
    more = call(f"{SWEEP} --metric kstar --dry-run")
    assert "3 pairs of checkpoint and task: 3 metrics missing.\n" in more.out


def test_what_failed_is_told_and_ends_the_command_with_1(call: Call) -> None:
    pictures = [picture(NAMES[label]) for label in LABELS]
    pictures[7] = BROKEN
    write_task(Path(), name="broken", pictures=pictures)
    said = call(f"{SWEEP} --task broken.py --quiet")
    sentence = "task 'broken': row 7 is no image in a format that PIL knows; repair or remove it."
    assert said.code == 1
    assert said.out.splitlines()[-4:] == [
        *(f"failed: fake--small--{name} on broken: {sentence}" for name in ("epoch_1", "epoch_2", "epoch_10")),
        "6 pairs: 3 ran, 0 skipped, 3 failed.",
    ]
    assert len(said.err.splitlines()) == 3
    assert len(list(Path("runs").rglob("run.json"))) == 3


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("sweep", "sweep got no checkpoints; give a PLAN.toml, or --model and --pretrained."),
        ("sweep --task digits", "sweep got no checkpoints; give a PLAN.toml, or --model and --pretrained."),
        (
            "sweep plan.toml --task digits",
            "sweep got the plan 'plan.toml' and options that a plan holds; write them into the plan.",
        ),
        ("sweep plan.toml", "the plan 'plan.toml' cannot be read (No such file or directory); check the path."),
        (
            f"{SWEEP} --address auto",
            "--address was given without --engine ray; add it, or leave --address out.",
        ),
        (
            "sweep --model fake:small --pretrained epochs/stage_*.pt --task colors.py",
            "--pretrained 'epochs/stage_*.pt' means no file; check the path.",
        ),
        (
            "sweep --model fkae:* --task colors.py",
            "there is no encoder family 'fkae'; did you mean 'fake'?",
        ),
        (f"{SWEEP} --task digts", "there is no task 'digts'; did you mean 'digits' or 'gtsrb' or 'dtd'?"),
        (f"{SWEEP} --metric kstr", "there is no metric 'kstr'; did you mean 'kstar'?"),
        (
            f"{SWEEP} --device mps",
            "--device mps was asked for, and torch sees none here; use --device auto.",
        ),
        ("score", "there is no runs folder 'runs'; check the path."),
        ("score epochs", "'epochs' holds no runs; clipkstar eval and sweep write them."),
        ("score epochs --metric kstr", "there is no metric 'kstr'; did you mean 'kstar'?"),
        (
            "cache prune --kind pixel",
            "there is no kind of cache entries 'pixel'; did you mean 'pixels' or 'indexes'?",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing_behind(
    command: str, sentence: str, call: Call, tmp_path: Path
) -> None:
    before = everything(tmp_path)
    assert call(command) == Said(code=2, out="", err=f"clipkstar: {sentence}\n")
    assert everything(tmp_path) == before


def test_a_store_that_cannot_be_written_is_one_sentence(call: Call, tmp_path: Path) -> None:
    Path("file").write_text("no folder")
    said = call(f"{SWEEP} --quiet --runs file")
    assert (said.code, said.out) == (2, "")
    assert said.err == "clipkstar: the runs folder 'file' cannot be written; choose another with --runs.\n"


def test_an_interrupt_prints_what_ended_and_says_how_to_go_on(
    call: Call, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Counted.load

    def interrupted(self: Counted, checkpoint: Any, *more: str) -> Any:
        if checkpoint.pretrained == "epoch_2":
            raise KeyboardInterrupt
        return load(self, checkpoint, *more)

    monkeypatch.setattr(Counted, "load", interrupted)
    monkeypatch.setattr("clipkstar.encoders.fake.FAMILY", counted.family)
    said = call(SWEEP, "--quiet")
    assert (said.code, said.last) == (130, "1 pair: 1 ran, 0 skipped, 0 failed.")
    assert said.err == "clipkstar: interrupted; finished runs are kept, the same command goes on.\n"
    monkeypatch.undo()


def test_a_real_ctrl_c_ends_a_sweep_with_130_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """The first pair's end is waited for, then a SIGINT comes into the second one."""
    command = [
        CLIPKSTAR,
        *["sweep", "--model", "fake:colors", "--pretrained", "a", "--pretrained", "b", "--task", "digits", "--runs"],
        str(tmp_path / "runs"),
    ]
    environment = os.environ | {"CLIPKSTAR_CACHE": str(tmp_path / "own cache")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        heard = ""
        while "1 of 2: fake--colors--a on digits: " not in heard:
            line = process.stderr.readline()
            assert line, heard
            heard += line
        process.send_signal(signal.SIGINT)
        heard += process.stderr.read()
        printed = process.stdout.read()
    assert process.returncode == 130
    assert "Traceback" not in heard
    assert heard.endswith("clipkstar: interrupted; finished runs are kept, the same command goes on.\n")
    assert printed.endswith("1 pair: 1 ran, 0 skipped, 0 failed.\n")
    again = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert again.returncode == 0
    assert again.stdout.endswith("2 pairs: 1 ran, 1 skipped, 0 failed.\n")


# score


def test_score_adds_metrics_to_every_run_without_a_model(call: Call, counted: Counted) -> None:
    assert call(SWEEP).code == 0
    counted.done.clear()
    said = call("score --metric kstar --json")
    assert said.code == 0
    few = "classes of fewer than 20 images, whose γ is mostly noise: 3."
    assert [line for line in said.err.splitlines() if line.endswith(few)] == [
        f"clipkstar: {file.parent}: {few}" for file in sorted(Path("runs").rglob("run.json"))
    ]
    records = json.loads(said.out)
    assert len(records) == 3
    for record in records:
        assert set(record["metrics"]) == {"zero_shot", "kstar"}
        assert (record["scores"]["top1"], record["scores"]["kstar_mean"]) == (1.0, 1.0)
    assert counted.done == []
    again = call("score runs --metric kstar")
    assert again.code == 0
    assert again.out.count(" skipped ") == 3
    forced = call("score runs --metric kstar --force")
    assert forced.out.count(" scored ") == 3


def test_a_run_without_embeddings_is_one_sentence_and_1_and_the_others_are_scored(call: Call, tmp_path: Path) -> None:
    assert call(SWEEP).code == 0
    gone = min(Path("runs").rglob("run.json"))
    key = json.loads(gone.read_text())["embeddings"]["images"]
    (tmp_path / "cache" / "images" / f"{key}.safetensors").unlink()
    before = gone.read_bytes()
    said = call("score runs --metric kstar")
    assert said.code == 1
    assert said.last == (
        f"not scored: the embeddings of {gone.parent} are not in the cache; the eval or sweep that made "
        "them makes them again, with the --metric wanted."
    )
    assert said.out.count(" scored ") == 2
    assert gone.read_bytes() == before


# cache


def test_the_cache_is_listed_pruned_and_made_again(call: Call, tmp_path: Path, counted: Counted) -> None:
    cache = tmp_path / "cache"
    assert call("cache path") == Said(code=0, out=f"{cache}\n", err="")
    assert call("cache list") == Said(code=0, out="the cache is empty.\n", err="")
    assert call("cache list --json").out == "[]\n"
    assert call("cache prune") == Said(code=0, out="", err="clipkstar: 0 files deleted, 0 MB.\n")
    assert call(SWEEP).code == 0
    listed = {entry["kind"]: entry["n_files"] for entry in json.loads(call("cache list --json").out)}
    assert listed == {"pixels": 1, "images": 3, "classes": 3, "openings": 1, "identities": 3}
    for kind, n in listed.items():
        assert f" {kind} " in call("cache list").out.replace("\n", " ")
        assert n == len(list((cache / kind).iterdir()))

    assert call("cache prune --older-than-days 1").err == "clipkstar: 0 files deleted, 0 MB.\n"
    assert call("cache prune --kind pixels --keep-gb 1").err == "clipkstar: 0 files deleted, 0 MB.\n"
    assert call("cache prune --kind pixels --kind images").err == "clipkstar: 4 files deleted, 0 MB.\n"
    assert not any((cache / "pixels").iterdir())
    assert any((cache / "classes").iterdir())
    counted.done.clear()
    assert call(SWEEP, "--force").code == 0
    assert len(counted.of("decode")) == 12
    assert (cache / "CACHEDIR.TAG").is_file()


def test_prune_touches_no_folder_that_is_not_marked_as_our_cache(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos" / "images").mkdir(parents=True)
    (tmp_path / "photos" / "images" / f"{'0' * 64}.safetensors").write_bytes(b"mine")
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "photos"))
    before = everything(tmp_path)
    assert call("cache prune") == Said(
        code=2,
        out="",
        err=f"clipkstar: the folder {tmp_path / 'photos'} has no CACHEDIR.TAG of clipkstar, so nothing in it is "
        "deleted; set $CLIPKSTAR_CACHE to the cache that is meant, or delete what is not needed by hand.\n",
    )
    assert everything(tmp_path) == before


@pytest.mark.parametrize("command", ["sweep", "score", "cache"])
def test_help_tells_of_the_options(command: str, call: Call) -> None:
    said = call(f"{command} --help")
    assert (said.code, said.err) == (0, "")
    expected = {
        "sweep": ("--model", "--pretrained", "--engine", "--address", "--no-pixel-cache", "--dry-run", "--quiet"),
        "score": ("--metric", "--force", "--json"),
        "cache": ("path", "list", "prune"),
    }
    for option in expected[command]:
        assert f" {option} " in said.out
