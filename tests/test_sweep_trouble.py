"""What goes wrong in a sweep costs the pair that it belongs to: it is said in one sentence, and the rest goes on."""

import json
import re
import shutil
import signal
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest
from colors import BROKEN, LABELS, pictures_of, write_parquet, write_task
from small_disk import read_only, small_disk
from stored_files import check_cache, check_store, same_stores, visible_files
from sweep_children import Place, Trap, begin, place_in, sweep

from clipkstar.environment import describe
from clipkstar.run import FailedRun

SHORT = ("--metric", "zero_shot", "--device", "cpu")

NO_ROOM = "the runs folder '{runs}' cannot be written; choose another with --runs."


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return place_in(tmp_path)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    return write_task(tmp_path)


def _colors(checkpoints: str, *tasks: Path | str) -> list[str]:
    tags = [word for tag in checkpoints for word in ("--pretrained", tag)]
    return ["--model", "fake:colors", *tags, *[word for task in tasks for word in ("--task", str(task))], *SHORT]


def _outcomes(said: list[str]) -> str:
    """The last line: how many pairs ran, were skipped, failed."""
    return said[-1]


def _failures(said: list[str]) -> list[str]:
    """The failures as they stand in the table at the end."""
    return [line.removeprefix("failed: ") for line in said if line.startswith("failed: ")]


def _contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in visible_files(root)}


# Before anything is computed.


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (
            'taks = "digits"\n[[checkpoints]]\nmodel = "fake:colors"',
            "there is no key of a plan 'taks'; did you mean 'task'?",
        ),
        (
            '[[checkpoints]]\nmodel = "fake:colors"\npretraind = "a"',
            "there is no key of a plan 'pretraind'; did you mean 'pretrained'?",
        ),
        (
            'limit = "ten"\n[[checkpoints]]\nmodel = "fake:colors"',
            "the plan '{plan}' has a wrong value: Expected `int | null`, got `str` - at `$.limit`; correct it.",
        ),
        (
            "checkpoints = [",
            "the plan '{plan}' is no TOML (Invalid value (at end of document)); correct it.",
        ),
        (
            'task = "digits"',
            "the plan '{plan}' names no checkpoints; it needs [[checkpoints]] with a model each.",
        ),
        (
            '[[checkpoints]]\nmodel = "tiny-none-*"',
            "--model 'tiny-none-*' means no checkpoint; 'clipkstar models' lists models and tags.",
        ),
        (
            '[[checkpoints]]\nmodel = "tiny-*"\npretrained = ["final", "epoch*"]',
            "--pretrained 'epoch*' means no checkpoint together with 'tiny-*'; 'clipkstar models' lists models and "
            "tags.",
        ),
        (
            '[[checkpoints]]\nmodel = "tiny-p8"\npretrained = "nowhere/epoch_*.pt"',
            "--pretrained 'nowhere/epoch_*.pt' means no file; check the path.",
        ),
    ],
    ids=["key", "key of checkpoints", "type", "no TOML", "no checkpoints", "model", "tag", "file"],
)
def test_a_plan_that_cannot_be_meant_is_one_sentence_and_nothing_is_written(
    plan: str, sentence: str, place: Place
) -> None:
    file = place.root / "plan.toml"
    file.write_text(plan)
    code, child = sweep(place, [str(file)])
    assert (code, child.said) == (2, [sentence.format(plan=file)])
    assert not place.runs.exists()


# One pair fails.


def test_a_pair_that_fails_is_recorded_and_the_others_go_on(place: Place, task: Path) -> None:
    broken = write_task(place.root, name="broken", pictures=[*pictures_of(LABELS[1:]), BROKEN])
    code, child = sweep(place, _colors("ab", broken, task))
    sentence = "task 'broken': row 11 is no image in a format that PIL knows; repair or remove it."
    assert (code, _outcomes(child.said)) == (1, "4 pairs: 2 ran, 0 skipped, 2 failed.")
    assert _failures(child.said) == [f"fake--colors--{tag} on broken: {sentence}" for tag in "ab"]
    failed = msgspec.json.decode((place.runs / "broken/fake--colors--a/failed.json").read_bytes(), type=FailedRun)
    assert (failed.schema, failed.status, failed.task, failed.checkpoint) == (1, "failed", "broken", "fake--colors--a")
    assert failed.sentence == sentence
    assert failed.environment == describe("cpu")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(failed.when)) < timedelta(hours=1)
    assert check_store(place.runs) == 2


