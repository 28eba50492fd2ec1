"""Runs on disk: where they lie, that they are whole, and what happens when they cannot be written."""

import hashlib
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_run import RUN

from clipkstar import store
from clipkstar.errors import InputError
from clipkstar.run import Evaluation
from clipkstar.store import Store

IMAGES = pl.DataFrame({"row": [0, 1], "label": [0, 1], "confidence": [0.5, None]})
CLASSES = pl.DataFrame({"class": [0, 1], "name": ["red", "blue"], "gamma": [None, -0.5]})
TASK = replace(RUN.task, name="colors", n_images=2, n_classes=2)
EVALUATION = Evaluation(run=replace(RUN, task=TASK), images=IMAGES, classes=CLASSES)


@contextmanager
def full_disk(free_bytes: int) -> Iterator[None]:
    """No file of this process can grow beyond `free_bytes`; the write that would fails as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def _same(found: Evaluation | None, expected: Evaluation) -> bool:
    assert found is not None
    return found.run == expected.run and found.images.equals(expected.images) and found.classes.equals(expected.classes)


def test_a_run_lies_under_its_task_checkpoint_and_id(tmp_path: Path) -> None:
    results = Store(root=tmp_path / "runs")
    place = store.write(results, EVALUATION)
    assert place == tmp_path / "runs/colors/fake--colors--exact/0123456789abcdef"
    assert place == store.folder_of(results, EVALUATION.run)
    assert place == store.folder(
        results, task="colors", checkpoint_title="fake--colors--exact", run_id="0123456789abcdef"
    )
    assert sorted(file.name for file in place.iterdir()) == ["classes.parquet", "images.parquet", "run.json"]


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    place = store.write(Store(root=tmp_path), EVALUATION)
    assert _same(store.read(place), EVALUATION)


def test_run_json_ends_with_a_newline_and_is_utf8(tmp_path: Path) -> None:
    place = store.write(Store(root=tmp_path), replace(EVALUATION, run=RUN))
    content = (place / "run.json").read_bytes()
    assert content.endswith(b"}\n")
    assert "farben · цвета" in content.decode("utf-8")


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("digits", "digits"),
        ("A-z_0.9", "A-z_0.9"),
        ("fake--colors--exact", "fake--colors--exact"),
        ("org/name", "org_name-" + hashlib.sha256(b"org/name").hexdigest()[:8]),
        ("../up", ".._up-" + hashlib.sha256(b"../up").hexdigest()[:8]),
        ("..", "..-" + hashlib.sha256(b"..").hexdigest()[:8]),
        ("", "-" + hashlib.sha256(b"").hexdigest()[:8]),
    ],
)
def test_a_folder_name_keeps_safe_names_and_marks_changed_ones(name: str, folder: str) -> None:
    assert store.safe_name(name) == folder


@given(st.text(max_size=12), st.text(max_size=12))
def test_folder_names_are_safe_and_differ_where_the_names_do(first: str, second: str) -> None:
    names = [store.safe_name(name) for name in (first, second)]
    assert all(name.strip(".") and set(name) <= set("._-" + "0123456789") | set(_LETTERS) for name in names)
    assert (names[0] == names[1]) == (first == second)


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def test_a_name_with_a_slash_stays_inside_its_folder(tmp_path: Path) -> None:
    hostile = replace(RUN, checkpoint=replace(RUN.checkpoint, model="../../../org/name"))
    place = store.write(Store(root=tmp_path / "runs"), replace(EVALUATION, run=hostile))
    assert place.resolve().is_relative_to((tmp_path / "runs").resolve())
    assert len(place.relative_to(tmp_path / "runs").parts) == 3


def test_a_folder_without_run_json_holds_no_run(tmp_path: Path) -> None:
    place = store.write(Store(root=tmp_path), EVALUATION)
    (place / "run.json").unlink()
    assert store.read(place) is None
    assert store.read(tmp_path / "nowhere") is None


def test_runs_of_one_store_do_not_touch_each_other(tmp_path: Path) -> None:
    results = Store(root=tmp_path)
    several = [
        replace(EVALUATION, run=replace(EVALUATION.run, run_id=run_id, scores={"top1": score}))
        for run_id, score in (("b", 0.5), ("a", 0.25))
    ]
    places = [store.write(results, evaluation) for evaluation in several]
    assert len(set(places)) == 2
    for place, evaluation in zip(places, several, strict=True):
        assert _same(store.read(place), evaluation)


def test_a_run_is_replaced_whole(tmp_path: Path) -> None:
    results = Store(root=tmp_path)
    store.write(results, EVALUATION)
    newer = Evaluation(
        run=replace(EVALUATION.run, scores={"top1": 0.25}, task=replace(TASK, n_classes=1)),
        images=IMAGES.drop("confidence"),
        classes=CLASSES.head(1),
    )
    place = store.write(results, newer)
    assert _same(store.read(place), newer)
    assert len(list(place.iterdir())) == 3


def test_a_damaged_table_is_one_sentence_that_names_the_folder(tmp_path: Path) -> None:
    place = store.write(Store(root=tmp_path), EVALUATION)
    (place / "classes.parquet").write_bytes(b"PAR1 no parquet PAR1")
    with pytest.raises(InputError) as raised:
        store.read(place)
    assert str(raised.value).startswith(f"the tables of {place} cannot be read (")
    assert str(raised.value).endswith("); repeat the run with --force.")


def test_a_missing_table_is_one_sentence_that_names_the_folder(tmp_path: Path) -> None:
    place = store.write(Store(root=tmp_path), EVALUATION)
    (place / "images.parquet").unlink()
    with pytest.raises(InputError) as raised:
        store.read(place)
    assert str(raised.value).startswith(f"the tables of {place} cannot be read (No such file or directory")


@pytest.mark.parametrize(
    ("images", "classes"),
    [(IMAGES.head(1), CLASSES), (IMAGES, CLASSES.head(1)), (pl.concat([IMAGES, IMAGES]), CLASSES)],
    ids=["too few images", "too few classes", "too many images"],
)
def test_tables_of_another_height_than_the_record_says_are_refused(
    images: pl.DataFrame, classes: pl.DataFrame, tmp_path: Path
) -> None:
    place = store.write(Store(root=tmp_path), EVALUATION)
    images.write_parquet(place / "images.parquet")
    classes.write_parquet(place / "classes.parquet")
    with pytest.raises(InputError) as raised:
        store.read(place)
    assert str(raised.value) == f"the tables of {place} are not those of its run.json; repeat the run with --force."


def test_a_write_that_fails_midway_leaves_the_old_run_and_no_unfinished_file(tmp_path: Path) -> None:
    results = Store(root=tmp_path)
    place = store.write(results, EVALUATION)
    unwritable = EVALUATION.images.with_columns(pl.Series("extra", [object(), object()], dtype=pl.Object))
    newer = Evaluation(run=replace(EVALUATION.run, scores={}), images=unwritable, classes=CLASSES)
    with pytest.raises(InputError) as raised:
        store.write(results, newer)
    assert str(raised.value) == (
        f"the runs folder '{tmp_path}' cannot be written (cannot write 'Object' datatype to ); choose another."
    )
    assert _same(store.read(place), EVALUATION)
    assert sorted(file.name for file in place.iterdir()) == ["classes.parquet", "images.parquet", "run.json"]


def test_a_first_write_that_fails_midway_leaves_no_run(tmp_path: Path) -> None:
    results = Store(root=tmp_path)
    text_too_long = replace(EVALUATION.run, scores={f"score{number}": 0.5 for number in range(2000)})
    with full_disk(8192), pytest.raises(InputError) as raised:
        store.write(results, replace(EVALUATION, run=text_too_long))
    assert str(raised.value) == (
        f"the runs folder '{tmp_path}' cannot be written ([Errno 27] File too large); choose another."
    )
    place = store.folder_of(results, text_too_long)
    assert store.read(place) is None
    assert not list(place.glob(".*"))


def test_a_full_disk_is_one_sentence_also_where_a_table_is_written(tmp_path: Path) -> None:
    noise = pl.DataFrame({"confidence": np.random.default_rng(0).random(10_000)})
    with full_disk(8192), pytest.raises(InputError):
        store.write(Store(root=tmp_path), replace(EVALUATION, images=noise))


def test_a_folder_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file/runs", tmp_path / "file/a/b/runs"):
        with pytest.raises(InputError) as raised:
            store.check_writable(Store(root=root))
        assert str(raised.value) == f"the runs folder '{root}' cannot be written; choose another with --runs."
    with pytest.raises(InputError) as raised:
        store.write(Store(root=tmp_path / "file/runs"), EVALUATION)
    assert str(raised.value) == (
        f"the runs folder '{tmp_path / 'file/runs'}' cannot be written "
        f"([Errno 20] Not a directory: '{tmp_path / 'file/runs/colors/fake--colors--exact/0123456789abcdef'}'); "
        "choose another."
    )


@pytest.mark.parametrize("address", ["s3://bucket/runs", "hf://datasets/org/runs", "file:///tmp/runs"])
def test_an_address_is_no_folder(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        store.check_writable(Store(root=Path(address)))
    assert str(raised.value) == (
        f"the runs folder '{Path(address)}' is an address; it needs to be a folder of this machine."
    )
    assert list(tmp_path.iterdir()) == []


def test_asking_whether_a_folder_can_be_written_creates_nothing(tmp_path: Path) -> None:
    store.check_writable(Store(root=tmp_path / "a/b/runs"))
    assert list(tmp_path.iterdir()) == []


def test_a_relative_folder_is_looked_for_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store.check_writable(Store(root=Path("runs")))
    store.write(Store(root=Path("runs")), EVALUATION)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["colors"]


def test_a_folder_of_other_things_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "a/b").mkdir(parents=True)
    results = Store(root=tmp_path)
    assert _same(store.read(store.write(results, EVALUATION)), EVALUATION)
    assert (tmp_path / "notes.txt").is_file()
    assert (tmp_path / "a/b").is_dir()
