"""`clipkstar kstar`: anyone's embeddings from a file to a table, a record, tables and a picture."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import test_cli
from safetensors.numpy import save_file
from test_cli import CLIPKSTAR, SEE_HELP, Said, files_below, strict
from test_store import full_disk

import clipkstar
from clipkstar import api
from clipkstar.errors import InputError
from clipkstar.run import to_json

call = test_cli.call
"""Its fixture, under the same name here."""

GENERATOR = np.random.default_rng(0)
NAMES = np.repeat(["cat", "dog", "eel"], 20)
IMAGES = (GENERATOR.normal(size=(60, 4)) + (NAMES == "cat")[:, None]).astype(np.float32)
SMALL = "clipkstar: classes of fewer than 50 images, left out of gamma_approx_n50: 3.\n"
"""What is said of these."""


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """A working folder with the same embeddings and labels in every kind of file."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", IMAGES)
    np.savez("x.npz", embeddings=IMAGES, labels=NAMES)
    np.savez("bare.npz", embeddings=IMAGES)
    save_file({"embeddings": IMAGES}, "x.safetensors")
    table = pl.DataFrame({"embedding": IMAGES, "label": NAMES})
    table.write_parquet("x.parquet")
    np.save("y.npy", NAMES)
    Path("y.txt").write_text("\n".join(NAMES) + "\n")
    table.select("label").write_csv("y.csv")
    table.select("label").write_parquet("y.parquet")
    return tmp_path


@pytest.fixture(scope="module")
def expected():
    return clipkstar.kstar(IMAGES, NAMES)


def everything_below(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def record(result):
    return {
        "scores": result.scores,
        "intervals": {name: list(limits) for name, limits in result.intervals.items()},
        "n_images": len(IMAGES),
        "n_classes": result.classes.height,
        "queries": result.queries,
    }


@pytest.mark.parametrize(
    "files",
    [
        *("x.npz", "x.parquet", "x.npy --labels y.npy", "x.npy --labels y.txt", "x.npy --labels y.csv"),
        *("x.npy --labels y.parquet", "x.safetensors --labels y.npy", "bare.npz --labels y.txt"),
    ],
)
def test_every_kind_of_input_gives_the_result_of_the_arrays(files, inputs, call, expected):
    said = call(f"kstar {files} --json --out out")
    assert (said.code, said.err) == (0, SMALL + "clipkstar: written: out\n")
    assert strict(said.out) == strict(Path("out/kstar.json").read_text()) == record(expected)
    assert pl.read_parquet("out/images.parquet").equals(expected.images)
    assert pl.read_parquet("out/classes.parquet").equals(expected.classes)
    assert files_below(Path("out")) == ["classes.parquet", "images.parquet", "kstar.json"]


def test_integer_labels_are_classes_in_the_order_of_numbers(inputs, call):
    Path("numbers.txt").write_text("10\n9\n" * 30)
    Path("names.txt").write_text("10\n09\n" * 30)
    for file, names in (("numbers.txt", ["9", "10"]), ("names.txt", ["09", "10"])):
        assert call(f"kstar x.npy --labels {file} --out out --no-intervals").code == 0
        assert pl.read_parquet("out/classes.parquet")["name"].to_list() == names


def test_labels_given_twice_are_taken_from_their_own_file_and_that_is_said(inputs, call):
    Path("other.txt").write_text("a\nb\n" * 30)
    said = call("kstar x.npz --labels other.txt --json --no-intervals")
    assert (said.code, said.err) == (0, "clipkstar: 'x.npz' has labels too; those of 'other.txt' are used.\n")
    assert strict(said.out)["n_classes"] == 2


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_one_distance_without_intervals_on_request(distance, inputs, call):
    said = call(f"kstar x.npz --distance {distance} --no-intervals --json")
    assert said.code == 0
    assert strict(said.out) == record(clipkstar.kstar(IMAGES, NAMES, distances=distance, intervals=False))
    assert strict(said.out)["intervals"] == {}
    both = call("kstar x.npz --distance euclidean --distance cosine --no-intervals --json")
    assert strict(both.out)["scores"].items() > strict(said.out)["scores"].items()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("", {}),
        (
            "--distance cosine --no-intervals --queries 7 --backend faiss --device mps",
            {"distances": ["cosine"], "intervals": False, "queries": 7, "backend": "faiss", "device": "mps"},
        ),
        (
            "--distance cosine --distance euclidean --backend torch",
            {"distances": ["cosine", "euclidean"], "backend": "torch"},
        ),
    ],
)
def test_every_option_reaches_the_function(options, wanted, inputs, call, expected, monkeypatch):
    got = {}

    def kstar(embeddings, labels, **options):
        got.update(options, embeddings=embeddings, labels=labels)
        return expected

    monkeypatch.setattr(api, "kstar", kstar)
    assert call(f"kstar x.npy --labels y.txt {options}").code == 0
    assert isinstance(got.pop("embeddings"), np.memmap)
    assert got.pop("labels").tolist() == NAMES.tolist()
    defaults = {"distances": ["euclidean", "cosine"], "intervals": True, "queries": None, "backend": "auto"}
    assert got == defaults | {"device": "auto"} | wanted


