"""`clipkstar report`: from folders of runs to a folder with a page, tables, figures and the numbers behind them."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from called import Call, call  # noqa: F401
from hand_made_runs import hand_made, write_failure, write_run
from synthetic_store import make_store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of eight models, two of a lineage, on two data sets."""
    root = tmp_path_factory.mktemp("stores")
    make_store(root / "runs", n_models=8, n_data_sets=2)
    return root


@pytest.fixture(autouse=True)
def runs(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that store in the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / "runs", tmp_path / "runs")
    return tmp_path / "runs"


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


TABLES = ("classes", "correlations", "data_sets", "partial", "points", "pooled", "rankings", "verdicts")
FIGURES = ("accuracy-gamma_approx--set00", "accuracy-gamma_approx--set01", "forest", "heatmap")


def test_a_report_has_a_page_a_record_a_summary_tables_and_figures(call: Call) -> None:
    said = call("report", "--detail", "none")
    assert said.code == 0, said.err
    assert files(Path("report")) == sorted(
        [
            *("index.html", "report.json", "summary.md"),
            *(f"tables/{name}.{kind}" for name in TABLES for kind in ("csv", "parquet")),
            *(f"figures/{name}.{kind}" for name in FIGURES for kind in ("png", "svg")),
        ]
    )
    assert said.out.startswith(
        "Of 2 data sets, none follows the claim that a lower Γ′ goes with a higher zero-shot accuracy, "
    )
    assert said.out.endswith("The report: report/index.html (page), report/summary.md, tables and figures beside.\n")


def test_the_record_is_strict_json_without_a_path_of_this_machine(call: Call, runs: Path) -> None:
    call("report", "--detail", "none")
    text = Path("report/report.json").read_text()
    record = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert record["schema"] == 1
    assert [verdict["judgement"] for verdict in record["statistics"]["verdicts"]] == ["undecided"] * 2  # 4 lineages
    written = [Path("report", name) for name in files(Path("report")) if not name.endswith((".png", ".parquet"))]
    assert [path for path in written if str(runs.parent) in path.read_text()] == []
    points = pl.read_parquet("report/tables/points.parquet")
    assert record["points"] == points.to_dict(as_series=False) and "folder" not in points.columns


def test_json_prints_the_record(call: Call) -> None:
    said = call("report", "--detail", "none", "--json")
    assert json.loads(said.out) == json.loads(Path("report/report.json").read_text())


def test_the_best_and_the_worst_model_have_pages_and_so_have_those_that_are_named(call: Call) -> None:
    said = call("report", "--out", "elsewhere")
    assert said.code == 0, said.err
    pages = files(Path("elsewhere/runs"))
    assert len(pages) == 4  # two models on two data sets
    assert all(f'href="runs/{page}"' in Path("elsewhere/index.html").read_text() for page in pages)
    record = json.loads(Path("elsewhere/report.json").read_text())
    assert {one["score"] for one in record["classes"]} == {"gamma", "kstar_mean"} and len(record["classes"]) == 8
    model = pl.read_parquet("elsewhere/tables/points.parquet")["model"][0]
    call("report", "--out", "elsewhere", "--detail", "none", "--detail", f"{model}@set00")
    assert len(files(Path("elsewhere/runs"))) == 1


