"""From stores to points: one row per run, what counts, and sentences for what does not."""

import random
from pathlib import Path

import polars as pl
import pytest
from hand_made_runs import SCORES, digest, hand_made, write_failure, write_run
from polars.testing import assert_frame_equal
from synthetic_store import make_store

from clipkstar import stored_runs
from clipkstar.errors import InputError
from clipkstar.report.point_table import COLUMNS
from clipkstar.report.points import Points, read_points
from clipkstar.report.record import DataSet
from clipkstar.run import Run


def points_of(root: Path, *runs: Run) -> Points:
    """Write runs into a store and read it."""
    for run in runs:
        write_run(root, run)
    return read_points([root])


def same(one: Points, other: Points, *, but: tuple[str, ...] = ()) -> bool:
    assert_frame_equal(one.table.drop(but), other.table.drop(but))
    return (one.data_sets, one.notices) == (other.data_sets, other.notices)


def test_a_run_is_a_row_with_what_it_is_its_scores_and_intervals(tmp_path: Path) -> None:
    run = hand_made("a", scores={"rankme": None})
    points = points_of(tmp_path, run)
    assert points.table.columns[: len(COLUMNS)] == list(COLUMNS)
    (row,) = points.table.iter_rows(named=True)
    expected = {
        "data_set": "digits", "task": "digits", "model": "zoo--a--final", "family": "zoo", "lineage": "zoo/a",
        "training_run": "zoo/a", "stage": 0, "counted": True, "why_not": "", "counted_as": "zoo--a--final",
        "run_id": run.run_id, "folder": str(tmp_path / "digits" / "zoo--a--final" / run.run_id), "n_images": 8,
        "n_classes": 4, "seconds_total": 1.5, "top1_low": 0.0, "top1_high": 1.0,
        "gamma_approx_common": run.scores["gamma_approx"],
        "cosine_gamma_approx_common": run.scores["cosine_gamma_approx"],
    }  # fmt: skip
    assert row == expected | run.scores
    types = dict(points.table.schema)
    assert types["stage"] == types["n_images"] == types["n_classes"] == pl.Int64
    assert types["counted"] == pl.Boolean
    assert {types[name] for name in (*SCORES, "top1_low", "gamma_approx_common", "seconds_total")} == {pl.Float64}
    assert points.notices == ()


def test_a_data_set_counts_its_models_lineages_stages_and_copies(tmp_path: Path) -> None:
    points = points_of(
        tmp_path,
        hand_made("a", "1"),
        hand_made("a", "2"),
        hand_made("b", lineage="zoo/a"),
        hand_made("c", run_id="1"),
        hand_made("c", run_id="2", device="cuda"),
    )
    assert points.data_sets == (
        DataSet(
            label="digits", task="digits", fingerprint="f" * 64, precision="fp32", space="output", n_images=8,
            n_classes=4, limit=None, n_models=3, n_lineages=2, n_stages=1, n_copies=1, n_classes_left_out=0,
            n_classes_left_out_cosine=0,
        ),
    )  # fmt: skip
    assert points.table.select("model", "counted", "why_not", "counted_as").rows() == [
        ("zoo--a--1", False, "earlier stage", "zoo--a--2"),
        ("zoo--a--2", True, "", "zoo--a--2"),
        ("zoo--b--final", True, "", "zoo--b--final"),
        ("zoo--c--final", True, "", "zoo--c--final"),
        ("zoo--c--final", False, "equal weights", "zoo--c--final"),
    ]
    assert points.table["training_run"].to_list()[:3] == ["zoo/a (zoo--a)", "zoo/a (zoo--a)", "zoo/a (zoo--b)"]
    assert points.notices == (
        "digits: 2 stages of zoo/a (zoo--a) are one training run; the last one, zoo--a--2, counts.",
        "digits: 2 runs of zoo--c--final have equal weights and count once.",
    )


def test_four_stages_are_one_training_run_and_one_sentence(tmp_path: Path) -> None:
    names = ("stage1", "stage2", "stage10", "final")
    points = points_of(tmp_path, *(hand_made("tiny-p8", name) for name in names))
    assert points.notices == (
        "digits: 4 stages of zoo/tiny-p8 are one training run; the last one, zoo--tiny-p8--final, counts.",
    )
    stages = points.table.sort("stage")
    assert stages["model"].to_list() == [f"zoo--tiny-p8--{name}" for name in names]
    assert stages["counted"].to_list() == [False, False, False, True]


