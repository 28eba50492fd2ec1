"""Γ′ over the classes that every model has a γ for."""

from math import nan
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hand_made_runs import hand_made, write_run
from hypothesis import given
from hypothesis import strategies as st

from clipkstar.errors import InputError
from clipkstar.report.common_classes import common_means, need_tables, read_gammas
from clipkstar.skewness import mean_defined

RUNS = [hand_made("a"), hand_made("b")]
GAMMA = st.one_of(st.just(nan), st.floats(-5, 5))


def test_without_an_undefined_class_the_runs_own_values_are_taken() -> None:
    assert not need_tables(RUNS)
    means = common_means(RUNS, None, counted=[True] * 2, prefix="")
    assert means.values == tuple(run.scores["gamma_approx"] for run in RUNS)
    assert means.n_left_out == 0


@pytest.mark.parametrize("name", ["gamma_undefined", "singleton_classes", "cosine_gamma_undefined"])
def test_one_undefined_class_of_one_run_asks_for_the_tables(name: str) -> None:
    assert need_tables([*RUNS, hand_made("c", scores={name: 1.0})])


def test_classes_without_images_are_left_out_of_the_mean_and_counted() -> None:
    runs = [hand_made(name, n_classes=7) for name in "ab"]
    assert common_means(runs, None, counted=[True] * len(runs), prefix="").n_left_out == 3


def test_the_mean_is_over_the_classes_that_both_have() -> None:
    gammas = [{"": np.array([1.0, nan, 3.0, 8.0])}, {"": np.array([5.0, 6.0, 7.0, nan])}]
    means = common_means(RUNS, gammas, counted=[True] * 2, prefix="")
    assert means.values == (2.0, 6.0)  # classes 0 and 2
    assert means.n_left_out == 2


def test_a_run_that_does_not_count_takes_no_class_away_and_has_no_mean_where_it_lacks_one() -> None:
    runs = [*RUNS, hand_made("c"), hand_made("d")]
    gammas = [
        {"": np.array([1.0, nan, 3.0, 8.0])}, {"": np.array([5.0, 6.0, 7.0, 9.0])},
        {"": np.array([nan, 1.0, 1.0, 1.0])}, {"": np.array([3.0, nan, 3.0, 6.0])},
    ]  # fmt: skip
    means = common_means(runs, gammas, counted=[True, True, False, False], prefix="")
    assert (means.values, means.n_left_out) == ((4.0, 7.0, None, 4.0), 1)  # classes 0, 2 and 3


def test_where_no_run_that_counts_has_a_gamma_there_is_no_mean() -> None:
    runs = [RUNS[0], hand_made("c", scores={"gamma_approx": None, "gamma_undefined": 4.0})]
    means = common_means(runs, [{"": np.ones(4)}, {"": np.full(4, nan)}], counted=[False, True], prefix="")
    assert (means.values, means.n_left_out) == ((None, None), 4)


def test_where_no_class_is_common_there_is_no_mean() -> None:
    gammas = [{"": np.array([1.0, nan, 2.0, nan])}, {"": np.array([nan, 2.0, nan, nan])}]
    means = common_means(RUNS, gammas, counted=[True] * 2, prefix="")
    assert (means.values, means.n_left_out) == ((None, None), 4)


def test_a_run_without_any_gamma_takes_no_class_from_the_others() -> None:
    runs = [*RUNS, hand_made("c", scores={"gamma_approx": None, "gamma_undefined": 4.0})]
    gammas = [{"": np.array([1.0, 2.0, 3.0, 4.0])}, {"": np.array([1.0, 1.0, 1.0, nan])}, {"": np.full(4, nan)}]
    means = common_means(runs, gammas, counted=[True] * len(runs), prefix="")
    assert (means.values, means.n_left_out) == ((2.0, 1.0, None), 1)


