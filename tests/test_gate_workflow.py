"""The reusable workflow: its own commands run as written, on a bundled model, and no input becomes part of a script."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from lxml import etree

from clipkstar.encoders import zoo

Step = Mapping[str, Any]

WORKFLOW = Path(__file__).parent.parent / ".github" / "workflows" / "gate.yml"
READ = yaml.safe_load(WORKFLOW.read_text())
INPUTS = READ[True]["workflow_call"]["inputs"]  # YAML reads the key `on` as true
JOB = READ["jobs"]["gate"]
STEPS = JOB["steps"]
OWN = [step for step in STEPS if "run" in step and step["name"] != "install"]
(INSTALL,) = [step for step in STEPS if step.get("name") == "install"]
REPOSITORY = WORKFLOW.parents[2]
UNBUILT = (".*", "*.egg-info", "__pycache__", "build", "dist", "runs", "notebooks", "tests")
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


@dataclass(frozen=True)
class Done:
    """What the gate left: its folder, the exit code and stderr of the last step that ran, files of the runner."""

    folder: Path
    code: int
    said: str

    @property
    def summary(self) -> str:
        return (self.folder / "summary.md").read_text()

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()


def gate(folder: Path, *, steps: Sequence[Step] = OWN, **inputs: str) -> Done:
    """Run steps in a folder, each as GitHub's runner does, until one fails."""
    folder.mkdir(exist_ok=True)
    known = {name: str(about.get("default", "")) for name, about in INPUTS.items()} | inputs
    values = {f"inputs.{name}": value for name, value in known.items()}
    values |= {"github.workspace": str(folder), "github.run_id": "1"}

    def filled(variables: dict[str, str]) -> dict[str, str]:
        return {name: EXPRESSION.sub(lambda found: values[found[1]], text) for name, text in variables.items()}

    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    runner = {"PATH": path, "GITHUB_ACTIONS": "true"}
    runner |= {"GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "GITHUB_OUTPUT": str(folder / "output")}
    for step in steps:
        script = folder / "step.sh"
        script.write_text(step["run"])
        surroundings = os.environ | runner | filled(JOB["env"]) | filled(step["env"])
        done = subprocess.run(
            ["bash", "-e", script], cwd=folder, env=surroundings, capture_output=True, text=True, timeout=200
        )
        if done.returncode:
            break
    return Done(folder=folder, code=done.returncode, said=done.stderr)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `baseline save` makes of the bundled tiny-p8 on digits."""
    folder = tmp_path_factory.mktemp("baseline")
    clipkstar = Path(sys.executable).with_name("clipkstar")
    for command in (
        "eval --model tiny-p8 --pretrained final --task digits",
        "baseline save runs --out baseline.parquet",
    ):
        subprocess.run([clipkstar, *command.split()], cwd=folder, check=True, capture_output=True, timeout=200)
    return folder / "baseline.parquet"


@pytest.fixture(scope="module")
def passing(baseline: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("passing")
    (folder / "policy.toml").write_text("alpha = 0.01\n[scores.top1]\n[scores.gamma_approx]\n")
    return gate(
        folder, model="tiny-p8", pretrained="final", tasks="digits", baseline=str(baseline), policy="policy.toml"
    )


@pytest.fixture(scope="module")
def failing(baseline: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("failing")
    return gate(folder, model="tiny-p8", pretrained="stage1", tasks="digits", baseline=str(baseline))


def test_an_encoder_against_its_own_baseline_passes_the_gate(passing: Done) -> None:
    assert passing.code == 0, passing.said
    assert passing.summary.startswith("## Pass: no worsening beyond the tolerance is established in 2 comparisons;")
    assert passing.summary == (passing.folder / "gate/check.md").read_text() + "\n"
    junit = etree.parse(passing.folder / "gate/check.xml").getroot()
    assert (junit.get("tests"), junit.get("failures")) == ("2", "0")
    assert "::notice title=clipkstar check%3A pass::" in passing.said
    assert "::error" not in passing.said


def test_an_earlier_stage_of_its_training_fails_the_gate(failing: Done) -> None:
    assert failing.code == 1, failing.said
    assert failing.summary.startswith("## Fail: the candidate is worse in ")
    failures = etree.parse(failing.folder / "gate/check.xml").findall(".//failure")
    assert "digits: top1 fell by 72.90 points" in [failure.get("message") for failure in failures]
    assert "::error title=digits%3A top1 fell by 72.90 points::" in failing.said


def test_options_reach_the_evaluation_and_the_check_and_a_model_needs_no_tag(baseline: Path, tmp_path: Path) -> None:
    options = {"eval-options": "--precision bf16 --task digits", "check-options": "--across precision --task *"}
    final = f"local-dir:{zoo.FOLDER / 'tiny-p8' / 'final'}"
    refused = gate(tmp_path, model=final, baseline=str(baseline), **options)
    assert refused.said == (
        "clipkstar: there is no task of the baseline 'zoo--tiny-p8--final' for --task '*'; known are digits.\n"
    )
    done = gate(tmp_path, model=final, baseline=str(baseline), **options | {"check-options": "--across precision"})
    assert done.code == 0, done.said
    assert "open_clip--final--local-dir" in done.summary


def test_what_is_installed_is_the_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, installed = tmp_path / "a copy", tmp_path / "installed"
    shutil.copytree(REPOSITORY, tree, ignore=shutil.ignore_patterns(*UNBUILT))
    monkeypatch.setenv("PIP_TARGET", str(installed))
    for name in ("PIP_NO_DEPS", "PIP_NO_INDEX", "PIP_NO_COMPILE", "PIP_DISABLE_PIP_VERSION_CHECK"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # pip reads it the other way round: build with what is here
    done = gate(tmp_path / "gate", steps=[INSTALL], clipkstar=str(tree))
    assert done.code == 0, done.said
    assert (installed / "clipkstar" / "cli.py").is_file() and (installed / "bin" / "clipkstar").is_file()


def test_no_other_models_cache_is_restored() -> None:
    caches = [step["with"] for step in STEPS if step.get("uses", "").startswith("actions/cache@")]
    for cache in caches:
        (prefix,) = cache["restore-keys"].splitlines()
        assert "${{ steps.caches.outputs.key }}" in prefix
        assert cache["key"] == prefix + "${{ github.run_id }}"


@pytest.mark.parametrize("pattern", [line.strip() for line in STEPS[-1]["with"]["path"].splitlines()])
def test_what_is_kept_is_there_even_of_a_gate_that_fails(failing: Done, pattern: str) -> None:
    assert STEPS[-1]["if"] == "always()"
    assert (failing.folder / pattern).exists()


def test_the_caches_that_are_kept_are_those_that_are_filled(failing: Done) -> None:
    kept = [step["with"]["path"] for step in STEPS if step.get("uses", "").startswith("actions/cache@")]
    assert kept == ["${{ env.HF_HOME }}", "${{ env.CLIPKSTAR_CACHE }}"]
    assert any((failing.folder / "gate/clipkstar").rglob("*"))


def test_a_key_of_a_cache_is_one_whatever_the_inputs_are(failing: Done, tmp_path: Path) -> None:
    odd = gate(tmp_path, steps=OWN[:1], model="a, b", tasks="t " * 500)
    for done in (failing, odd):
        assert re.fullmatch(r"key=[0-9a-f]{16}\n", done.output)
    assert failing.output != odd.output


def test_no_input_is_run_as_a_command(tmp_path: Path) -> None:
    code = "$(touch taken); `touch taken` && touch taken #"
    options = {"eval-options": f"{code} *", "check-options": f"{code} *"}
    chosen = {"model": code, "pretrained": code, "tasks": f"{code} *", "suite": code, "baseline": code, "policy": code}
    for steps in (OWN, OWN[-1:], [INSTALL]):
        done = gate(tmp_path, steps=steps, **chosen, **options, clipkstar=f"./{code}")
        assert done.code, done.said
    assert not (tmp_path / "taken").exists()


def test_no_script_holds_an_expression() -> None:
    assert [step["name"] for step in STEPS if EXPRESSION.search(step.get("run", ""))] == []


def test_every_expression_names_what_there_is() -> None:
    written = [(step["id"], name) for step in OWN if "id" in step for name in re.findall(r"(\w+)=", step["run"])]
    outputs = {f"steps.{step}.outputs.{name}" for step, name in written}
    there = {f"inputs.{name}" for name in INPUTS} | {f"env.{name}" for name in JOB["env"]} | outputs
    named = set(EXPRESSION.findall(WORKFLOW.read_text()))
    assert named - there == {"github.workspace", "github.run_id"}
    assert {f"inputs.{name}" for name in INPUTS} <= named


@pytest.mark.parametrize("step", [step for step in STEPS if "run" in step], ids=lambda step: step["name"])
def test_every_variable_of_a_script_is_set(step: Step) -> None:
    used = set(re.findall(r"\$\{?([A-Z][A-Z_]*)", step["run"]))
    assert used - {"GITHUB_OUTPUT"} == set(step["env"])


def test_an_input_is_required_or_has_a_default() -> None:
    assert all(about.get("required") is True or "default" in about for about in INPUTS.values())
    assert READ["permissions"] == {"contents": "read"}