def test_lineages_that_share_weights_become_one_and_it_is_said(tmp_path: Path) -> None:
    points = points_of(
        tmp_path, hand_made("a", weights_sha256="1" * 64), hand_made("b", weights_sha256="1" * 64), hand_made("c")
    )
    assert points.table["lineage"].to_list() == ["zoo/a", "zoo/a", "zoo/c"]
    assert (points.data_sets[0].n_models, points.data_sets[0].n_lineages) == (2, 2)
    assert points.notices == (
        "the lineages zoo/a and zoo/b have weights or embeddings in common and are taken for one, zoo/a.",
        "digits: zoo--a--final and zoo--b--final have equal weights though their configurations differ; zoo--a--final "
        "counts.",
    )


def test_other_protocols_are_split_and_never_mixed(tmp_path: Path) -> None:
    points = points_of(
        tmp_path,
        hand_made("a"),
        hand_made("b"),
        hand_made("a", precision="fp16"),
        hand_made("a", limit=4, fingerprint="1"),
    )
    assert [data_set.label for data_set in points.data_sets] == ["digits", "digits (fp16)", "digits (sample of 4)"]
    assert points.table["data_set"].to_list() == ["digits", "digits", "digits (fp16)", "digits (sample of 4)"]
    assert points.table["counted"].all()
    assert points.notices == (
        "digits was evaluated in 3 ways, which are kept apart, since only equal images, prompts, precision and space "
        "compare (digits: 2 runs; digits (fp16): 1 run; digits (sample of 4): 1 run).",
    )


def test_gamma_is_the_mean_over_the_classes_that_all_have_and_the_others_are_said(tmp_path: Path) -> None:
    write_run(tmp_path, hand_made("a", scores={"gamma_approx": 2.0}), {"gamma": [1.0, 2.0, 3.0, 2.0]})
    write_run(tmp_path, hand_made("b", scores={"gamma_undefined": 1.0}), {"gamma": [None, 4.0, 5.0, 9.0]})
    write_run(tmp_path, hand_made("c", scores={"gamma_undefined": 1.0}), {"gamma": [6.0, 7.0, None, 9.0]})
    points = read_points([tmp_path])
    assert points.table["gamma_approx_common"].to_list() == [2.0, 6.5, 8.0]  # classes 1 and 3
    assert points.table["cosine_gamma_approx_common"].to_list() == [pytest.approx(0.15)] * 3
    assert (points.data_sets[0].n_classes_left_out, points.data_sets[0].n_classes_left_out_cosine) == (2, 0)
    assert points.notices == (
        "classes whose γ is undefined for a model that counts are left out of Γ′ for every model: digits 2 of 4 "
        "(cosine 0).",
    )


def test_an_uncounted_stage_with_an_undefined_class_changes_no_counted_number(tmp_path: Path) -> None:
    runs = [hand_made("a"), hand_made("b", "2")]
    alone = points_of(tmp_path / "alone", *runs)
    early = hand_made("b", "1", scores={"gamma_undefined": 1.0})
    write_run(tmp_path / "both", early, {"gamma": [9.0, None, 9.0, 9.0]})
    for run in runs:
        own = run.scores["gamma_approx"]
        write_run(tmp_path / "both", run, {"gamma": [own - 1, own + 1, own - 2, own + 2]})
    both = read_points([tmp_path / "both"])
    names = ["model", "gamma_approx_common"]
    expected = alone.table.select(names)
    assert_frame_equal(both.table.filter("counted").select(names), expected, abs_tol=1e-12)
    assert both.table.filter(model="zoo--b--1")["gamma_approx_common"].to_list() == [None]
    assert both.data_sets[0].n_classes_left_out == 0
    assert both.notices == ("digits: 2 stages of zoo/b are one training run; the last one, zoo--b--2, counts.",)