def test_the_first_success_removes_the_record_of_a_failure(place: Place, task: Path) -> None:
    broken = write_task(place.root, name="broken", pictures=[BROKEN, *pictures_of(LABELS[1:])])
    assert sweep(place, _colors("a", broken, task))[0] == 1
    assert (place.runs / "broken/fake--colors--a/failed.json").is_file()
    write_parquet(place.root / "broken.parquet")
    code, child = sweep(place, _colors("a", broken, task))
    assert code == 0, child.said
    assert child.said[0] == "2 pairs of checkpoint and task: 1 failed before, 1 to run."
    assert _outcomes(child.said) == "2 pairs: 1 ran, 1 skipped, 0 failed."
    assert not list(place.runs.rglob("failed.json"))
    assert check_store(place.runs) == 2


CRASHING = """
from clipkstar.metric import Measured, Metric, Score

def compute(embeddings, neighbors):
    if embeddings.n_classes == 3:
        raise ZeroDivisionError("of a metric")
    return Measured(scores={"crashing": 1.0})

METRIC = Metric(
    name="crashing", version="1", summary="", source="", scores=(Score(name="crashing", meaning="", better="none"),),
    compute=compute,
)
"""


def test_what_nobody_foresaw_is_shown_with_its_traceback_and_the_rest_goes_on(place: Place, task: Path) -> None:
    metric = place.root / "crashing.py"
    metric.write_text(CRASHING)
    code, child = sweep(place, [*_colors("a", task, "digits"), "--limit", "30", "--metric", str(metric)])
    assert code == 1
    assert "fake--colors--a on colors failed in a way that is not foreseen:" in child.said
    assert "Traceback (most recent call last):" in child.said
    assert _failures(child.said) == ["fake--colors--a on colors: ZeroDivisionError: of a metric"]
    assert _outcomes(child.said) == "2 pairs: 1 ran, 0 skipped, 1 failed."


REMOVING = """
from pathlib import Path

from clipkstar.metric import Measured, Metric, Score

def compute(embeddings, neighbors):
    Path({file!r}).unlink(missing_ok=True)
    return Measured(scores={{"removing": 1.0}})

METRIC = Metric(
    name="removing", version="1", summary="", source="", scores=(Score(name="removing", meaning="", better="none"),),
    compute=compute,
)
"""


def test_a_checkpoint_that_disappears_midway_costs_its_own_pairs(place: Place, task: Path) -> None:
    """While the first one is measured, the file of the third is deleted."""
    bundled = Path(str(files("clipkstar.zoo"))) / "tiny-p16" / "final"
    config = json.loads((bundled / "open_clip_config.json").read_text())["model_cfg"]
    config["text_cfg"]["tokenizer_kwargs"]["bpe_path"] = str(
        bundled / config["text_cfg"]["tokenizer_kwargs"]["bpe_path"]
    )
    config_file = place.root / "small.json"
    config_file.write_text(json.dumps(config))
    for epoch in (1, 2, 3):
        shutil.copy(bundled / "open_clip_model.safetensors", place.root / f"epoch_{epoch}.safetensors")
    lost = place.root / "epoch_3.safetensors"
    metric = place.root / "removing.py"
    metric.write_text(REMOVING.format(file=str(lost)))
    files_given = ["--model", "small", "--model-config", str(config_file), "--pretrained", f"{place.root}/epoch_*"]
    code, child = sweep(place, [*files_given, "--task", str(task), *SHORT, "--metric", str(metric)])
    assert code == 1, child.said
    assert _failures(child.said) == [
        f"open_clip--small--epoch_3 on colors: the file '{lost}' cannot be read (No such file or directory); "
        "restore it, or name another."
    ]
    assert _outcomes(child.said) == "3 pairs: 2 ran, 0 skipped, 1 failed."
    shutil.copy(place.root / "epoch_1.safetensors", lost)
    metric.write_text(REMOVING.format(file=str(place.root / "nothing")))
    code, child = sweep(place, [*files_given, "--task", str(task), *SHORT, "--metric", str(metric)])
    assert (code, _outcomes(child.said)) == (0, "3 pairs: 1 ran, 2 skipped, 0 failed.")
    assert not list(place.runs.rglob("failed.json"))


# Disks.

WIDE = """
import numpy as np
import polars as pl

from clipkstar.metric import Measured, Metric, Score

def compute(embeddings, neighbors):
    noise = np.random.default_rng(0).random((100, len(embeddings.labels)))
    images = pl.DataFrame({f"noise{column}": values for column, values in enumerate(noise)})
    return Measured(scores={"wide": 1.0}, images=images)

METRIC = Metric(
    name="wide", version="1", summary="", source="", scores=(Score(name="wide", meaning="", better="none"),),
    compute=compute,
)
"""
"""800 bytes an image in images.parquet."""


