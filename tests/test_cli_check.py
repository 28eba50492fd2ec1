"""`clipkstar check` and `clipkstar baseline` on real runs of the zoo: a verdict, an exit code, files."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch
from called import Call, call  # noqa: F401

from clipkstar import cli
from clipkstar.encoders import zoo

SCORES = ["top1", "mean_class_recall", "ece", "gamma_approx", "kstar_mean", "nn1_accuracy"]


def evaluated(runs: Path, *arguments: str) -> None:
    """Run `clipkstar eval` on digits."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["clipkstar", "eval", "--task", "digits", "--runs", str(runs), *arguments])
        cli.main()
    assert not ended.value.code


def quantized(tensor: torch.Tensor) -> torch.Tensor:
    """Round each row of a matrix to multiples of a 127th of its largest number, as an int8 copy has it."""
    if tensor.ndim < 2:
        return tensor
    step = tensor.flatten(1).abs().amax(dim=1).reshape(-1, *[1] * (tensor.ndim - 1)).clamp(min=1e-6) / 127
    return ((tensor / step).round() * step).contiguous()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores: final, stage1, int8 (weights of final in 255 steps a row), bf16 (final evaluated in it)."""
    from safetensors.torch import load_file, save_file

    root = tmp_path_factory.mktemp("gate")
    final, int8 = zoo.FOLDER / "tiny-p8" / "final", root / "weights" / "tiny-p8" / "int8"
    shutil.copytree(final, int8)
    shutil.copy(zoo.FOLDER / "bpe.txt.gz", root / "weights")
    weights = load_file(final / "open_clip_model.safetensors")
    save_file({name: quantized(tensor) for name, tensor in weights.items()}, int8 / "open_clip_model.safetensors")
    evaluated(root / "final", "--model", "tiny-p8", "--pretrained", "final")
    evaluated(root / "stage1", "--model", "tiny-p8", "--pretrained", "stage1")
    evaluated(root / "int8", "--model", f"local-dir:{int8}")
    evaluated(root / "bf16", "--model", "tiny-p8", "--pretrained", "final", "--precision", "bf16")
    return root


@pytest.fixture(autouse=True)
def stores(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory holds links to the stores; no service runs the tests."""
    for name in ("final", "stage1", "int8", "bf16"):
        (tmp_path / name).symlink_to(made / name)
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


def record(call: Call, command: str, *more: str) -> tuple[int, dict]:
    said = call(f"{command} --json", *more)
    return said.code, json.loads(said.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def files() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if not path.is_symlink())


# verdicts


@pytest.mark.parametrize("form", ["store", "baseline file"])
def test_a_final_model_against_its_own_earlier_stage_fails_the_stage(call: Call, form: str) -> None:
    baseline = "final"
    if form == "baseline file":
        assert call("baseline save final --out b.parquet").code == 0
        baseline = "b.parquet"
    said = call(f"check stage1 --baseline {baseline}")
    assert said.code == 1, said.err
    code, check = record(call, f"check stage1 --baseline {baseline}")
    assert (code, check["verdict"], check["candidate"]["pretrained"]) == (1, "fail", "stage1")
    found = {one["score"]: one for one in check["comparisons"]}
    assert list(found) == SCORES
    assert found["top1"]["verdict"] == "fail" and found["top1"]["difference"] < -0.05
    assert found["top1"]["high"] < 0 and found["top1"]["p_corrected"] < 0.001
    assert found["top1"]["reason"].startswith("a worsening beyond 0 is established: −")
    worse = [one["name"] for one in check["classes"] if one["established"] and one["score"] == "recall"]
    assert worse and all(one["difference"] < 0 for one in check["classes"] if one["score"] == "recall")
    assert "digits" in said.out and worse[0] in said.out


def test_from_the_store_and_from_a_baseline_file_comes_the_same_check(call: Call) -> None:
    call("baseline save final --out b.parquet")
    assert record(call, "check stage1 --baseline final") == record(call, "check stage1 --baseline b.parquet")
    call("baseline save stage1 --out c.parquet")
    assert record(call, "check stage1 --baseline final") == record(call, "check c.parquet --baseline b.parquet")