def test_two_loaders_of_the_same_weights_count_once_and_their_lineages_are_one(tmp_path: Path) -> None:
    equal = {"silhouette": 0.1, "rankme": 9.5, "uniformity": -2.5, "alignment": 1.25}
    equal |= {"gamma_approx": 0.5, "gamma_true": 0.25, "kstar_mean": 0.75, "cosine_gamma_approx": 0.3}
    other = {name: value * 1.00003 for name, value in equal.items()} | {"kstar_mean": 0.752}
    one = hand_made("a", scores=equal, lineage="open_clip/a")
    points = points_of(tmp_path, one, hand_made("b", scores=other, lineage="transformers/b"), hand_made("c"))
    assert points.table["why_not"].to_list() == ["", "equal embeddings", ""]
    assert points.table["lineage"].to_list() == ["open_clip/a", "open_clip/a", "zoo/c"]
    assert points.notices == (
        "the lineages open_clip/a and transformers/b have weights or embeddings in common and are taken for one, "
        "open_clip/a.",
        "digits: zoo--a--final and zoo--b--final have equal embeddings; zoo--a--final counts.",
    )


def test_equal_weights_of_two_configurations_count_once_and_it_is_said(tmp_path: Path) -> None:
    points = points_of(
        tmp_path,
        hand_made("a", weights_sha256="1" * 64, activation="gelu", lineage="zoo"),
        hand_made("b", weights_sha256="1" * 64, activation="quick_gelu", lineage="zoo"),
    )
    assert points.table["why_not"].to_list() == ["", "equal weights"]
    assert points.notices == (
        "digits: zoo--a--final and zoo--b--final have equal weights though their configurations differ; zoo--a--final "
        "counts.",
    )


def test_scores_of_an_older_version_of_a_metric_are_left_out_and_said(tmp_path: Path) -> None:
    old = {"kstar": "9", "zero_shot": "1"}
    new = {"kstar": "10", "zero_shot": "1"}
    undefined = {"gamma_undefined": 1.0}
    write_run(tmp_path, hand_made("a", metrics=old, scores=undefined), {"gamma": [None, 1.0, 1.0, 1.0]})
    points = points_of(
        tmp_path, hand_made("b", metrics=new), hand_made("c", metrics=new), hand_made("a", name="cars", metrics=old)
    )
    rows = points.table.filter(data_set="digits")
    for name in ("gamma_approx", "kstar_mean", "gamma_approx_common", "cosine_gamma_approx_common"):
        assert rows[name].is_null().to_list() == [True, False, False], name
    assert rows["top1"].null_count() == rows["top1_low"].null_count() == rows["rankme"].null_count() == 0
    assert points.table.filter(data_set="cars")["gamma_approx"].null_count() == 0
    assert points.data_sets[1].n_classes_left_out == 0
    assert points.notices == (
        "1 run without the scores of 'kstar', measured by an older version of it than 10, which does not compare "
        "(digits: 1); 'clipkstar score RUNS --force' or the same sweep again measures them anew.",
    )


def test_checkpoints_of_one_title_are_told_from_each_other_by_a_hash(tmp_path: Path) -> None:
    points = points_of(
        tmp_path,
        hand_made("a", weights_sha256="1" * 64),
        hand_made("a", weights_sha256="2" * 64),
        hand_made("a", weights_sha256="2" * 64, config_sha256="3" * 64),
        hand_made("b", config_sha256="4" * 64, weights_sha256="5" * 64),
        hand_made("b", config_sha256="6" * 64, weights_sha256="5" * 64, name="cars"),
    )
    assert points.table["model"].to_list() == [
        "zoo--b--final (66666666)",
        "zoo--a--final (11111111)",
        "zoo--a--final (22222222, 33333333)",
        f"zoo--a--final (22222222, {digest('a')[:8]})",
        "zoo--b--final (44444444)",
    ]


def test_models_of_unknown_weights_get_a_name_each_only_where_several_count(tmp_path: Path) -> None:
    unknown = {"weights_sha256": None, "config_sha256": ""}
    again = [hand_made("a", run_id=digit * 16, scores={"rankme": float(digit)}, **unknown) for digit in "12"]
    points = points_of(tmp_path, *again, hand_made("a", name="cars", **unknown))
    assert points.table.select("data_set", "model").rows() == [
        ("cars", "zoo--a--final"),
        ("digits", "zoo--a--final (11111111)"),
        ("digits", "zoo--a--final (22222222)"),
    ]