def test_the_same_runs_give_the_same_report(call: Call) -> None:
    call("report", "--out", "one", "--detail", "none")
    call("report", "--out", "two", "--detail", "none")
    for name in ("report.json", "index.html", "summary.md", "tables/points.csv", "figures/forest.svg"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes(), name


def test_failed_and_damaged_runs_and_those_of_another_schema_are_said_and_left_out(call: Call, runs: Path) -> None:
    records = sorted((runs / "set00").glob("*/*/run.json"))
    records[0].write_text("{")
    records[1].write_text(records[1].read_text().replace('"schema": 1', '"schema": 2', 1))
    write_failure(runs, task="set00", checkpoint="zoo--broken--final", sentence="it has no weights.")
    said = call("report", "--detail", "none")
    assert said.code == 0, said.err
    notices = json.loads(Path("report/report.json").read_text())["notices"]
    assert [sentence for sentence in notices if f"clipkstar: {sentence}" not in said.err] == []
    assert any("zoo--broken--final" in sentence and "it has no weights." in sentence for sentence in notices)
    assert any("has record schema 2, this clipkstar reads 1" in sentence for sentence in notices)
    assert any("is not a readable run record" in sentence for sentence in notices)
    assert pl.read_parquet("report/tables/points.parquet").filter(data_set="set00").height == 6


def test_one_model_only_is_reported_as_undecided(call: Call, runs: Path) -> None:
    for folder in sorted((runs / "set00").iterdir())[1:]:
        shutil.rmtree(folder)
    shutil.rmtree(runs / "set01")
    said = call("report")
    assert said.code == 0, said.err
    (verdict,) = json.loads(Path("report/report.json").read_text())["statistics"]["verdicts"]
    assert (verdict["judgement"], verdict["value"], verdict["n_models"]) == ("undecided", None, 1)
    assert verdict["reason"]


def test_several_stores_make_one_report_and_a_run_in_both_counts_once(call: Call, runs: Path) -> None:
    shutil.copytree(runs / "set00", Path("more/set00"))
    said = call("report", "runs", "more", "--detail", "none")
    assert said.code == 0, said.err
    assert pl.read_parquet("report/tables/points.parquet").height == 16


def test_a_store_without_a_run_is_refused_and_nothing_is_written(call: Call) -> None:
    Path("empty").mkdir()
    said = call("report", "empty")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("clipkstar: ") and "'empty'" in said.err and said.err.count("\n") == 1
    assert not Path("report").exists()


def test_a_folder_that_is_not_there_is_refused(call: Call) -> None:
    said = call("report", "nowhere")
    assert said.code == 2 and "'nowhere'" in said.err and said.err.count("\n") == 1
    assert not Path("report").exists()


def test_a_page_for_a_model_that_is_not_there_is_refused_with_the_nearest_name(call: Call) -> None:
    model = call("report", "--detail", "none") and pl.read_parquet("report/tables/points.parquet")["model"][0]
    before = Path("report/index.html").stat().st_mtime_ns
    said = call("report", "--detail", f"{model}x")
    assert said.code == 2 and f"did you mean '{model}'" in said.err
    assert Path("report/index.html").stat().st_mtime_ns == before


def test_a_reference_table_with_unknown_columns_is_said_and_the_rest_is_made(call: Call) -> None:
    Path("published.csv").write_text("who,what\n1,2\n")
    said = call("report", "--detail", "none", "--reference", "published.csv")
    assert said.code == 0
    assert said.err.splitlines()[-1] == (
        "clipkstar: nothing is compared with published numbers: 'published.csv' is no table of published results; it "
        "needs the columns of open_clip's (name, pretrained, CIFAR-10, …) or of CLIP_benchmark's (dataset, model, "
        "pretrained, acc1, acc5, mean_per_class_recall)."
    )
    assert "tables/reference.csv" not in files(Path("report"))


def test_a_reference_stands_beside_the_runs_that_it_has(call: Call, runs: Path) -> None:
    published = hand_made(
        "ViT-B-32", "openai", name="cifar10", family="open_clip", activation="quick_gelu", n_images=10_000,
        scores={"top1": 0.8983},
    )  # fmt: skip
    write_run(runs, published)
    Path("published.csv").write_text("name,pretrained,CIFAR-10\nViT-B-32-quickgelu,openai,0.8981\n")
    said = call("report", "--detail", "none", "--reference", "published.csv")
    assert said.code == 0, said.err
    (row,) = pl.read_csv("report/tables/reference.csv").to_dicts()
    assert (row["task"], row["ours"], row["reference"], row["verdict"]) == ("cifar10", 0.8983, 0.8981, "equal")
    assert "| ViT-B-32 openai | cifar10 | 0.8983 | 0.8981 | 0.0003 | equal |" in Path("report/summary.md").read_text()
    assert "0.8981" in Path("report/index.html").read_text()


def test_a_reference_without_any_of_the_runs_is_said(call: Call) -> None:
    Path("published.csv").write_text("name,pretrained,CIFAR-10\nViT-B-32,openai,0.9\n")
    said = call("report", "--detail", "none", "--reference", "published.csv")
    assert said.code == 0
    assert said.err.splitlines()[-1] == (
        "clipkstar: nothing is compared with published numbers: 'published.csv' has none of the models of these runs "
        "on their data sets."
    )


def test_a_reference_that_is_not_there_is_refused_before_anything_is_made(call: Call) -> None:
    said = call("report", "--reference", "typo.csv")
    assert (said.code, said.out) == (2, "")
    assert said.err == "clipkstar: there is no file of published results 'typo.csv'; check the path.\n"
    assert not Path("report").exists()


def test_a_folder_with_other_files_is_refused_before_anything_is_read(call: Call, runs: Path) -> None:
    said = call("report", "--out", "runs")
    assert (said.code, said.out) == (2, "")
    assert said.err == ("clipkstar: the folder 'runs' holds 'set00', which is of no earlier report; choose another.\n")


def test_names_with_markup_quotes_and_two_hundred_characters_break_nothing(call: Call, runs: Path) -> None:
    hostile = "<script>alert('x')</script>\" & 'é猫' " + "x" * 200
    for record in sorted(runs.glob("*/*/*/run.json"))[:2]:
        content = json.loads(record.read_text())
        content["checkpoint"]["model"] = hostile
        record.write_text(json.dumps(content))
    said = call("report")
    assert said.code == 0, said.err
    page = Path("report/index.html").read_text()
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert pl.read_csv("report/tables/points.csv")["model"].str.contains(hostile, literal=True).any()