@pytest.mark.parametrize("mode", ["regression", "non-inferiority"])
@pytest.mark.parametrize("form", ["store", "baseline file"])
def test_an_encoder_against_itself_passes_with_differences_of_exactly_0(call: Call, form: str, mode: str) -> None:
    call("baseline save final --out b.parquet")
    code, check = record(call, f"check final --baseline {'final' if form == 'store' else 'b.parquet'} --mode {mode}")
    assert (code, check["verdict"], check["mode"], check["classes"]) == (0, "pass", mode, [])
    assert [one["score"] for one in check["comparisons"]] == SCORES
    assert all(
        (one["difference"], one["low"], one["high"], one["power"]) == (0, 0, 0, 1) for one in check["comparisons"]
    )


def test_quantized_weights_are_judged_with_evidence(call: Call) -> None:
    code, check = record(call, "check int8 --baseline final")
    found = {one["score"]: one for one in check["comparisons"]}
    assert list(found) == SCORES
    assert check["candidate"]["weights_sha256"] != check["baseline"]["weights_sha256"]
    assert all(one["low"] is not None and one["p_corrected"] is not None for one in found.values())
    assert found["ece"]["low"] < found["ece"]["high"]  # other numbers, so that it is no comparison with itself
    assert abs(found["top1"]["difference"]) < 0.01 and code == 0


def test_another_precision_is_refused_and_judged_where_it_is_asked_for(call: Call) -> None:
    said = call("check bf16 --baseline final --summary s.md --junit j.xml")
    assert (said.code, said.out, files()) == (2, "", [])
    assert said.err == (
        "clipkstar: the candidate 'zoo--tiny-p8--final' does not compare with the baseline 'zoo--tiny-p8--final' on "
        "digits: another precision (bf16 instead of fp32); evaluate both alike, or compare with --across precision.\n"
    )
    code, check = record(call, "check bf16 --baseline final --across precision")
    assert code == 0 and [one["score"] for one in check["comparisons"]] == SCORES
    assert any(one["difference"] != 0 for one in check["comparisons"])
    Path("gate.toml").write_text('across = ["precision"]\n[scores.top1]\ntolerance = 0.02\n')
    code, check = record(call, "check bf16 --baseline final --policy gate.toml")
    assert code == 0
    assert [(one["score"], one["tolerance"]) for one in check["comparisons"]] == [("top1", 0.02)]


def test_undecided_is_0_in_regression_and_1_in_non_inferiority(call: Call) -> None:
    Path("gate.toml").write_text("[scores.gamma_approx]\ntolerance = 0.001\neffect = 0.001\n")
    for mode, expected in (("regression", 0), ("non-inferiority", 1)):
        code, check = record(call, f"check int8 --baseline final --policy gate.toml --mode {mode}")
        assert (code, check["verdict"]) == (expected, "undecided"), check
        (one,) = check["comparisons"]
        assert one["reason"].startswith("undecided: ")


# output


def test_junit_and_summary_are_written_and_replace_earlier_ones(call: Call) -> None:
    Path("s.md").write_text("old")
    said = call("check stage1 --baseline final --junit deeper/j.xml --summary s.md")
    assert said.code == 1
    root = ElementTree.parse("deeper/j.xml").getroot()
    assert len(root.findall(".//failure")) >= 1 and len(root.findall(".//testcase")) >= len(SCORES)
    assert Path("s.md").read_text().startswith("## Fail: ")
    assert files() == ["deeper", "s.md"] and [path.name for path in Path("deeper").iterdir()] == ["j.xml"]
    assert said.err == ""


def test_a_name_as_long_as_a_file_may_have_does(call: Call) -> None:
    assert call(f"check final --baseline final --summary {'x' * 255}").code == 0
    assert files() == ["x" * 255]


