"""A baseline in one small file: what comes back, how large it is, and what is no baseline."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hand_made_evaluations import GROUPS, evaluation
from hand_made_runs import hand_made

from clipkstar.errors import InputError
from clipkstar.regression.baseline_file import condensed, read_baseline, write_baseline
from clipkstar.run import Evaluation

AGAIN = "save it again with 'clipkstar baseline save'"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


FILE = Path("baseline.parquet")


def assert_equal(one: Evaluation, other: Evaluation) -> None:
    assert one.run == other.run
    assert one.images.schema == other.images.schema and one.images.equals(other.images)
    assert one.classes.schema == other.classes.schema and one.classes.equals(other.classes)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as raised:
        read_baseline(path)
    return str(raised.value)


def test_what_is_saved_comes_back_as_what_was_condensed() -> None:
    saved = [evaluation("a"), evaluation("a", name="fashion", seed=1, names=("bag", 'coat, "long"', "Schuh ß", "靴"))]
    write_baseline(FILE, saved)
    found = read_baseline(FILE)
    assert [one.run.task.name for one in found] == ["digits", "fashion"]
    for one, other in zip(found, saved, strict=True):
        assert_equal(one, condensed(other))


def test_what_is_condensed_is_condensed_no_further() -> None:
    once = condensed(evaluation())
    assert_equal(condensed(once), once)
    assert once.images.columns == ["label", "prediction", "confidence", "kstar"]


def test_condensing_changes_confidences_by_what_single_precision_has_at_most() -> None:
    whole = evaluation()
    small = condensed(whole)
    np.testing.assert_allclose(small.images["confidence"], whole.images["confidence"], rtol=2**-24, atol=0)
    for name in ("label", "prediction", "kstar"):
        assert small.images[name].to_list() == whole.images[name].to_list()
    for name in small.classes.columns:
        assert small.classes[name].to_list() == whole.classes[name].to_list(), name


def test_columns_that_a_run_lacks_stay_absent_and_undefined_values_stay_null() -> None:
    whole = evaluation()
    without_text = replace(
        whole,
        images=whole.images.drop("prediction", "confidence"),
        classes=whole.classes.drop("recall", "gamma_without").with_columns(
            gamma=pl.Series([None, 0.5, None], dtype=pl.Float64),
            kstar_mean_without=pl.Series([None, [0.5] * GROUPS, None], dtype=pl.Array(pl.Float32, GROUPS)),
        ),
    )
    write_baseline(FILE, [without_text])
    (found,) = read_baseline(FILE)
    assert_equal(found, condensed(without_text))
    assert "recall" not in found.classes.columns and "prediction" not in found.images.columns
    assert found.classes["gamma"].to_list() == [None, 0.5, None]


@pytest.mark.parametrize("is_sorted", [True, False])
def test_fifty_thousand_images_of_a_thousand_classes_take_less_than_a_megabyte(is_sorted: bool) -> None:
    random = np.random.default_rng(0)
    n_images, n_classes = 50_000, 1_000
    labels = np.repeat(np.arange(n_classes), n_images // n_classes)
    labels = labels if is_sorted else random.permutation(labels)
    images = pl.DataFrame(
        {
            "label": labels,
            "prediction": np.where(random.random(n_images) < 0.6, labels, random.integers(0, n_classes, n_images)),
            "confidence": random.beta(2, 2, n_images),
            "kstar": random.integers(1, 51, n_images),
        }
    )
    names = {
        "class": range(n_classes),
        "name": [f"class number {n}" for n in range(n_classes)],
        "n_images": [50] * 1000,
    }
    values = {name: random.normal(size=n_classes) for name in ("recall", "gamma", "kstar_mean", "nn1_accuracy")}
    without = [
        pl.Series(
            f"{name}_without",
            (values[name][:, None] + 0.1 * random.normal(size=(n_classes, GROUPS))).astype(np.float32),
            dtype=pl.Array(pl.Float32, GROUPS),
        )
        for name in ("gamma", "kstar_mean", "nn1_accuracy")
    ]
    classes = pl.DataFrame(names | values).with_columns(*without)
    run = hand_made(n_images=n_images, n_classes=n_classes)
    write_baseline(FILE, [Evaluation(run=run, images=images, classes=classes)])
    assert FILE.stat().st_size < 1_000_000
    assert_equal(read_baseline(FILE)[0], condensed(Evaluation(run=run, images=images, classes=classes)))


def test_a_file_holds_nothing_of_the_machine_it_was_made_on(folder: Path) -> None:
    write_baseline(folder / "deeper" / "b.parquet", [evaluation()])
    (row,) = pl.read_parquet(folder / "deeper" / "b.parquet").to_dicts()
    assert str(folder) not in json.dumps(row) and str(Path.home()) not in row["run"]
    assert str(folder).encode() not in (folder / "deeper" / "b.parquet").read_bytes()


def test_an_earlier_baseline_is_replaced_and_nothing_else_stays(folder: Path) -> None:
    write_baseline(FILE, [evaluation("a")])
    write_baseline(FILE, [evaluation("b")])
    assert read_baseline(FILE)[0].run.checkpoint.model == "b"
    assert [path.name for path in folder.iterdir()] == ["baseline.parquet"]


def test_the_same_evaluations_give_the_same_file() -> None:
    write_baseline(FILE, [evaluation()])
    before = FILE.read_bytes()
    write_baseline(FILE, [evaluation()])
    assert FILE.read_bytes() == before


@pytest.mark.parametrize("kind", ["text", "parquet"])
def test_what_is_no_baseline_is_neither_read_nor_replaced(kind: str) -> None:
    if kind == "text":
        FILE.write_text("version https://git-lfs.github.com/spec/v1\n")
    else:
        pl.DataFrame({"row": [1]}).write_parquet(FILE)
    before = FILE.read_bytes()
    assert refusal(FILE) == (
        "'baseline.parquet' is no baseline file; 'clipkstar baseline save RUNS --out FILE' writes one."
    )
    with pytest.raises(InputError) as raised:
        write_baseline(FILE, [evaluation()])
    assert str(raised.value) == "'baseline.parquet' is there and is no baseline file; choose another with --out."
    assert FILE.read_bytes() == before


def test_a_folder_is_no_place_for_a_baseline(folder: Path) -> None:
    with pytest.raises(InputError) as raised:
        write_baseline(Path(), [evaluation()])
    assert str(raised.value) == "'.' is a folder; --out needs a file, such as baseline.parquet."


def test_a_place_that_cannot_be_written_is_refused() -> None:
    Path("file").write_text("")
    with pytest.raises(InputError) as raised:
        write_baseline(Path("file/b.parquet"), [evaluation()])
    assert str(raised.value) == (
        "the baseline file 'file/b.parquet' cannot be written (File exists); choose another with --out."
    )


@pytest.mark.parametrize("mark", ["baseline_schema", "run_schema"])
def test_a_file_of_another_schema_is_refused(mark: str) -> None:
    write_baseline(FILE, [evaluation()])
    pl.read_parquet(FILE).with_columns(pl.lit(2).alias(mark)).write_parquet(FILE)
    said = mark.replace("_", " ")
    assert refusal(FILE) == f"the baseline file 'baseline.parquet' has {said} 2, this clipkstar reads 1; {AGAIN}."


@pytest.mark.parametrize("mark", ["baseline_schema", "run_schema"])
def test_a_file_with_a_row_of_another_schema_is_refused(mark: str) -> None:
    write_baseline(FILE, [evaluation()])
    table = pl.read_parquet(FILE)
    pl.concat([table, table.with_columns(pl.lit(7, dtype=pl.Int32).alias(mark))]).write_parquet(FILE)
    said = mark.replace("_", " ")
    assert refusal(FILE) == f"the baseline file 'baseline.parquet' has {said} 7, this clipkstar reads 1; {AGAIN}."


@pytest.mark.parametrize("value", ["one", None, float("nan"), [1]])
@pytest.mark.parametrize("mark", ["baseline_schema", "run_schema"])
def test_a_file_whose_schemas_are_no_numbers_is_no_baseline(mark: str, value: object) -> None:
    write_baseline(FILE, [evaluation()])
    pl.read_parquet(FILE).with_columns(pl.Series(mark, [value])).write_parquet(FILE)
    assert refusal(FILE) == (
        "'baseline.parquet' is no baseline file; 'clipkstar baseline save RUNS --out FILE' writes one."
    )


def test_a_name_as_long_as_a_file_may_have_does_and_a_longer_one_is_refused() -> None:
    write_baseline(Path("x" * 255), [evaluation()])
    assert len(read_baseline(Path("x" * 255))) == 1
    longer = Path("x" * 300)
    with pytest.raises(InputError) as raised:
        write_baseline(longer, [evaluation()])
    why = "(File name too long)"
    assert str(raised.value) == f"the baseline file '{longer}' cannot be written {why}; choose another with --out."
    assert refusal(longer) == f"'{longer}' cannot be read {why}; check the path."


def test_a_file_that_is_not_as_it_was_saved_is_refused() -> None:
    write_baseline(FILE, [evaluation()])
    table = pl.read_parquet(FILE)
    table.with_columns(pl.col("run").str.replace('"n_images":60', '"n_images":61')).write_parquet(FILE)
    assert refusal(FILE) == f"the baseline file 'baseline.parquet' is damaged (digits is not as it was saved); {AGAIN}."
    table.drop("image_label").write_parquet(FILE)
    assert refusal(FILE) == f"the baseline file 'baseline.parquet' is damaged (\"image_label\" not found); {AGAIN}."
    table.with_columns(run=pl.lit(None, dtype=pl.String)).write_parquet(FILE)
    assert refusal(FILE) == f"the baseline file 'baseline.parquet' is damaged (\"run\" is empty); {AGAIN}."
    table.with_columns(run=pl.lit(3, dtype=pl.Int32)).write_parquet(FILE)
    assert refusal(FILE) == (
        f"the baseline file 'baseline.parquet' is damaged (\"run\" is Int32 instead of String); {AGAIN}."
    )
    table.with_columns(image_label=pl.lit(3, dtype=pl.Int32)).write_parquet(FILE)
    assert refusal(FILE) == (
        f"the baseline file 'baseline.parquet' is damaged (\"image_label\" is Int32 instead of List(Int32)); {AGAIN}."
    )
    table.with_columns(run=pl.lit("{")).write_parquet(FILE)
    assert refusal(FILE).startswith("the baseline file 'baseline.parquet' is damaged (its record is not a readable run")


def test_a_file_with_changed_bytes_is_refused_or_holds_what_was_saved() -> None:
    saved = condensed(evaluation())
    write_baseline(FILE, [saved])
    whole = FILE.read_bytes()
    random = np.random.default_rng(0)
    n_refused = 0
    for _ in range(300):
        start = int(random.integers(4, len(whole) - 16))
        FILE.write_bytes(whole[:start] + random.bytes(16) + whole[start + 16 :])
        try:
            (found,) = read_baseline(FILE)
        except InputError as error:
            n_refused += 1
            assert str(error).endswith((f"{AGAIN}.", "'clipkstar baseline save RUNS --out FILE' writes one."))
        else:
            assert_equal(found, saved)
    assert n_refused > 100


def test_a_file_that_was_cut_is_no_baseline() -> None:
    write_baseline(FILE, [evaluation()])
    FILE.write_bytes(FILE.read_bytes()[:-20])
    assert refusal(FILE).startswith("'baseline.parquet' is no baseline file")