def test_a_sample_is_that_of_the_function_and_said(inputs, call):
    said = call("kstar x.npz --queries 12 --json --out out")
    sample = clipkstar.kstar(IMAGES, NAMES, queries=12)
    assert strict(said.out) == strict(Path("out/kstar.json").read_text()) == record(sample)
    assert (strict(said.out)["queries"], strict(said.out)["n_images"]) == (12, 60)
    assert said.err == "".join(f"clipkstar: {notice}\n" for notice in sample.notices) + "clipkstar: written: out\n"
    assert sample.notices[0] == "k* of a sample: 12 of 60 images, each against all of them."
    assert call("kstar x.npz --queries 12 --no-intervals").code == 0


def test_notices_go_to_stderr_and_the_table_to_stdout(inputs, call, expected, monkeypatch):
    monkeypatch.setattr(api, "kstar", lambda *_, **__: replace(expected, notices=("one.", "two.")))
    said = call("kstar x.npz")
    assert said.err == "clipkstar: one.\nclipkstar: two.\n"
    lines = [" ".join(line.split()) for line in said.out.splitlines() if line.strip()]
    assert lines[0] == "60 images, 3 classes; γ of each class by Euclidean distance"
    assert lines[1] == "class n k*/n γ pattern 1-NN %"
    assert {line.split()[0] for line in lines[3:6]} == {"cat", "dog", "eel"}
    assert lines[6] == "score euclidean cosine"
    assert [line.split()[0] for line in lines[8:24]] == [name for name in expected.scores if "cosine" not in name]


def test_the_earlier_output_and_picture_are_replaced(inputs, call, expected):
    Path("other.txt").write_text("a\nb\n" * 30)
    command = "kstar x.npz --json --out out --plot pictures/kstar.svg"
    assert call(f"{command} --labels other.txt").code == 0
    picture = Path("pictures/kstar.svg").read_text()
    said = call(command)
    told = SMALL + "clipkstar: written: out\nclipkstar: drawn: pictures/kstar.svg\n"
    assert said == Said(code=0, out=said.out, err=told)
    assert strict(Path("out/kstar.json").read_text()) == record(expected)
    assert ">eel<" in Path("pictures/kstar.svg").read_text() != picture
    assert files_below(Path("pictures")) == ["kstar.svg"]


@pytest.mark.parametrize(
    ("name", "start"), [("k.png", b"\x89PNG\r\n\x1a\n"), ("k.svg", b"<svg "), ("k.html", b"<!DOCTYPE html>")]
)
def test_the_suffix_names_the_kind_of_picture(name, start, inputs, call):
    assert call(f"kstar x.npz --no-intervals --plot {name}").code == 0
    assert Path(name).read_bytes().startswith(start)


@pytest.fixture
def no_search(monkeypatch):
    """Fails the test when the search starts."""
    monkeypatch.setattr(api, "kstar", lambda *_, **__: pytest.fail("the search started"))


