"""Embeddings and labels from files: every kind gives what was saved, and nothing is unpickled."""

import csv
import os
import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

from clipkstar.embedding_files import EMBEDDING_READERS, LABEL_READERS, read_embeddings, read_labelled, read_labels
from clipkstar.errors import InputError

FLOATS = [[0.5, -1.0], [2.0, 1e-30], [3.25, 4.0]]
NAMES = ["cat", "dog", "cat"]


def archive(folder, **arrays):
    np.savez(folder / "held.npz", **arrays)
    return folder / "held.npz"


def table(folder, **columns):
    pl.DataFrame(columns).write_parquet(folder / "held.parquet")
    return folder / "held.parquet"


def refusal(read, *files):
    with pytest.raises(InputError) as raised:
        read(*files)
    return str(raised.value)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int64", ">f4"])
@pytest.mark.parametrize("kind", [".npy", ".npz", ".safetensors", ".parquet"])
def test_every_kind_of_file_gives_the_numbers_that_were_saved(kind, dtype, tmp_path):
    array = np.array([[0, 1], [2, 100], [3, 4]], dtype=dtype)
    native = array.astype(array.dtype.newbyteorder("="))
    if kind == ".npy":
        np.save(tmp_path / "held.npy", array)
    elif kind == ".npz":
        archive(tmp_path, embeddings=array)
    elif kind == ".safetensors":
        save_file({"embeddings": native}, tmp_path / "held.safetensors")
    else:
        table(tmp_path, embedding=native)
    found = read_embeddings(tmp_path / f"held{kind}")
    assert (found == array).all()
    assert found.dtype.newbyteorder("=") == native.dtype


@pytest.mark.parametrize("inner", [pl.Float32, pl.Float64, pl.Int8, pl.UInt16, pl.Int64])
@pytest.mark.parametrize("outer", [pl.List, lambda inner: pl.Array(inner, 2)], ids=["list", "array"])
def test_a_column_of_lists_or_of_arrays_of_any_number_is_a_table(outer, inner, tmp_path):
    rows = [[0, 1], [2, 100], [3, 4]]
    found = read_embeddings(table(tmp_path, embedding=pl.Series(rows, dtype=outer(inner))))
    assert found.tolist() == rows
    assert found.dtype == pl.Series([0], dtype=inner).to_numpy().dtype


def test_a_numpy_file_stays_on_disk_and_cannot_be_changed(tmp_path):
    np.save(tmp_path / "held.npy", np.array(FLOATS))
    found = read_embeddings(tmp_path / "held.npy")
    assert isinstance(found, np.memmap)
    assert found.mode == "r"
    assert Path(found.filename) == tmp_path / "held.npy"
    assert not found.flags.writeable
    with (tmp_path / "held.npy").open("r+b") as stream:  # what changes on disk changes here: nothing was copied
        stream.seek(-8, os.SEEK_END)
        stream.write(np.float64(7.0).tobytes())
    assert found[2, 1] == 7.0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_number_types_that_numpy_lacks_become_float32_exactly(dtype, tmp_path):
    # 1 and its neighbour in bfloat16, a tiny and a large value.
    tensor = torch.tensor([[1.0, 1 + 2.0**-7], [2.0**-9, -448.0]]).to(dtype)
    save_tensors({"embeddings": tensor, "labels": torch.tensor([0, 1])}, tmp_path / "held.safetensors")
    found = read_labelled(tmp_path / "held.safetensors")
    assert found.embeddings.dtype == np.float32
    assert torch.equal(torch.from_numpy(found.embeddings).to(torch.float64), tensor.to(torch.float64))
    assert found.labels.tolist() == [0, 1]


@pytest.mark.parametrize("labels", [NAMES, [7, -3, 7]])
@pytest.mark.parametrize("kind", [".npz", ".parquet"])
def test_labels_may_lie_beside_the_embeddings(kind, labels, tmp_path):
    if kind == ".npz":
        file = archive(tmp_path, embeddings=np.array(FLOATS), labels=np.array(labels))
    else:
        file = table(tmp_path, embedding=FLOATS, label=labels)
    found = read_labelled(file)
    assert found.embeddings.tolist() == FLOATS
    assert found.labels.tolist() == labels
    assert found.labels.dtype.kind == np.array(labels).dtype.kind
    assert found.notices == ()


def test_a_file_of_labels_goes_before_those_beside_the_embeddings_and_that_is_said(tmp_path):
    file = archive(tmp_path, embeddings=np.array(FLOATS), labels=np.array([object()]))
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    found = read_labelled(file, tmp_path / "labels.txt")
    assert found.labels.tolist() == ["a", "b", "c"]
    assert found.notices == (f"'{file}' has labels too; those of '{tmp_path / 'labels.txt'}' are used.",)
    assert read_labelled(archive(tmp_path, embeddings=np.array(FLOATS)), tmp_path / "labels.txt").notices == ()


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["dog", "cat"]), pl.String])
def test_labels_of_a_table_may_be_of_any_type_of_words(dtype, tmp_path):
    assert read_labels(table(tmp_path, label=pl.Series(NAMES, dtype=dtype))).tolist() == NAMES


def test_words_that_look_like_numbers_stay_words_where_the_file_knows_types(tmp_path):
    assert read_labels(table(tmp_path, label=["2", "10"])).tolist() == ["2", "10"]
    np.save(tmp_path / "labels.npy", np.array(["2", "10"]))
    assert read_labels(tmp_path / "labels.npy").tolist() == ["2", "10"]