def test_the_same_run_in_two_stores_counts_once_as_the_one_with_most_scores(tmp_path: Path) -> None:
    run = hand_made("a")
    write_run(tmp_path / "one", hand_made("a", run_id=run.run_id, without=["rankme"]))
    write_run(tmp_path / "two", run)
    write_run(tmp_path / "two", hand_made("b"))
    points = read_points([tmp_path / "two", tmp_path / "one"])
    assert points.table["folder"].to_list()[0] == str(tmp_path / "two" / "digits" / "zoo--a--final" / run.run_id)
    assert points.table["counted"].to_list() == [True, True]
    assert points.notices == ("runs that are in several of the stores are taken once: 1.",)
    assert same(points, read_points([tmp_path / "one", tmp_path / "two"]))


def test_of_the_same_run_in_two_stores_the_newer_metrics_are_taken(tmp_path: Path) -> None:
    for place, version in (("one", "10"), ("two", "9")):
        of_version = {"run_id": "1" * 16, "metrics": {"zero_shot": version}, "scores": {"top1": int(version) / 100}}
        write_run(tmp_path / place, hand_made("a", **of_version))
    assert read_points([tmp_path / "one", tmp_path / "two"]).table["top1"].to_list() == [0.1]


def test_equal_work_under_two_names_is_two_rows_of_one_id(tmp_path: Path) -> None:
    equal = {"run_id": "1" * 16, "weights_sha256": "2" * 64, "config_sha256": "3" * 64, "lineage": "zoo"}
    points = points_of(tmp_path, hand_made("b", **equal), hand_made("a", **equal))
    assert points.table.select("model", "run_id", "why_not").rows() == [
        ("zoo--a--final", "1" * 16, ""),
        ("zoo--b--final", "1" * 16, "equal weights"),
    ]


def test_a_task_a_checkpoint_and_a_run_within_a_store_will_do(tmp_path: Path) -> None:
    place = write_run(tmp_path, hand_made("a"))
    write_run(tmp_path, hand_made("b"))
    write_run(tmp_path, hand_made("b", name="cars"))
    assert read_points([tmp_path / "digits"]).table.height == 2
    assert read_points([place.parent]).table.height == 1
    assert read_points([place]).table["model"].to_list() == ["zoo--a--final"]
    assert same(read_points([place, tmp_path, tmp_path / "digits", tmp_path]), read_points([tmp_path]))


def test_the_order_in_which_files_are_found_makes_no_difference(tmp_path: Path, monkeypatch) -> None:
    store = make_store(tmp_path, n_models=5, n_stages=2, n_data_sets=2, n_perfect=2)
    expected = read_points([store.root])

    found = stored_runs._folders
    for seed in range(3):
        shuffled = random.Random(seed)
        monkeypatch.setattr(
            stored_runs,
            "_folders",
            lambda *where, rng=shuffled: rng.sample(folders := list(found(*where)), len(folders)),
        )
        assert same(read_points([store.root]), expected)


def test_failed_pairs_are_told_with_the_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    write_failure(tmp_path, "zoo--b--final", "the weights are damaged; fetch them again.")
    assert points_of(tmp_path, hand_made("a")).notices == (
        "zoo--b--final on digits failed: the weights are damaged; fetch them again.",
    )


def test_of_many_failures_five_are_told(tmp_path: Path) -> None:
    for number in range(8):
        write_failure(tmp_path, f"m{number}", "no.")
    points = points_of(tmp_path, hand_made("a"))
    assert points.notices == (*(f"m{number} on digits failed: no." for number in range(5)), "3 more pairs failed.")


def test_an_unreadable_failure_is_said(tmp_path: Path) -> None:
    place = tmp_path / "runs" / "digits" / "b" / "failed.json"
    place.parent.mkdir(parents=True)
    place.write_text("{")
    assert points_of(tmp_path / "runs", hand_made("a")).notices == (
        "runs/digits/b/failed.json is no readable record of a failed run (Input data was truncated).",
    )


