"""The tables of a report hold its records, one a row."""

from dataclasses import fields
from pathlib import Path

import polars as pl
from synthetic_store import make_store

from clipkstar.report.points import read_points
from clipkstar.report.record import Partial, Verdict
from clipkstar.report.statistics import statistics
from clipkstar.report.tables import KINDS, table, tables, write_table


def test_there_is_a_table_for_each_kind_of_record_with_all_fields_and_rows(tmp_path: Path) -> None:
    make_store(tmp_path / "runs", n_models=6, n_data_sets=2)
    found = statistics(read_points([tmp_path / "runs"]), n_resamples=50)
    made = tables(found, ())
    assert {name: rows.columns for name, rows in made.items()} == {
        name: [field.name for field in fields(kind)] for name, kind in KINDS.items()
    }
    assert [made[name].height for name in ("data_sets", "verdicts", "classes")] == [2, 2, 0]
    assert made["correlations"]["value"].to_list() == [one.value for one in found.correlations]


def test_names_become_one_cell_and_what_is_undefined_is_null() -> None:
    record = Partial(
        data_set="", score="gamma_approx", given=("nn1_accuracy", "kstar_mean"), value=None, low=None, high=None,
        n_models=3, n_lineages=2, reason="too few",
    )  # fmt: skip
    rows = table(Partial, [record])
    assert rows.row(0) == ("", "gamma_approx", "nn1_accuracy, kstar_mean", None, None, None, 3, 2, "too few")
    assert rows.schema["value"] == pl.Float64 and rows.schema["n_models"] == pl.Int64


def test_a_table_without_rows_has_its_columns_all_the_same(tmp_path: Path) -> None:
    write_table(tmp_path, "verdicts", table(Verdict, []))
    for read in (pl.read_csv, pl.read_parquet):
        path = tmp_path / f"verdicts.{read.__name__.removeprefix('read_')}"
        assert read(path).columns == [field.name for field in fields(Verdict)]
