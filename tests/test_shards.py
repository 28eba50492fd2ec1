"""Webdataset shards, whole and spoiled: read into a table and one at a time, both ways alike."""

import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from colors import LABELS, NAMES, colors_task, pictures_of
from miniature_sets import write_set

from clipkstar.data.rows import open_rows
from clipkstar.errors import InputError
from clipkstar.task import HubDataset, Subgroups, Task

SAMPLES = [
    {"cls": str(label).encode(), "png": content or b""}
    for label, content in zip(LABELS, pictures_of(LABELS), strict=True)
]
BOTH_WAYS = pytest.mark.parametrize("stream", [False, True], ids=["table", "stream"])


def _task(folder: Path, **changed: object) -> Task:
    task = Task(
        name="colors",
        summary="plain colours",
        dataset=HubDataset(path="webdataset", data_files=str(folder / "test" / "*.tar")),
        image_column=("webp", "png"),
        label_column="cls",
        class_names=NAMES,
    )
    return replace(task, **changed)  # type: ignore[arg-type]


def _set(folder: Path, samples: list[dict[str, bytes]] | None = None, *, per_shard: int = 6) -> Path:
    return write_set(folder / "set", samples or SAMPLES, names=NAMES, per_shard=per_shard)


def _refusal(task: Task, *, stream: bool) -> str:
    with pytest.raises(InputError) as raised:
        open_rows(task, stream=stream)
    return str(raised.value)


@BOTH_WAYS
def test_shards_are_read_in_the_order_of_their_numbers(tmp_path: Path, stream: bool) -> None:
    rows = open_rows(_task(_set(tmp_path, per_shard=1)), stream=stream)
    assert [path.name for path in (tmp_path / "set" / "test").glob("1*.tar")].count("10.tar") == 1
    assert rows.labels.tolist() == list(LABELS)
    assert rows.image_bytes(range(len(LABELS))) == pictures_of(LABELS)


def test_a_stream_is_the_same_as_a_table(tmp_path: Path) -> None:
    task = _task(_set(tmp_path))
    table, stream = open_rows(task), open_rows(task, stream=True)
    assert table.fingerprint == stream.fingerprint
    assert list(table.image_batches(5)) == list(stream.image_batches(5))
    sample, streamed = open_rows(task, limit=5), open_rows(task, limit=5, stream=True)
    assert sample.fingerprint == streamed.fingerprint != table.fingerprint
    assert sample.image_bytes([1, 4]) == streamed.image_bytes([1, 4])


@BOTH_WAYS
def test_subgroups_are_read_from_a_member_of_arrays(tmp_path: Path, stream: bool) -> None:
    def npy(*values: int) -> bytes:
        np.save(tmp_path / "cell.npy", np.array(values))
        return (tmp_path / "cell.npy").read_bytes()

    samples = [members | {"npy": npy(row % 4, 7)} for row, members in enumerate(SAMPLES)]
    task = _task(_set(tmp_path, samples), subgroups=Subgroups(column="npy", index=0, meaning="region"))
    subgroups = open_rows(task, stream=stream).subgroups
    assert subgroups is not None
    assert subgroups.tolist() == [row % 4 for row in range(len(SAMPLES))]


def _ends(tar: Path) -> list[int]:
    """Where each member of a tar ends, filled up to whole blocks."""
    with tarfile.open(tar) as file:
        return [member.offset_data + -(-member.size // 512) * 512 for member in file]


def _at_a_border(tar: Path) -> int:
    return _ends(tar)[5]


def _inside_a_member(tar: Path) -> int:
    return _ends(tar)[5] - 100


def _inside_a_header(tar: Path) -> int:
    return _ends(tar)[5] + 512


def _without_its_end_mark(tar: Path) -> int:
    return _ends(tar)[-1]


@BOTH_WAYS
@pytest.mark.parametrize("cut", [_at_a_border, _inside_a_member, _inside_a_header, _without_its_end_mark])
@pytest.mark.parametrize("shard", ["0.tar", "1.tar"])
def test_a_shard_that_is_cut_off_is_refused(
    tmp_path: Path, shard: str, cut: Callable[[Path], int], stream: bool
) -> None:
    tar = _set(tmp_path) / "test" / shard
    size = cut(tar)
    tar.write_bytes(tar.read_bytes()[:size])
    assert _refusal(_task(tmp_path / "set"), stream=stream) == (
        f"task 'colors': the shard '{shard}' is cut off (a tar ends in 1,024 zero bytes, this one of {size} bytes does "
        "not); fetch or make it again."
    )


@BOTH_WAYS
def test_an_empty_file_is_refused_as_a_shard(tmp_path: Path, stream: bool) -> None:
    (_set(tmp_path) / "test" / "1.tar").write_bytes(b"")
    assert _refusal(_task(tmp_path / "set"), stream=stream) == (
        "task 'colors': the shard '1.tar' is cut off (a tar ends in 1,024 zero bytes, this one of 0 bytes does not); "
        "fetch or make it again."
    )


@BOTH_WAYS
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\0" * 10240, "holds no sample"),
        (b"no tar at all".ljust(512, b"!") + b"\0" * 1024, "is no tar (file could not be opened successfully:)"),
    ],
    ids=["empty", "no tar"],
)
def test_a_shard_without_members_is_refused(tmp_path: Path, content: bytes, what: str, stream: bool) -> None:
    (_set(tmp_path) / "test" / "0.tar").write_bytes(content)
    sentence = _refusal(_task(tmp_path / "set"), stream=stream)
    assert sentence == f"task 'colors': the shard '0.tar' {what}; fetch or make it again."


