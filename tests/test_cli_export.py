"""`clipkstar export`: from folders of runs and CLIP_benchmark's files to a file, or to stdout."""

import csv
import io
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from called import Call, call  # noqa: F401
from hand_made_runs import hand_made, write_failure, write_run
from huggingface_hub import ModelCard
from synthetic_store import make_store

FORMATS = ("model-index", "clip-benchmark", "csv", "parquet")
TABLE = (
    "acc1,acc5,mean_per_class_recall,dataset,model,pretrained,task,language,model_fullname\n"
    "0.5,0.75,0.25,vtab/pets,vit-000,final,zeroshot_classification,en,vit-000 final\n"
    "0.625,,0.5,cars,RN50,openai,zeroshot_classification,en,RN50 openai\n"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of four models on two data sets."""
    root = tmp_path_factory.mktemp("stores")
    make_store(root / "runs", n_models=4, n_data_sets=2)
    return root / "runs"


@pytest.fixture(autouse=True)
def runs(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that store in the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, tmp_path / "runs")
    return tmp_path / "runs"


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_without_options_all_scores_of_the_runs_go_to_stdout_as_csv(call: Call) -> None:
    said = call("export")
    assert (said.code, said.err) == (0, "")
    found = rows(said.out)
    assert [(row["task"], row["model"]) for row in found] == [
        (task, f"vit-{number:03d}") for task in ("set00", "set01") for number in range(4)
    ]
    assert call("export", "runs", "--out", "-").out == said.out


@pytest.mark.parametrize("kind", FORMATS[:3])
def test_a_file_has_what_stdout_would_have(call: Call, kind: str) -> None:
    chosen = ("export", "runs", "--format", kind, "--model", "vit-001")
    shown = call(*chosen)
    written = call(*chosen, "--out", "new/export.txt")
    assert (shown.code, written.code, written.out) == (0, 0, "")
    assert written.err == "clipkstar: written: new/export.txt\n"
    assert Path("new/export.txt").read_text() == shown.out
    assert [path.name for path in Path("new").iterdir()] == ["export.txt"]


def test_parquet_holds_the_table_of_csv(call: Call) -> None:
    assert call("export", "runs", "--format", "parquet", "--out", "all.parquet").code == 0
    call("export", "runs", "--out", "all.csv")
    typed = pl.read_parquet("all.parquet")
    text = pl.read_csv("all.csv", schema=typed.schema)
    assert typed.height == 8 and text.equals(typed)


def test_one_model_makes_a_card_that_the_hub_can_read(call: Call) -> None:
    assert call("export", "runs", "--format", "model-index", "--model", "vit-002/final", "--out", "README.md").code == 0
    data = ModelCard.load("README.md").data
    assert data.model_name == "vit-002 final"
    assert {one.dataset_name for one in data.eval_results} == {"set00", "set01"}


def test_several_models_make_no_card_and_write_nothing(call: Call) -> None:
    said = call("export", "runs", "--format", "model-index", "--out", "README.md")
    assert (said.code, said.out, Path("README.md").exists()) == (2, "", False)
    assert said.err == (
        "clipkstar: a model card is of one checkpoint, these results are of 4: open_clip--vit-000--final, "
        "open_clip--vit-001--final, transformers--vit-002--final, transformers--vit-003--final; choose one with "
        "--model, or name its folder.\n"
    )


@pytest.mark.parametrize(
    "model, models",
    [
        ("vit-00[12]", {"vit-001", "vit-002"}),
        ("vit-003", {"vit-003"}),
        ("*/final", {"vit-000", "vit-001", "vit-002", "vit-003"}),
        ("transformers--*", {"vit-002", "vit-003"}),
    ],
)
def test_models_are_chosen_by_a_pattern_of_model_tag_or_title(call: Call, model: str, models: set[str]) -> None:
    said = call("export", "runs", "--task", "set01", "--model", model)
    assert {(row["task"], row["model"]) for row in rows(said.out)} == {("set01", name) for name in models}


@pytest.mark.parametrize(
    "options, message",
    [
        (("--task", "set02"), "there is no evaluated task 'set02'; did you mean 'set01' or 'set00'?"),
        (
            ("--model", "RN50"),
            "no checkpoint of these results matches 'RN50'; there are open_clip--vit-000--final, "
            "open_clip--vit-001--final, transformers--vit-002--final, transformers--vit-003--final.",
        ),
        (("--format", "parquet"), "parquet is no text for a terminal; name a file with --out."),
        (("--out", "runs"), "'runs' is a folder; --out needs a file."),
        (("--out", "s3://bucket/a.csv"), "'s3:/bucket/a.csv' is an address; --out needs a file of this machine."),
        (
            ("--out", "notes.txt"),
            "the file 'notes.txt' is no earlier export as csv; choose another or move it away.",
        ),
        (
            ("--out", "notes.txt/a.csv"),
            "'notes.txt/a.csv' cannot be written (Not a directory); choose another with --out.",
        ),
        (
            ("--out", "x" * 300),
            f"'{'x' * 300}' cannot be written (File name too long); choose another with --out.",
        ),
        (("nowhere",), "'nowhere' does not exist; name a folder of runs, such as that of --runs of a sweep."),
        (("notes.txt",), "'notes.txt' is no folder; name a folder of runs, such as that of --runs of a sweep."),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence_and_nothing_is_written(
    call: Call, options: tuple[str, ...], message: str
) -> None:
    Path("notes.txt").write_text("mine")
    said = call("export", "runs", *options)
    assert (said.code, said.out, said.err) == (2, "", f"clipkstar: {message}\n")
    assert Path("notes.txt").read_text() == "mine"
    assert {path.name for path in Path().iterdir()} == {"runs", "notes.txt"}


def test_a_folder_without_runs_is_refused(call: Call) -> None:
    Path("empty").mkdir()
    said = call("export", "empty")
    assert (said.code, said.out, said.err) == (
        2,
        "",
        "clipkstar: 'empty' has no run that can be read; 'clipkstar sweep --runs FOLDER' makes some.\n",
    )


def test_an_unknown_format_is_refused(call: Call) -> None:
    said = call("export", "runs", "--format", "excel")
    assert said.code == 2
    assert all(f"'{kind}'" in said.err for kind in FORMATS)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_earlier_export_is_replaced_and_that_of_another_format_is_not(call: Call, kind: str) -> None:
    def export(format_name: str, model: str) -> int:
        return call("export", "runs", "--format", format_name, "--model", model, "--out", "export").code

    assert (export(kind, "vit-000"), export(kind, "vit-001")) == (0, 0)
    content = Path("export").read_bytes()
    assert b"vit-001" in content and b"vit-000" not in content
    assert [export(other, "vit-000") for other in FORMATS if other != kind] == [2, 2, 2]
    assert Path("export").read_bytes() == content


def test_of_a_model_card_that_somebody_wrote_the_results_alone_are_replaced(call: Call) -> None:
    Path("README.md").write_text("---\nlicense: mit\ntags:\n- clip\n---\n\n# My model\n\nTwo weeks of prose.\n")
    for model in ("vit-000", "vit-001"):
        said = call("export", "runs", "--format", "model-index", "--model", model, "--out", "README.md")
        assert (said.code, said.err) == (0, "clipkstar: written: README.md\n")
    card = ModelCard.load("README.md")
    assert (card.data.license, card.data.tags, card.data.model_name) == ("mit", ["clip"], "vit-001 final")
    assert card.text == "\n# My model\n\nTwo weeks of prose.\n"
    assert "vit-000" not in Path("README.md").read_text()


def test_what_is_no_model_card_or_cannot_be_changed_in_part_is_left(call: Call) -> None:
    for text, why in (
        ("prose alone\n", "the file 'README.md' is no model card; choose another or move it away."),
        (
            "---\nmodel-index: [\n]\n---\nprose\n",
            "the model-index of 'README.md' cannot be replaced without touching what stands around it; remove it "
            "there, or choose another file.",
        ),
    ):
        Path("README.md").write_text(text)
        said = call("export", "runs", "--format", "model-index", "--model", "vit-000", "--out", "README.md")
        assert (said.code, said.out, said.err) == (2, "", f"clipkstar: {why}\n")
        assert Path("README.md").read_text() == text


def test_a_disk_that_takes_no_more_leaves_the_earlier_export(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call("export", "runs", "--out", "all.csv")
    before = Path("all.csv").read_bytes()

    def full(self: Path, content: bytes) -> int:
        self.open("wb").close()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    said = call("export", "runs", "--task", "set00", "--out", "all.csv")
    assert (said.code, said.err) == (
        2,
        "clipkstar: 'all.csv' cannot be written (No space left on device); choose another place with --out.\n",
    )
    assert Path("all.csv").read_bytes() == before
    assert {path.name for path in Path().iterdir()} == {"runs", "all.csv"}


def test_failed_and_damaged_runs_are_said_and_the_rest_is_exported(call: Call, runs: Path) -> None:
    records = sorted((runs / "set00").glob("*/*/run.json"))
    records[0].write_text("{")
    write_failure(runs, task="set00", checkpoint="zoo--broken--final", sentence="it has no weights.")
    said = call("export", "runs")
    assert said.code == 0 and len(rows(said.out)) == 7
    assert "zoo--broken--final on set00 failed: it has no weights." in said.err
    assert "is not a readable run record" in said.err and str(runs.parent) not in said.err


def test_runs_and_a_table_of_clip_benchmark_make_one_table(call: Call) -> None:
    Path("swept.csv").write_text(TABLE)
    said = call("export", "runs", "swept.csv")
    found = rows(said.out)
    assert [row["source"] for row in found] == ["clipkstar"] * 8 + ["CLIP_benchmark"] * 2
    row = found[-1]
    assert (row["task"], row["dataset"], row["top1"], row["top5"]) == ("pets", "vtab/pets", "0.5", "0.75")
    assert {row[name] for name in ("family", "lineage", "precision", "n_images", "run_id", "gamma_approx")} == {""}
    assert [row["model"] for row in rows(call("export", "runs", "swept.csv", "--task", "cars").out)] == ["RN50"]


def test_a_table_of_clip_benchmark_alone_becomes_a_card(call: Call) -> None:
    Path("swept.csv").write_text(TABLE)
    call("export", "swept.csv", "--format", "model-index", "--model", "RN50", "--out", "README.md")
    (top1, recall) = ModelCard.load("README.md").data.eval_results
    assert (top1.dataset_name, top1.metric_value, recall.metric_value) == ("cars", 0.625, 0.5)


def test_equal_results_of_two_files_count_once_and_others_are_refused(call: Call) -> None:
    Path("a.csv").write_text(TABLE)
    Path("b.csv").write_text(TABLE.splitlines(keepends=True)[0] + TABLE.splitlines(keepends=True)[2])
    assert len(rows(call("export", "a.csv", "b.csv").out)) == 2
    Path("b.csv").write_text(TABLE.replace("0.625", "0.626"))
    assert call("export", "a.csv", "b.csv").err == (
        "clipkstar: 'b.csv' has another result of RN50 openai on cars than a file before it; leave one out.\n"
    )


def test_a_model_and_a_task_that_never_met_are_refused(call: Call) -> None:
    Path("swept.csv").write_text(TABLE)
    said = call("export", "swept.csv", "--model", "RN50", "--task", "pets")
    assert (said.code, said.err) == (
        2,
        "clipkstar: nothing that matches 'RN50' was evaluated on pets; choose others with --model and --task.\n",
    )


def test_a_table_without_zero_shot_results_is_refused(call: Call) -> None:
    Path("other.csv").write_text(TABLE.replace("zeroshot_classification", "zeroshot_retrieval"))
    said = call("export", "other.csv")
    assert (said.code, said.out, said.err) == (2, "", "clipkstar: 'other.csv' has no zero-shot result to export.\n")


def test_an_exact_name_goes_before_a_pattern(call: Call) -> None:
    for model in ("a[1]", "a1"):
        write_run(Path("odd"), hand_made(model))
    assert {row["model"] for row in rows(call("export", "odd", "--model", "a[1]").out)} == {"a[1]"}
    assert {row["model"] for row in rows(call("export", "odd", "--model", "a[12]").out)} == {"a1"}


def test_runs_of_hostile_names_are_exported_in_every_format(call: Call) -> None:
    write_run(Path("odd"), hand_made("=cmd()|'a'!A1", 'x"\n---\n: ', name="a,b\n", scores={"top1": 0.5}))
    for kind in FORMATS:
        said = call("export", "odd", "--format", kind, "--out", f"odd.{kind}")
        assert said.code == 0, said.err
        assert ("'=cmd()|" in said.err.replace('"', "'")) == (kind in ("csv", "clip-benchmark"))
    (row,) = rows(Path("odd.csv").read_text())
    assert (row["model"], row["pretrained"], row["task"]) == ("=cmd()|'a'!A1", 'x"\n---\n: ', "a,b\n")
    assert ModelCard.load("odd.model-index").data.eval_results[0].metric_value == 0.5


def test_nothing_heavy_is_imported(runs: Path) -> None:
    script = (
        "import sys; from clipkstar.cli import app; "
        "app(sys.argv[1:], standalone_mode=False); "
        "sys.stderr.write(' '.join({'torch', 'open_clip', 'datasets', 'sklearn', 'scipy', 'faiss'} & {*sys.modules}))"
    )
    for kind in FORMATS:
        command = [sys.executable, "-c", script, "export", str(runs), "--format", kind, "--model", "vit-000"]
        done = subprocess.run([*command, "--out", f"{kind}.out"], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, f"clipkstar: written: {kind}.out\n")