def test_the_summary_is_appended_to_what_github_shows_and_annotations_go_to_stderr(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("step.md").write_text("# before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "step.md")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    said = call("check stage1 --baseline final --summary s.md")
    assert Path("step.md").read_text() == "# before\n" + Path("s.md").read_text() + "\n"
    assert said.err.startswith("::error title=") and "::error" not in said.out


def test_a_step_summary_that_cannot_be_written_is_said_and_changes_no_verdict(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "missing/step.md")
    said = call("check final --baseline final")
    assert (said.code, said.err) == (
        0,
        "clipkstar: candidate and baseline are the same weights, 45206a39.\n"
        "clipkstar: GITHUB_STEP_SUMMARY, 'missing/step.md', cannot be written (No such file or directory).\n",
    )


@pytest.mark.parametrize(
    ("places", "sentence"),
    [
        ("--junit final", "'final' is a folder; --junit needs a file."),
        ("--junit /dev/null", "'/dev/null' is no file; --junit needs a file."),
        ("--summary file/s.md", "'file/s.md' cannot be written (Not a directory); choose another with --summary."),
        (
            f"--summary {'x' * 300}",
            f"'{'x' * 300}' cannot be written (File name too long); choose another with --summary.",
        ),
        ("--junit x --summary ./x", "--junit and --summary name the same file 'x'; give each its own."),
    ],
)
def test_places_that_cannot_be_written_are_refused_before_anything_is_read(
    call: Call, places: str, sentence: str
) -> None:
    Path("file").write_text("")
    said = call(f"check nowhere --baseline nowhere {places}")
    assert (said.code, said.out, said.err, files()) == (2, "", f"clipkstar: {sentence}\n", ["file"])


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (
            "check nowhere --baseline final",
            "the candidate 'nowhere' does not exist; name a folder of runs, or a file of 'clipkstar baseline save'.",
        ),
        (
            "check final --baseline nowhere.parquet",
            "the baseline 'nowhere.parquet' does not exist; name a folder of runs, or a file of 'clipkstar baseline "
            "save'.",
        ),
        (
            "check final --baseline b.parquet --junit ./b.parquet",
            "--junit names 'b.parquet', which the check reads; give it a file of its own.",
        ),
        (
            "check final --baseline stage1 --model tiny-p9",
            "there is no checkpoint of the candidate for --model 'tiny-p9'; known are zoo--tiny-p8--final.",
        ),
        (
            "check final --baseline stage1 --task digit",
            "there is no task of the baseline 'zoo--tiny-p8--stage1' for --task 'digit'; did you mean 'digits'?",
        ),
        ("check final --baseline stage1 --mode equal", None),
        ("check final", None),
        ("baseline show final/x", "there is no file 'final/x'; check the path."),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(call: Call, command: str, sentence: str | None) -> None:
    said = call(command)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    if sentence is not None:
        assert said.err == f"clipkstar: {sentence}\n"


# baselines


def test_a_baseline_is_saved_and_shown(call: Call) -> None:
    said = call("baseline save final --out b.parquet")
    size = Path("b.parquet").stat().st_size
    assert (said.code, said.out) == (0, "")
    assert said.err == (
        "clipkstar: saved: digits, 797 images\n"
        f"clipkstar: written: b.parquet ({size / 1000:,.0f} kB), of zoo--tiny-p8--final\n"
    )
    shown = call("baseline show b.parquet")
    assert shown.code == 0 and "digits" in shown.out and "zoo--tiny-p8--final" in shown.out
    assert json.loads(call("baseline show b.parquet --json").out)


def test_of_several_checkpoints_one_is_chosen(call: Call) -> None:
    shutil.copytree("final", "both")
    shutil.copytree("stage1", "both", dirs_exist_ok=True)
    said = call("baseline save both --out b.parquet")
    assert said.err == (
        "clipkstar: the baseline has runs of 2 checkpoints (zoo--tiny-p8--final, zoo--tiny-p8--stage1); choose one "
        "with --model.\n"
    )
    assert call("baseline save both --out b.parquet --model", "tiny-p8 final").code == 0
    code, check = record(call, "check both --baseline both --model *stage1 --baseline-model *final")
    assert (code, check["candidate"]["pretrained"], check["baseline"]["pretrained"]) == (1, "stage1", "final")
    assert call("check both --baseline both --model *stage1").err == (
        "clipkstar: the baseline has runs of 2 checkpoints (zoo--tiny-p8--final, zoo--tiny-p8--stage1); choose one "
        "with --baseline-model.\n"
    )


def test_only_the_tasks_named_are_saved_and_others_are_refused(call: Call) -> None:
    assert call("baseline save final --out b.parquet --task digits").code == 0
    said = call("baseline save final --out c.parquet --task fashion")
    assert (said.code, files()) == (2, ["b.parquet"])
    assert said.err == (
        "clipkstar: there is no task of the baseline 'zoo--tiny-p8--final' for --task 'fashion'; known are digits.\n"
    )


PROGRAM = """
import sys
from clipkstar import cli
sys.argv[0] = "clipkstar"
try:
    cli.main()
finally:
    print(sorted({"torch", "open_clip", "datasets", "faiss", "scipy", "polars", "numpy"} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    ("arguments", "code", "imported"),
    [
        ("check stage1 --baseline final", 1, "['numpy', 'polars', 'scipy']"),
        ("check --help", 0, "[]"),
        ("baseline save --help", 0, "[]"),
    ],
)
def test_a_check_needs_neither_torch_nor_open_clip_and_help_nothing(arguments: str, code: int, imported: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments.split()], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.splitlines()[-1] == imported