BAD_PLACES = [
    (
        "--out foreign",
        "the folder 'foreign' holds 'notes.txt', which is no earlier output of kstar; choose another with --out.",
    ),
    ("--out .", "the folder '.' holds 'bare.npz', which is no earlier output of kstar; choose another with --out."),
    ("--out x.npy", "the folder 'x.npy' cannot be written; choose another with --out."),
    ("--out s3://bucket/x", "the folder 's3:/bucket/x' is an address; --out needs a folder of this machine."),
    ("--plot k.pdf", "the picture 'k.pdf' is of no known kind; --plot needs one of .png, .svg, .html."),
    ("--plot x.npy/k.svg", "the folder 'x.npy' cannot be written; choose another with --plot."),
    ("--plot folder.svg", "the picture 'folder.svg' is a folder; choose another with --plot."),
    (
        "--out new --plot new/k.svg",
        "the picture 'new/k.svg' would lie in the --out folder, which holds classes.parquet, images.parquet, "
        "kstar.json only; give --plot another place.",
    ),
]


@pytest.mark.parametrize(("options", "sentence"), BAD_PLACES)
def test_a_place_that_cannot_take_the_result_is_refused_before_the_search(options, sentence, inputs, call, no_search):
    Path("foreign").mkdir()
    Path("foreign/notes.txt").write_text("precious")
    Path("folder.svg").mkdir()
    before = everything_below(inputs)
    assert call(f"kstar x.npz {options}") == Said(code=2, out="", err=f"clipkstar: {sentence}\n")
    assert everything_below(inputs) == before


TWO = {"embedding": [[1.0, 2.0], [3.0, 4.0]], "label": ["a", "b"]}
OBJECTS = "are Python objects, which are never unpickled; save them as numbers or strings."
BAD_FILES = [
    ("none.npy --labels y.txt", "there is no embeddings file 'none.npy'; check the path."),
    ("x.npy --labels none.txt", "there is no labels file 'none.txt'; check the path."),
    (". --labels y.txt", "there is no embeddings file '.'; check the path."),
    (
        "y.txt --labels y.txt",
        "the embeddings file 'y.txt' is of no known kind; it needs to be .npy, .npz, .safetensors or .parquet.",
    ),
    (
        "x.npy --labels x.npz",
        "the labels file 'x.npz' is of no known kind; it needs to be .npy, .txt, .csv or .parquet.",
    ),
    ("x.npy", "'x.npy' has no labels; give them with --labels (.npy, .txt, .csv or .parquet)."),
    ("bare.npz", "'bare.npz' has no labels; give them with --labels (.npy, .txt, .csv or .parquet)."),
    ("x.safetensors", "'x.safetensors' has no labels; give them with --labels (.npy, .txt, .csv or .parquet)."),
    ("bare.parquet", "'bare.parquet' has no labels; give them with --labels (.npy, .txt, .csv or .parquet)."),
    ("other.npz", "'other.npz' has the arrays 'x', 'y'; the embeddings need to be 'embeddings'."),
    ("empty.npz", "'empty.npz' has the arrays none; the embeddings need to be 'embeddings'."),
    ("other.safetensors", "'other.safetensors' has the arrays 'x'; the embeddings need to be 'embeddings'."),
    ("other.parquet", "'other.parquet' has the columns 'x'; the embeddings need to be 'embedding'."),
    ("x.npy --labels other.csv", "'other.csv' has the columns 'a', 'b'; the labels need to be 'label'."),
    ("x.npy --labels other.parquet", "'other.parquet' has the columns 'x'; the labels need to be 'label'."),
    ("objects.npy", f"the embeddings of 'objects.npy' {OBJECTS}"),
    ("objects.npz", f"the labels of 'objects.npz' {OBJECTS}"),
    ("x.npy --labels objects.npy", f"the labels of 'objects.npy' {OBJECTS}"),
    ("cut.npy", "the embeddings of 'cut.npy' cannot be read (…); save them again."),
    ("cut.npz", "the embeddings of 'cut.npz' cannot be read (…); save them again."),
    ("cut.safetensors", "the embeddings of 'cut.safetensors' cannot be read (…); save them again."),
    ("cut.parquet", "the embeddings of 'cut.parquet' cannot be read (…); save them again."),
    ("x.npy --labels cut.npy", "the labels of 'cut.npy' cannot be read (…); save them again."),
    ("x.npy --labels latin.txt", "the labels of 'latin.txt' cannot be read (…); save them again."),
    ("x.npy --labels latin.csv", "the labels of 'latin.csv' cannot be read (…); save them again."),
    ("x.npy --labels ragged.csv", "the labels of 'ragged.csv' cannot be read (…); save them again."),
    ("x.npy --labels empty.csv", "the labels of 'empty.csv' cannot be read (…); save them again."),
    (
        "flat.parquet",
        "the column 'embedding' of 'flat.parquet' is of type Float64; it needs a list of numbers in each row.",
    ),
    (
        "words.parquet",
        "the column 'embedding' of 'words.parquet' is of type List(String); it needs a list of numbers in each row.",
    ),
    ("null.parquet", "the embedding of row 1 of 'null.parquet' is or holds a null; leave such rows out."),
    ("inner.parquet", "the embedding of row 1 of 'inner.parquet' is or holds a null; leave such rows out."),
    (
        "ragged.parquet",
        "the embedding of row 2 of 'ragged.parquet' has 3 numbers and that of row 0 has 2; all need as many.",
    ),
    ("unlabelled.parquet", "row 1 of 'unlabelled.parquet' has no label; every image needs one."),
    ("x.npy --labels unlabelled.parquet", "row 1 of 'unlabelled.parquet' has no label; every image needs one."),
    ("x.npy --labels unlabelled.csv", "row 2 of 'unlabelled.csv' has no label; every image needs one."),
    ("x.npy --labels quoted.csv", "row 1 of 'quoted.csv' has no label; every image needs one."),
    ("x.npy --labels blank.txt", "line 3 of 'blank.txt' is blank; every image needs a label."),
    ("x.npy --labels twice.txt", "line 3 of 'twice.txt' is blank; every image needs a label."),
    ("x.npy --labels empty.txt", "line 1 of 'empty.txt' is blank; every image needs a label."),
]