def written_txt(file, labels):
    file.with_suffix(".txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    return file.with_suffix(".txt")


def written_csv(file, labels):
    with file.with_suffix(".csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["row", "label"], *enumerate(labels)])
    return file.with_suffix(".csv")


@pytest.mark.parametrize("write", [written_txt, written_csv])
@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (["10", "2", "-3", "0"], [10, 2, -3, 0]),
        (["10", "2", "x"], ["10", "2", "x"]),
        (["1", "01"], ["1", "01"]),
        (["1", "+1", "-0"], ["1", "+1", "-0"]),
        (["1.0", "2.0"], ["1.0", "2.0"]),
        (["1_000", "1000"], ["1_000", "1000"]),
        (["١", "1"], ["١", "1"]),
        (["9" * 19, "1"], ["9" * 19, "1"]),
        (["nan", "null", "NA"], ["nan", "null", "NA"]),
        (["great white shark, man-eater", 'a "b"', "虎猫"], ["great white shark, man-eater", 'a "b"', "虎猫"]),
    ],
)
def test_text_is_read_as_integers_only_if_nothing_gets_lost(write, text, labels, tmp_path):
    found = read_labels(write(tmp_path / "labels", text))
    assert found.tolist() == labels
    assert [str(label) for label in found] == text


@pytest.mark.parametrize("text", ["a\nb\n", "a\nb", "a\r\nb\r\n", " a \n\tb\n", "\ufeffa\nb\n"])
def test_a_line_of_a_text_is_a_label_without_the_space_around_it(text, tmp_path):
    (tmp_path / "labels.txt").write_bytes(text.encode())
    assert read_labels(tmp_path / "labels.txt").tolist() == ["a", "b"]


def test_what_unicode_calls_a_line_end_ends_no_label(tmp_path):
    (tmp_path / "labels.txt").write_bytes("a\u2028b\nc\x0bd\n".encode())
    assert read_labels(tmp_path / "labels.txt").tolist() == ["a\u2028b", "c\x0bd"]


def test_a_suffix_in_capitals_and_a_name_that_looks_like_a_pattern_are_read(tmp_path):
    np.save(tmp_path / "x.npy", np.array(FLOATS))
    (tmp_path / "x.npy").rename(tmp_path / "X.NPY")
    assert read_embeddings(tmp_path / "X.NPY").tolist() == FLOATS
    table(tmp_path, embedding=FLOATS, label=NAMES).rename(tmp_path / "x[1]*.parquet")
    assert read_labelled(tmp_path / "x[1]*.parquet").labels.tolist() == NAMES
    written_csv(tmp_path / "x[1]", NAMES)
    assert read_labels(tmp_path / "x[1].csv").tolist() == NAMES


class Hostile:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("kind", [".npy", ".npz"])
@pytest.mark.parametrize("part", ["embeddings", "labels"])
def test_python_objects_are_refused_and_never_unpickled(part, kind, tmp_path):
    objects = np.array([Hostile(tmp_path / "unpickled")], dtype=object)
    file = tmp_path / f"held{kind}"
    if kind == ".npy":
        np.save(file, objects, allow_pickle=True)
    else:
        np.savez(file, **{"embeddings": np.array(FLOATS), part: objects})
    read = {("embeddings", ".npy"): read_embeddings, ("labels", ".npy"): read_labels}.get((part, kind), read_labelled)
    assert refusal(read, file) == (
        f"the {part} of '{file}' are Python objects, which are never unpickled; save them as numbers or strings."
    )
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    ("read", "kind"),
    [(read_embeddings, kind) for kind in EMBEDDING_READERS] + [(read_labels, kind) for kind in LABEL_READERS],
)
def test_a_bare_pickle_is_refused_under_every_name(read, kind, tmp_path):
    (tmp_path / f"held{kind}").write_bytes(b"\x80" + pickle.dumps(Hostile(tmp_path / "unpickled")))
    part = read.__name__.removeprefix("read_")
    said = refusal(read, tmp_path / f"held{kind}")
    assert said.startswith(f"the {part} of '{tmp_path / f'held{kind}'}' cannot be read (")
    assert said.endswith("); save them again.")
    assert "\n" not in said
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("kind", [".npy", ".npz", ".safetensors"])
def test_a_file_damaged_anywhere_is_read_or_refused_and_nothing_else(kind, tmp_path):
    array = np.arange(60, dtype=np.float32).reshape(20, 3)
    file = tmp_path / f"held{kind}"
    if kind == ".npy":
        np.save(file, array)
    elif kind == ".npz":
        np.savez_compressed(file, embeddings=array)
    else:
        save_file({"embeddings": array}, file)
    whole = file.read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for trial in range(200):
        content = bytearray(whole)
        for place in generator.integers(len(whole) if trial % 2 else 128, size=3):
            content[place] = generator.integers(256)
        file.write_bytes(content[: generator.integers(len(whole))] if trial % 5 == 0 else content)
        try:
            read_embeddings(file)
        except InputError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 50


def test_a_table_that_was_cut_off_is_refused(tmp_path):
    file = table(tmp_path, embedding=FLOATS)
    file.write_bytes(file.read_bytes()[:-10])
    said = refusal(read_embeddings, file)
    assert said.startswith(f"the embeddings of '{file}' cannot be read (")
    assert said.endswith("); save them again.")