def test_where_no_run_has_a_gamma_all_classes_are_left_out() -> None:
    runs = [hand_made("a", scores={"gamma_approx": None, "gamma_undefined": 4.0})]
    means = common_means(runs, [{"": np.full(4, nan)}], counted=[True], prefix="")
    assert (means.values, means.n_left_out) == ((None,), 4)


def test_a_run_where_kstar_was_not_measured_has_no_mean_and_takes_none_away() -> None:
    runs = [hand_made("a", without=["gamma_approx"]), hand_made("b", scores={"gamma_undefined": 1.0})]
    means = common_means(runs, [{}, {"": np.array([1.0, nan, 3.0, 5.0])}], counted=[True] * 2, prefix="")
    assert (means.values, means.n_left_out) == ((None, 3.0), 1)
    assert common_means(runs[:1], None, counted=[True], prefix="").n_left_out == 0


@given(st.lists(st.lists(GAMMA, min_size=4, max_size=4), min_size=1, max_size=5))
def test_it_is_the_runs_own_mean_to_the_last_bit_where_nothing_is_left_out_and_else_that_of_a_loop(rows) -> None:
    own = [mean_defined(row) for row in rows]
    runs = [hand_made(f"m{number}", scores={"gamma_approx": value}) for number, value in enumerate(own)]
    means = common_means(runs, [{"": np.array(row)} for row in rows], counted=[True] * len(runs), prefix="")
    there = [row for row in rows if any(value == value for value in row)]
    kept = [place for place in range(4) if there and all(row[place] == row[place] for row in there)]
    assert means.n_left_out == 4 - len(kept)
    if len(kept) == 4:
        assert [value for value in means.values if value is not None] == [value for value in own if value is not None]
    for row, value in zip(rows, means.values, strict=True):
        expected = sum(row[place] for place in kept) / len(kept) if kept and row in there else None
        assert value == (None if expected is None else pytest.approx(expected, abs=1e-12))


def test_gammas_are_those_of_the_tables_and_of_what_was_measured(tmp_path: Path) -> None:
    run = hand_made("a", without=["cosine_gamma_approx"])
    folder = write_run(tmp_path, run, {"gamma": [1.0, None, 2.0, 3.0]})
    (gammas,) = read_gammas([run], [folder])
    assert not isinstance(gammas, InputError)
    assert list(gammas) == [""]
    np.testing.assert_array_equal(gammas[""], [1.0, nan, 2.0, 3.0])


def test_tables_of_different_columns_are_read_all_the_same(tmp_path: Path) -> None:
    more = hand_made("a")
    less = hand_made("b", without=["gamma_approx", "cosine_gamma_approx"])
    folders = [write_run(tmp_path, more), write_run(tmp_path, less)]
    pl.DataFrame({"class": range(4), "recall": [0.5] * 4}).write_parquet(folders[1] / "classes.parquet")
    both, none = read_gammas([more, less], folders)
    assert not isinstance(both, InputError)
    assert (sorted(both), none) == (["", "cosine_"], {})


def test_a_store_in_a_folder_with_brackets_is_read(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs [1] *", hand_made("a"))
    assert not isinstance(read_gammas([hand_made("a")], [folder])[0], InputError)


def test_a_damaged_table_is_refused_alone(tmp_path: Path) -> None:
    runs = [hand_made("a"), hand_made("b"), hand_made("c")]
    folders = [write_run(tmp_path, run) for run in runs]
    pl.DataFrame({"class": range(3), "gamma": [0.5] * 3, "cosine_gamma": [0.5] * 3}).write_parquet(
        folders[1] / "classes.parquet"
    )
    (folders[2] / "classes.parquet").write_bytes(b"PAR1 no more than its marks PAR1")
    first, second, third = read_gammas(runs, folders)
    assert not isinstance(first, InputError)
    other = f"the class table of {folders[1]} is not that of its run.json; repeat the run with --force."
    assert str(second) == other
    assert str(third).startswith(f"the class table of {folders[2]} cannot be read (")
    assert str(third).endswith("); repeat the run with --force.")
    assert "\n" not in str(third)