def write_bad_files():
    for kind in ("npy", "npz", "safetensors", "parquet"):
        Path(f"cut.{kind}").write_bytes(Path(f"x.{kind}").read_bytes()[:-400])
    np.savez("other.npz", x=IMAGES, y=NAMES)
    np.savez("empty.npz")
    np.save("objects.npy", np.array(["a", None]))
    np.savez("objects.npz", embeddings=IMAGES, labels=np.array(["a", None]))
    save_file({"x": IMAGES}, "other.safetensors")
    two = pl.DataFrame(TWO)
    three = pl.concat([two, two.head(1)])
    two.select("embedding").write_parquet("bare.parquet")
    two.select(x="label").write_parquet("other.parquet")
    two.select("label", embedding=pl.lit(1.0)).write_parquet("flat.parquet")
    two.select(embedding=pl.concat_list("label")).write_parquet("words.parquet")
    for name, rows in {
        "null": [[1.0, 2.0], None, None],
        "inner": [[1.0, 2.0], [None, 1.0], [1.0]],
        "ragged": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0, 7.0]],
    }.items():
        three.with_columns(embedding=pl.Series(rows, dtype=pl.List(pl.Float64))).write_parquet(f"{name}.parquet")
    three.with_columns(label=pl.Series(["a", None, None])).write_parquet("unlabelled.parquet")
    for name, text in {
        "other.csv": "a,b\n1,2\n",
        "ragged.csv": "label\n1\n2,3\n",
        "unlabelled.csv": "label,x\n1,1\n2,2\n,3\n",
        "quoted.csv": 'label\n1\n""\n',
        "blank.txt": "a\nb\n  \nc\n",
        "twice.txt": "a\nb\n\n",
        "empty.txt": "",
        "empty.csv": "",
        "latin.txt": "caf\xe9\n",
        "latin.csv": "label\ncaf\xe9\n",
    }.items():
        Path(name).write_text(text, encoding="latin-1")


@pytest.mark.parametrize(("files", "sentence"), BAD_FILES)
def test_a_file_that_cannot_be_used_is_one_sentence_and_nothing_is_written(files, sentence, inputs, call, no_search):
    write_bad_files()
    before = everything_below(inputs)
    said = call(f"kstar {files} --out new/out --plot new/k.svg")
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    start, _, end = f"clipkstar: {sentence}\n".partition("…")
    assert said.err.startswith(start)
    assert said.err.endswith(end)
    assert end or said.err == start
    assert everything_below(inputs) == before
    assert not Path("new").exists()