def test_a_full_disk_under_the_store_loses_nothing_and_other_pairs_go_on(place: Place, task: Path) -> None:
    """The table of digits is larger than the disk; what is left of it gives room to the next pair."""
    metric, roomy, small = place.root / "wide.py", place_in(place.root / "roomy"), write_task(place.root, name="small")
    metric.write_text(WIDE)
    arguments = [*_colors("a", task, "digits", small), "--metric", str(metric)]
    with small_disk(place.runs, 300_000):
        (place.runs / "notes.txt").write_text("mine")
        code, child = sweep(place, arguments)
        assert (code, _outcomes(child.said)) == (1, "3 pairs: 2 ran, 0 skipped, 1 failed.")
        (failure,) = _failures(child.said)
        assert re.fullmatch(
            rf"fake--colors--a on digits: the runs folder '{place.runs}' cannot be written \(.*"
            r"(No space left on device|File too large).*\); choose another\.",
            failure,
        )
        assert not [path for path in place.runs.rglob(".*") if path.is_file()]
        shutil.copytree(place.runs, roomy.runs)
    assert (roomy.runs / "notes.txt").read_text() == "mine"
    (roomy.runs / "notes.txt").unlink()
    assert (check_store(roomy.runs), len(list(roomy.runs.rglob("failed.json")))) == (2, 1)
    code, child = sweep(roomy, arguments)
    assert (code, _outcomes(child.said)) == (0, "3 pairs: 1 ran, 2 skipped, 0 failed.")
    assert (check_store(roomy.runs), list(roomy.runs.rglob("failed.json"))) == (3, [])


def test_a_full_disk_under_the_cache_costs_only_time(place: Place) -> None:
    undisturbed, arguments = place_in(place.root / "undisturbed"), _colors("ab", "fashion_mnist_2k")
    assert sweep(undisturbed, arguments)[0] == 0
    with small_disk(place.cache, 80_000):  # pixels take 112 KB
        code, child = sweep(place, arguments)
        check_cache(place.cache)
    assert (code, _outcomes(child.said)) == (0, "2 pairs: 2 ran, 0 skipped, 0 failed.")
    (notice,) = [line for line in child.said if line.startswith("the pixels of task")]
    no_room = (
        r"\(0\.000112 GB\) have no room in the cache \(100 GB by \$CLIPKSTAR_CACHE_GB, less where the disk is full\)"
    )
    no_growth = rf"cannot be kept in {place.cache} \(File too large\)"  # where nothing can be mounted
    assert re.fullmatch(
        rf"the pixels of task 'fashion_mnist_2k' ({no_room}|{no_growth}), so its pictures are decoded for each "
        r"checkpoint\.",
        notice,
    )
    assert same_stores(place.runs, undisturbed.runs)


def test_a_store_that_cannot_be_written_is_one_sentence_before_anything_is_computed(place: Place, task: Path) -> None:
    assert sweep(place, _colors("a", task))[0] == 0
    before, begun = _contents(place.runs), len(place.begun)
    with read_only(place.runs):
        code, child = sweep(place, [*_colors("ab", task), "--quiet"])
    assert (code, child.said) == (2, [NO_ROOM.format(runs=place.runs)])
    assert (_contents(place.runs), len(place.begun)) == (before, begun)


def test_a_file_in_the_place_of_the_store_is_one_sentence(place: Place, task: Path) -> None:
    place.runs.write_text("mine")
    code, child = sweep(place, [*_colors("a", task), "--quiet"])
    assert (code, child.said) == (2, [NO_ROOM.format(runs=place.runs)])
    assert place.runs.read_text() == "mine"


# What was in the store before.


def test_runs_that_cannot_be_read_are_one_sentence_each_and_stay_as_they_are(place: Place, task: Path) -> None:
    assert sweep(place, _colors("abcde", task))[0] == 0
    whole = _contents(place.runs)
    folders = {folder.parent.name[-1]: folder for folder in place.runs.glob("*/*/*")}
    newer, cut, spoiled, short = [
        folders["a"] / "run.json", folders["b"] / "run.json", folders["c"] / "images.parquet",
        folders["d"] / "classes.parquet",
    ]  # fmt: skip
    newer.write_text(newer.read_text().replace('"schema": 1', '"schema": 2'))
    cut.write_bytes(cut.read_bytes()[:100])
    spoiled.write_bytes(b"PAR1 no parquet PAR1")
    short.write_bytes(short.read_bytes()[:50])
    for name in ("notes.txt", "colors/notes.txt"):
        (place.runs / name).write_text("mine")
    before = _contents(place.runs)
    code, child = sweep(place, _colors("abcdef", task))
    assert (code, _outcomes(child.said)) == (1, "6 pairs: 1 ran, 1 skipped, 4 failed.")
    sentences = [line.split(": ", 1)[1] for line in _failures(child.said)]
    assert sentences[:2] == [
        f"{newer} has record schema 2, this clipkstar reads 1; use other --runs.",
        f"{cut} is not a readable run record (Input data was truncated); move it away or repeat with --force.",
    ]
    for sentence, table in zip(sentences[2:], (spoiled, short), strict=True):
        assert sentence.startswith(f"the tables of {table.parent} cannot be read ("), sentence
        assert sentence.endswith("); repeat the run with --force.")
    after = _contents(place.runs)
    assert {name: after[name] for name in before} == before
    assert len([name for name in after if name.endswith("failed.json")]) == 4
    assert sweep(place, [*_colors("abcdef", task), "--force"])[0] == 0
    repaired = _contents(place.runs)
    assert repaired.keys() == whole.keys() | {name for name in after if "--f/" in name or name.endswith("notes.txt")}
    tables = [name for name in whole if name.endswith(".parquet")]
    assert {name: repaired[name] for name in tables} == {name: whole[name] for name in tables}