@BOTH_WAYS
def test_shards_without_any_label_are_refused(tmp_path: Path, stream: bool) -> None:
    samples = [{"png": members["png"]} for members in SAMPLES]
    assert _refusal(_task(_set(tmp_path, samples)), stream=stream) == (
        "task 'colors' names the column 'cls', its data set has png; correct image_column or label_column."
    )


@BOTH_WAYS
@pytest.mark.parametrize("row", [0, 3])
def test_a_sample_without_a_label_among_the_first_is_refused(tmp_path: Path, row: int, stream: bool) -> None:
    samples = [dict(members) for members in SAMPLES]
    del samples[row]["cls"]
    before, at = (row, row + 1) if row == 0 else (row - 1, row)
    has = {row: "png"}
    assert _refusal(_task(_set(tmp_path, samples)), stream=stream) == (
        f"task 'colors': in the shard '0.tar' the sample 's{at:07}' has {has.get(at, 'cls, png')}, 's{before:07}' has "
        f"{has.get(before, 'cls, png')}; each needs an image and a label, so repair or remove it."
    )


@BOTH_WAYS
def test_a_sample_without_a_label_further_on_is_refused(tmp_path: Path, stream: bool) -> None:
    samples = [dict(members) for members in SAMPLES]
    del samples[11]["cls"]
    sentence = _refusal(_task(_set(tmp_path, samples)), stream=stream)
    assert sentence == "task 'colors': row 11 has no label; repair or remove it."


@BOTH_WAYS
def test_a_sample_without_an_image_is_refused(tmp_path: Path, stream: bool) -> None:
    samples = [dict(members) for members in SAMPLES]
    del samples[11]["png"]
    sentence = _refusal(_task(_set(tmp_path, samples)), stream=stream)
    assert sentence == "task 'colors': row 11 holds no image; repair or remove it."


@BOTH_WAYS
def test_a_label_that_is_no_number_is_refused(tmp_path: Path, stream: bool) -> None:
    samples = [dict(members) for members in SAMPLES]
    samples[7]["cls"] = b"cat"
    sentence = _refusal(_task(_set(tmp_path, samples)), stream=stream)
    assert sentence == (
        "task 'colors' cannot read its data (ValueError: invalid literal for int() with base 10: b'cat'); "
        "check its dataset and the files."
    )


@BOTH_WAYS
def test_pictures_of_two_formats_are_refused(tmp_path: Path, stream: bool) -> None:
    samples = [dict(members) for members in SAMPLES]
    samples[11]["webp"] = samples[11].pop("png")
    sentence = _refusal(_task(_set(tmp_path, samples)), stream=stream)
    assert sentence == "task 'colors': row 11 holds no image; repair or remove it."


@BOTH_WAYS
def test_files_that_are_not_there_are_refused(tmp_path: Path, stream: bool) -> None:
    sentence = _refusal(_task(tmp_path / "nowhere"), stream=stream)
    assert sentence == (
        f"task 'colors' cannot read its data (FileNotFoundError: there is no file {tmp_path}/nowhere/test/*.tar); "
        "check its dataset and the files."
    )


def test_files_of_another_kind_cannot_be_streamed(tmp_path: Path) -> None:
    (_set(tmp_path) / "test" / "0.csv").write_text("no,pictures\n")
    task = _task(tmp_path, dataset=HubDataset(path="parquet", data_files=str(tmp_path / "set" / "test" / "*.csv")))
    assert _refusal(task, stream=True) == (
        "task 'colors' cannot be streamed from .csv files; it needs one of .parquet, .tar, .arrow."
    )


def test_a_stream_of_parquet_files_has_the_names_of_its_label_column(tmp_path: Path) -> None:
    task = colors_task(tmp_path)
    streamed, table = open_rows(task, stream=True), open_rows(task)
    assert (streamed.class_names, streamed.fingerprint) == (table.class_names, table.fingerprint)


def test_other_subgroups_are_other_work(tmp_path: Path) -> None:
    member = io.BytesIO()
    np.save(member, np.array([3, 1]))
    shards = _set(tmp_path, [{**sample, "npy": member.getvalue()} for sample in SAMPLES])
    tasks = [_task(shards, subgroups=Subgroups(column="npy", index=index, meaning="region")) for index in (0, 1)]
    assert open_rows(tasks[0]).fingerprint != open_rows(tasks[1]).fingerprint