BAD_ARRAYS = {
    "no table": (IMAGES[0], NAMES),
    "three axes": (IMAGES[:, None], NAMES),
    "complex": (IMAGES.astype(complex), NAMES),
    "words": (NAMES[:, None], NAMES),
    "other length": (IMAGES, NAMES[:-1]),
    "labels in a column": (IMAGES, NAMES[:, None]),
    "floats as labels": (IMAGES, np.where(NAMES == "cat", np.nan, 1.0)),
    "one class": (IMAGES, NAMES == "fox"),
    "no image": (IMAGES[:0], NAMES[:0]),
    "NaN": (np.where(np.arange(60)[:, None] == 7, np.nan, IMAGES), NAMES),
    "infinity": (np.where(np.arange(60)[:, None] == 9, np.inf, IMAGES), NAMES),
    "zero vector": (np.where(np.arange(60)[:, None] == 5, 0, IMAGES), NAMES),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_arrays_that_cannot_be_used_are_refused_as_the_function_does(case, kind, inputs, call):
    images, labels = BAD_ARRAYS[case]
    with pytest.raises(InputError) as raised:
        clipkstar.kstar(images, labels)
    np.save("bad.npy", images)
    np.save("labels.npy", labels)
    np.savez("bad.npz", embeddings=images, labels=labels)
    before = everything_below(inputs)
    command = "kstar bad.npy --labels labels.npy" if kind == "npy" else "kstar bad.npz"
    assert call(f"{command} --out out --plot k.svg") == Said(code=2, out="", err=f"clipkstar: {raised.value}\n")
    assert everything_below(inputs) == before
    row = {"NaN": "row 7 ", "infinity": "row 9 ", "zero vector": "row 5 "}.get(case, "")
    assert row in str(raised.value)


def test_the_zero_vector_is_no_hindrance_to_the_euclidean_distance(inputs, call):
    images, labels = BAD_ARRAYS["zero vector"]
    np.savez("zero.npz", embeddings=images, labels=labels)
    assert call("kstar zero.npz --distance euclidean --no-intervals").code == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("", f"Missing argument 'embeddings'{SEE_HELP}"),
        ("x.npz --queries 0", f"Invalid value for '--queries': 0 is not in the range x>=1{SEE_HELP}"),
        ("x.npz --distance dot", "kstar got the distances ['dot']; it needs one or both of euclidean, cosine."),
        ("x.npz --label y.txt", f"No such option: --label (Possible options: --help, --labels){SEE_HELP}"),
    ],
)
def test_a_command_that_cannot_be_understood_is_one_sentence(options, sentence, inputs, call):
    assert call(f"kstar {options}") == Said(code=2, out="", err=f"clipkstar: {sentence}\n")


def test_a_disk_that_gets_full_does_not_lose_the_result(inputs, call, expected):
    with full_disk(500):
        said = call("kstar x.npz --json --out out")
    assert said.code == 2
    assert strict(said.out) == record(expected)
    assert said.err.startswith(SMALL + "clipkstar: the folder 'out' cannot be written (")
    assert files_below(Path("out")) == []


def test_the_record_is_strict_json_of_full_floats(inputs, call, expected):
    assert call("kstar x.npz --json").out == to_json(record(expected)) + "\n"


def test_help_says_what_the_files_hold(call):
    said = call("kstar --help")
    words = " ".join(said.out.split())
    assert (said.code, said.err) == (0, "")
    for word in (".npy (n, dim)", ".npz", ".safetensors", ".parquet", "Nothing is unpickled", "--labels", "--out"):
        assert word in words
    assert "\n  kstar " in call("--help").out


def test_the_installed_command_measures_in_a_process_of_its_own(inputs, expected):
    command = [CLIPKSTAR, "kstar", "x.npy", "--labels", "y.csv", "--json", "--out", "out", "--plot", "k.html"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, SMALL + "clipkstar: written: out\nclipkstar: drawn: k.html\n")
    assert strict(done.stdout) == json.loads(Path("out/kstar.json").read_text()) == record(expected)
    assert Path("k.html").stat().st_size > 100_000