def test_a_table_that_was_cut_off_is_found_where_a_finished_run_is_not_read(place: Place) -> None:
    """The data set is not opened and no model loaded for a run that is known to be there."""
    arguments = ["--model", "tiny-p16", "--model", "tiny-p8", "--pretrained", "final", "--task", "digits", *SHORT]
    arguments += ["--limit", "30"]
    assert sweep(place, arguments)[0] == 0
    (table,) = place.runs.glob("digits/*tiny-p16*/*/images.parquet")
    table.write_bytes(table.read_bytes()[:-10])
    code, child = sweep(place, arguments)
    assert (code, _outcomes(child.said)) == (1, "2 pairs: 0 ran, 1 skipped, 1 failed.")
    (failure,) = _failures(child.said)
    assert failure.startswith(f"zoo--tiny-p16--final on digits: the tables of {table.parent} cannot be read (")


# Ctrl-C.

WRITING = r"rename /runs/colors/.*/classes\.parquet"
ENCODING = r"open /cache/images/"


@pytest.mark.parametrize(("moment", "n_stored"), [(WRITING, 2), (ENCODING, 1)], ids=["writing", "encoding"])
def test_ctrl_c_finishes_the_write_it_is_at_and_the_same_command_goes_on(
    moment: str, n_stored: int, place: Place, task: Path
) -> None:
    """In the work of the second of three units."""
    code, child = sweep(place, _colors("abc", task), trap=Trap(fits=moment, nth=2, signal=signal.SIGINT))
    assert code == 130, child.said
    assert "1 pair: 1 ran, 0 skipped, 0 failed." in child.said
    assert child.said[-1] == "interrupted; finished runs are kept, the same command goes on."
    assert check_store(place.runs) == n_stored
    assert [path for path in place.runs.rglob(".*") if path.is_file()] == []
    code, child = sweep(place, _colors("abc", task))
    assert (code, _outcomes(child.said)) == (0, f"3 pairs: {3 - n_stored} ran, {n_stored} skipped, 0 failed.")


# Two at once.

MEETING = """
import os
import time
from pathlib import Path

from clipkstar.metric import Measured, Metric, Score

FOLDER = Path({folder!r})

def compute(embeddings, neighbors):
    (FOLDER / str(os.getpid())).touch()
    until = time.monotonic() + 100
    while len(list(FOLDER.iterdir())) < 2:
        if time.monotonic() > until:
            raise TimeoutError("the other sweep never came to a unit")
        time.sleep(0.02)
    return Measured(scores={{"meeting": 1.0}})

METRIC = Metric(
    name="meeting", version="1", summary="", source="", scores=(Score(name="meeting", meaning="", better="none"),),
    compute=compute,
)
"""
"""Each sweep waits in its first unit until the other one is at one, too."""


def test_two_sweeps_of_one_store_share_the_work(place: Place, task: Path) -> None:
    metric, folder = place.root / "meeting.py", place.root / "met"
    folder.mkdir()
    metric.write_text(MEETING.format(folder=str(folder)))
    arguments = [*_colors("abcdefgh", task), "--metric", str(metric)]
    children = [begin(place, arguments) for _ in range(2)]
    assert [child.wait() for child in children] == [0, 0], [child.said for child in children]
    assert len({process for _, _, process in place.units}) == 2
    assert len(set(place.begun)) == check_store(place.runs) == 8
    assert len(place.begun) <= 9  # who comes to the end first may repeat what the other one is still at
    alone = place_in(place.root / "alone")
    assert sweep(alone, arguments)[0] == 0
    assert same_stores(place.runs, alone.runs)