def test_what_cannot_be_read_is_one_sentence_each_without_the_place_of_the_store(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    newer, damaged, unfinished = (write_run(root, hand_made(name)) for name in "bcd")
    newer_record = (newer / "run.json").read_text().replace('"schema": 1', '"schema": 2')
    (newer / "run.json").write_text(newer_record)
    (damaged / "run.json").write_text("{")
    (unfinished / "images.parquet").unlink()
    points = points_of(root, hand_made("a"))
    assert points.table["model"].to_list() == ["zoo--a--final"]
    assert points.notices == (
        f"runs/digits/zoo--b--final/{newer.name}/run.json has record schema 2, this clipkstar reads 1; use other "
        "--runs.",
        f"runs/digits/zoo--c--final/{damaged.name}/run.json is not a readable run record (Input data was truncated); "
        "move it away or repeat with --force.",
        f"runs/digits/zoo--d--final/{unfinished.name} lacks a whole table and is left out; repeat the run.",
    )


def test_a_run_whose_class_table_cannot_be_read_is_left_out_where_it_is_needed(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    broken = write_run(root, hand_made("b", scores={"gamma_undefined": 1.0}), {"gamma": [None, 1.0, 1.0, 1.0]})
    (broken / "classes.parquet").write_bytes(b"PAR1PAR1")
    points = points_of(root, hand_made("a"))
    assert points.table["model"].to_list() == ["zoo--a--final"]
    assert points.data_sets[0].n_models == 1
    (notice,) = points.notices
    assert notice.startswith(f"the class table of runs/digits/zoo--b--final/{broken.name} cannot be read (")
    assert notice.endswith("); repeat the run with --force.")


def test_a_score_that_would_take_the_name_of_a_column_is_left_out_and_said(tmp_path: Path) -> None:
    points = points_of(tmp_path, hand_made("a", scores={"stage": 0.5, "top1_low": 0.9}))
    assert points.table["stage"].to_list() == [0]
    assert points.table["top1_low"].to_list() == [0.0]
    assert points.notices == (
        "the score 'stage' is left out: the report has a column of that name already; rename it in its metric.",
        "the score 'top1_low' is left out: the report has a column of that name already; rename it in its metric.",
    )


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as missing:
        read_points([tmp_path / "nowhere"])
    assert str(missing.value) == (
        f"'{tmp_path}/nowhere' does not exist; name a folder of runs, such as that of --runs of a sweep."
    )
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as file:
        read_points([tmp_path, tmp_path / "file"])
    assert (
        str(file.value) == f"'{tmp_path}/file' is no folder; name a folder of runs, such as that of --runs of a sweep."
    )


def test_stores_without_a_run_are_refused_and_why_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError) as empty:
        read_points([tmp_path])
    assert str(empty.value) == f"'{tmp_path}' has no run that can be read; 'clipkstar sweep --runs FOLDER' makes some."
    write_failure(tmp_path, "m", "the disk is full.")
    with pytest.raises(InputError) as failed:
        read_points([tmp_path])
    assert str(failed.value) == f"'{tmp_path}' has no run that can be read: m on digits failed: the disk is full."
    only = write_run(tmp_path, hand_made("a", scores={"gamma_undefined": 1.0}))
    (only / "classes.parquet").write_bytes(b"PAR1PAR1")
    with pytest.raises(InputError) as damaged:
        read_points([tmp_path])
    assert str(damaged.value).startswith(f"'{tmp_path}' has no run that can be read: ")


def test_an_empty_store_beside_another_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_run(tmp_path / "runs", hand_made("a"))
    points = read_points([tmp_path / "runs", tmp_path / "empty"])
    assert (points.table.height, points.notices) == (1, ("'empty' has no run.",))


def test_names_of_any_letters_come_through(tmp_path: Path) -> None:
    name = "<b>\"a\" & 'b'</b> — ü✓" + "x" * 178
    points = points_of(tmp_path, hand_made(name, name=name))
    assert points.table["model"].to_list() == [f"zoo--{name}--final"]
    assert [data_set.label for data_set in points.data_sets] == [name]


def test_a_synthetic_store_is_read_whole(tmp_path: Path) -> None:
    points = read_points([make_store(tmp_path, n_models=4, n_stages=2, n_data_sets=3, n_perfect=2).root])
    assert points.table.height == 4 * 2 * 3
    assert [data_set.n_models for data_set in points.data_sets] == [4, 4, 4]
    assert [data_set.n_lineages for data_set in points.data_sets] == [2, 2, 2]
