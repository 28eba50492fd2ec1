"""Embeddings in one file: what was written is read again, and no file but our own is replaced."""

import base64
import json
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import clipkstar
from clipkstar.embedding_export import check_place, write
from clipkstar.embedding_files import read_labelled
from clipkstar.embeddings import Embeddings
from clipkstar.errors import InputError

KINDS = (".safetensors", ".parquet", ".npz")
ABOUT = {"task": "colors", "checkpoint": "fake--colors--exact"}


def embeddings(n_images: int = 40, dim: int = 5) -> Embeddings:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, n_images)
    return Embeddings(
        images=(rng.normal(size=(n_images, dim)) + labels[:, None]).astype(np.float32),
        labels=labels,
        rows=np.arange(n_images) * 3 + 1,
        class_names=("red", "grün", 'say "blue"'),
        classes=rng.normal(size=(3, dim)).astype(np.float32),
        logit_scale=100.00000762939453,
        logit_bias=-16.5,
        subgroups=rng.integers(0, 4, n_images),
    )


def parts(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays and the record of a file, read with the libraries alone."""
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return arrays, json.loads(str(arrays.pop("clipkstar")))
    if file.suffix == ".safetensors":
        with safe_open(file, framework="np") as tensors:
            return {name: tensors.get_tensor(name) for name in tensors.keys()}, json.loads(  # noqa: SIM118
                tensors.metadata()["clipkstar"]
            )
    table, record = pl.read_parquet(file), json.loads(pl.read_parquet_metadata(file)["clipkstar"])
    named = {"embedding": "embeddings", "label": "labels", "row": "rows", "subgroup": "subgroups"}
    arrays = {named[column]: table[column].to_numpy() for column in table.columns}
    if record["class_embeddings"] is not None:
        raw = base64.b64decode(record["class_embeddings"])
        arrays["class_embeddings"] = np.frombuffer(raw, "<f4").reshape(len(record["class_names"]), -1)
    return arrays, record


@pytest.fixture(params=KINDS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "new" / f"held{request.param}"


def test_every_kind_of_file_holds_all_that_was_given_bit_for_bit(file: Path) -> None:
    given = embeddings()
    write(file, given, ABOUT)
    arrays, record = parts(file)
    expected = {
        "embeddings": given.images,
        "labels": given.labels,
        "rows": given.rows,
        "subgroups": given.subgroups,
        "class_embeddings": given.classes,
    }
    assert set(arrays) == set(expected)
    for name, array in expected.items():
        assert array is not None
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(arrays[name], array)
    assert (record["clipkstar"], record["about"]) == (clipkstar.__version__, ABOUT)
    assert record["class_names"] == list(given.class_names)
    assert (record["logit_scale"], record["logit_bias"]) == (given.logit_scale, given.logit_bias)


def test_what_an_encoder_has_not_is_left_out(file: Path) -> None:
    write(file, replace(embeddings(), classes=None, logit_bias=None, subgroups=None), ABOUT)
    arrays, record = parts(file)
    assert set(arrays) == {"embeddings", "labels", "rows"}
    assert (record["logit_bias"], record["class_embeddings"]) == (None, None)


def test_kstar_of_the_file_is_that_of_the_arrays(file: Path) -> None:
    given = embeddings()
    write(file, given, ABOUT)
    read = read_labelled(file)
    found, expected = clipkstar.kstar(read.embeddings, read.labels), clipkstar.kstar(given.images, given.labels)
    assert (found.scores, found.intervals) == (expected.scores, expected.intervals)
    assert found.images.equals(expected.images)
    assert found.classes.equals(expected.classes)


def test_an_earlier_output_is_replaced_and_nothing_else_is_left(file: Path) -> None:
    write(file, embeddings(), ABOUT)
    write(file, embeddings(n_images=20), ABOUT)
    assert len(parts(file)[0]["labels"]) == 20
    assert list(file.parent.iterdir()) == [file]


def test_the_same_embeddings_give_the_same_bytes(file: Path) -> None:
    write(file, embeddings(), ABOUT)
    before = file.read_bytes()
    write(file, embeddings(), ABOUT)
    assert file.read_bytes() == before


def strangers(file: Path) -> None:
    array = np.zeros((2, 2), np.float32)
    if file.suffix == ".npz":
        np.savez(file, embeddings=array)
    elif file.suffix == ".safetensors":
        save_file({"embeddings": array}, file)
    else:
        pl.DataFrame({"embedding": array}).write_parquet(file)


@pytest.mark.parametrize("make", [strangers, lambda file: file.write_bytes(b"damaged"), lambda file: file.touch()])
def test_a_file_that_is_not_its_own_is_never_replaced(make: Any, file: Path) -> None:
    file.parent.mkdir()
    make(file)
    before = file.read_bytes()
    for attempt in (lambda: check_place(file), lambda: write(file, embeddings(), ABOUT)):
        with pytest.raises(InputError) as raised:
            attempt()
        assert str(raised.value) == (
            f"the file '{file}' is no earlier output of embed; choose another or move it away."
        )
    assert (file.read_bytes(), list(file.parent.iterdir())) == (before, [file])


def test_a_place_is_checked_before_anything_is_written(tmp_path: Path) -> None:
    def refusal(path: Path) -> str:
        with pytest.raises(InputError) as raised:
            check_place(path)
        return str(raised.value)

    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "file").touch()
    assert refusal(tmp_path / "a.npy") == (
        f"the file '{tmp_path}/a.npy' is of no known kind; embeddings need one of .safetensors, .parquet, .npz."
    )
    assert (
        refusal(Path("s3://bucket/a.npz"))
        == "'s3:/bucket/a.npz' is an address; embeddings need a file of this machine."
    )
    assert refusal(tmp_path / "folder.npz") == f"'{tmp_path}/folder.npz' is a folder; embeddings need a file."
    assert refusal(tmp_path / "file" / "a.npz") == (f"the folder '{tmp_path}/file' cannot be written; choose another.")
    check_place(tmp_path / "new" / "deep" / "a.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.npz"]


def test_a_disk_that_takes_no_more_leaves_the_earlier_file_as_it_was(file: Path) -> None:
    write(file, embeddings(), ABOUT)
    before = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # stands in for the full disk
    try:
        with pytest.raises(InputError) as raised:
            write(file, embeddings(n_images=20_000), ABOUT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(raised.value).startswith(f"the embeddings cannot be written to '{file}' (")
    assert str(raised.value).endswith("); choose another place.")
    assert "File too large" in str(raised.value)
    assert (file.read_bytes(), list(file.parent.iterdir())) == (before, [file])
