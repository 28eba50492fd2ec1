"""The command line: exit codes, sentences, what goes to stdout and what to stderr, start-up time."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from called import Call, Said, call  # noqa: F401
from colors import BROKEN, LABELS, pictures_of, write_task

from clipkstar import discovery, runner
from clipkstar.encoders import zoo

CLIPKSTAR = str(Path(sys.executable).with_name("clipkstar"))
FAKE = "eval --model fake:colors --task digits --limit 40"
HEAVY = ("torch", "open_clip", "datasets", "polars", "numpy", "scipy", "faiss", "huggingface_hub")
BUNDLED_HINT = (
    "or use the bundled digits, emoji_fluent, emoji_noto, fashion_mnist_2k (--suite bundled), which need no network."
)


def strict(text: str) -> object:
    """What the text holds as JSON; NaN and Infinity are none."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_help_names_every_command(call: Call) -> None:
    said = call("--help")
    assert (said.code, said.err) == (0, "")
    for command in ("eval", "tasks", "models", "metrics"):
        assert f"\n  {command} " in said.out
    assert "version" not in said.out


def test_help_of_eval_warns_where_code_is_run(call: Call) -> None:
    said = call("eval --help")
    assert (said.code, said.err) == (0, "")
    words = " ".join(said.out.split())
    assert "run the code there" in words
    assert "FILE.py (its code is run)" in words
    for option in ("--model", "--pretrained", "--task", "--suite", "--metric", "--runs", "--limit", "--offline"):
        assert f"{option} " in said.out


ZOO = "eval --model tiny-p8 --pretrained final"
SEE_HELP = "; the command with --help lists what it takes."


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("", f"Missing command{SEE_HELP}"),
        ("--nope", f"No such option: --nope{SEE_HELP}"),
        ("frob", f"No such command 'frob'{SEE_HELP}"),
        ("eval", f"Missing option '--model'{SEE_HELP}"),
        (f"{ZOO} --modle x", f"No such option: --modle (Possible options: --model, --offline){SEE_HELP}"),
        (f"{ZOO} digits", f"Got unexpected extra argument(s) (digits){SEE_HELP}"),
        (f"{ZOO} --task digts", "there is no task 'digts'; did you mean 'digits' or 'gtsrb' or 'dtd'?"),
        (f"{ZOO} --task none/digits.py", "there is no task file or folder 'none/digits.py'; check the path."),
        (f"{ZOO} --suite bundle", "there is no suite 'bundle'; did you mean 'bundled' or 'robustness'?"),
        (f"{ZOO} --task digits --metric kstr", "there is no metric 'kstr'; did you mean 'kstar'?"),
        ("eval --model tiny-p8 --task digits", "'tiny-p8' needs --pretrained: final, stage1, stage2, stage3."),
        (
            "eval --model tiny-p8 --pretrained stage --task digits",
            "there is no 'tiny-p8' tag 'stage'; did you mean 'stage3' or 'stage2' or 'stage1'?",
        ),
        (
            "eval --model tiny-p17 --pretrained final --task digits",
            "there is no model 'tiny-p17'; did you mean 'tiny-p16' or 'tiny-p8' or 'tiny-p4'?",
        ),
        (
            "eval --model ViT-B-33 --pretrained openai --task digits",
            "there is no model 'ViT-B-33'; did you mean 'ViT-B-32' or 'ViT-S-32' or 'ViT-M-32'?",
        ),
        (
            "eval --model ViT-B-32 --pretrained openia --task digits",
            "there is no 'ViT-B-32' tag 'openia'; did you mean 'openai'?",
        ),
        (
            "eval --model fkae:colors --task digits",
            "there is no encoder family 'fkae'; did you mean 'fake'?",
        ),
        (
            "eval --model ViT-B-32 --pretrained none.pt --task digits",
            "there is no checkpoint file 'none.pt'; check the path.",
        ),
        (f"{ZOO} --limit 0", f"Invalid value for '--limit': 0 is not in the range x>=1{SEE_HELP}"),
        (f"{ZOO} --limit ten", f"Invalid value for '--limit': 'ten' is not a valid int range{SEE_HELP}"),
        (
            f"{ZOO} --batch-size 0",
            f"Invalid value for '--batch-size': 0 is not in the range x>=1{SEE_HELP}",
        ),
        (
            f"{ZOO} --task digits --revision main",
            "task 'digits' reads local files, which have no revision; leave --revision out.",
        ),
        (
            f"{ZOO} --task digits --runs s3://bucket/runs",
            "the runs folder 's3:/bucket/runs' is an address; it needs to be a folder of this machine.",
        ),
        (
            f"{ZOO} --task digits --precision fp16 --device cpu",
            "--precision fp16 needs a GPU; on a CPU use fp32, bf16 or amp_bf16.",
        ),
        (
            f"{ZOO} --task digits --device mps",
            "--device mps was asked for, and torch sees none here; use --device auto.",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing_behind(
    command: str, sentence: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(command) == Said(code=2, out="", err=f"clipkstar: {sentence}\n")
    assert files_below(tmp_path) == []


def test_a_precision_that_is_none_is_refused_with_those_there_are(call: Call, tmp_path: Path) -> None:
    said = call(f"{ZOO} --task digits --precision fp8 --runs", str(tmp_path / "runs"))
    assert (said.code, said.out) == (2, "")
    assert "'--precision'" in said.err
    for precision in ("fp8", "fp32", "amp_bf16", "amp_fp16", "bf16", "fp16"):
        assert f"'{precision}'" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("inside", ["", "below/that"])
def test_a_runs_folder_that_cannot_be_written_is_said_before_any_work(inside: str, call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    runs = tmp_path / "file" / inside
    said = call(f"{FAKE} --runs", str(runs))
    assert said == Said(
        code=2, out="", err=f"clipkstar: the runs folder '{runs}' cannot be written; choose another with --runs.\n"
    )
    assert files_below(tmp_path) == ["file"]


def test_models_that_match_no_pattern_are_one_sentence(call: Call) -> None:
    said = call("models nothing-like-*")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("clipkstar: none of ")
    assert said.err.endswith(" checkpoints matches 'nothing-like-*'; see 'clipkstar models'.\n")


@pytest.mark.parametrize("command", ["tasks", "metrics", "models tiny-*"])
def test_what_can_be_named_is_listed_as_a_table_and_as_json(command: str, call: Call) -> None:
    table, listed = call(command), call(f"{command} --json")
    assert (table.code, table.err, listed.code, listed.err) == (0, "", 0, "")
    entries = strict(listed.out)
    assert isinstance(entries, list)
    assert len(entries) >= 4
    for entry in entries:
        first, *_ = entry.values()
        assert f" {first} " in table.out
    assert len({tuple(entry) for entry in entries}) == 1


def test_every_task_and_model_of_ours_is_listed(call: Call) -> None:
    tasks = {entry["task"]: entry for entry in strict(call("tasks --json").out)}  # type: ignore[attr-defined]
    assert set(tasks) >= set(discovery.own_names(discovery.TASKS))
    assert tasks["digits"] == {
        "task": "digits",
        "images": 797,
        "classes": 10,
        "suites": "bundled",
        "licence": "CC-BY-4.0",
        "meaning": "handwritten digits, 8×8 grey",
    }
    models = strict(call("models tiny-* --json").out)
    bundled = {(known.model, known.pretrained) for known in zoo.checkpoints()}
    assert {(entry["model"], entry["pretrained"]) for entry in models} >= bundled  # type: ignore[attr-defined]


def test_json_on_stdout_is_the_array_of_the_stored_records_and_nothing_else(call: Call, tmp_path: Path) -> None:
    said = call("eval --model fake:colors --task digits --task emoji_noto --limit 40 --json --runs", str(tmp_path))
    assert said.code == 0
    records = strict(said.out)
    assert isinstance(records, list)
    assert [record["task"]["name"] for record in records] == ["digits", "emoji_noto"]
    for record in records:
        folder = tmp_path / record["task"]["name"] / "fake--colors--exact" / record["run_id"]
        assert files_below(folder) == ["classes.parquet", "images.parquet", "run.json"]
        assert strict((folder / "run.json").read_text()) == record
        assert str(tmp_path) not in (folder / "run.json").read_text()
        assert record["task"]["limit"] == record["task"]["n_images"] == 40


def test_the_table_goes_to_stdout_and_progress_to_stderr(call: Call, tmp_path: Path) -> None:
    said = call(f"{FAKE} --runs", str(tmp_path))
    folder = next(tmp_path.rglob("run.json")).parent
    assert said.code == 0
    lines = said.err.splitlines()
    assert lines[0] == "clipkstar: digits: 40 images encoded."
    assert lines[-1] == f"clipkstar: digits: done: {folder}"
    assert all(line.startswith("clipkstar: digits: ") for line in lines)
    assert "clipkstar:" not in said.out
    title, header, _rule, row, *_ = [line for line in said.out.splitlines() if line.strip()]
    assert title == "colors exact (fake), fp32 on cpu"
    columns = ("task", "n", "top1 %", "recall %", "ece", "1-NN %", "k*/n", "Γ′", "cosine Γ′", "f/o/c")
    assert header.split() == " ".join(columns).split()
    assert " ".join(row.split()).startswith("digits (sample of 40) 40 10.0 [4.0, 23.1] ")


def test_finished_work_is_not_done_twice_unless_forced_and_then_comes_out_the_same(call: Call, tmp_path: Path) -> None:
    command = f"eval --model tiny-p8 --pretrained stage1 --task digits --limit 60 --json --runs {tmp_path}"
    first = call(command)
    record = next(tmp_path.rglob("run.json"))
    written = record.stat().st_mtime_ns
    again = call(command)
    assert again.code == 0
    assert again.err.endswith(f"clipkstar: digits: already done, nothing computed: {record.parent}\n")
    assert again.out == first.out
    assert "encoded" not in again.err
    assert record.stat().st_mtime_ns == written
    forced = call(command, "--force")
    assert "clipkstar: digits: 60 images encoded.\n" in forced.err
    assert record.stat().st_mtime_ns != written
    before, after = (strict(said.out)[0] for said in (first, forced))  # type: ignore[index]
    for part in ("run_id", "scores", "intervals", "task", "checkpoint", "protocol"):
        assert before[part] == after[part], part
    assert len(list(tmp_path.rglob("run.json"))) == 1


@pytest.fixture
def good_and_broken(tmp_path: Path) -> str:
    """The command of two tasks, of which the second breaks at its last picture."""
    good = write_task(tmp_path, name="good")
    broken = write_task(tmp_path, name="broken", pictures=[*pictures_of(LABELS[:-1]), BROKEN])
    return f"eval --model fake:colors --task {good} --task {broken} --runs {tmp_path / 'runs'}"


BROKEN_SENTENCE = "clipkstar: task 'broken': row 11 is no image in a format that PIL knows; repair or remove it.\n"


def test_what_was_finished_before_a_failure_is_printed(call: Call, good_and_broken: str, tmp_path: Path) -> None:
    said = call(good_and_broken)
    assert said.code == 2
    assert said.err.endswith(BROKEN_SENTENCE)
    title, _header, _rule, row, legend, *_ = [line for line in said.out.splitlines() if line.strip()]
    assert title == "colors exact (fake), fp32 on cpu"
    assert " ".join(row.split()).startswith("good 12 100.0 ")
    assert legend.startswith("[95 % interval]")
    assert [path.relative_to(tmp_path / "runs").parts[0] for path in tmp_path.rglob("run.json")] == ["good"]


def test_what_was_finished_before_a_failure_is_printed_as_json(
    call: Call, good_and_broken: str, tmp_path: Path
) -> None:
    said = call(good_and_broken, "--json")
    assert said.code == 2
    assert said.err.endswith(BROKEN_SENTENCE)
    assert strict(said.out) == [json.loads(next(tmp_path.rglob("run.json")).read_text())]


@pytest.mark.parametrize("command", ["tasks", "tasks --json", "models", "--help", f"{FAKE} --json"])
def test_a_reader_that_has_seen_enough_ends_the_command_quietly(command: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [CLIPKSTAR, *command.split()], cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60
        )
    finally:
        os.close(writing)
    assert [line for line in done.stderr.splitlines() if not line.startswith("clipkstar: digits: ")] == []
    assert done.returncode == 0


def test_a_terminal_without_greek_letters_gets_question_marks(tmp_path: Path) -> None:
    done = subprocess.run(
        [CLIPKSTAR, *FAKE.split()],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        encoding="latin-1",
        timeout=60,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "k*/n" in done.stdout
    assert "?? compares models on the same images" in done.stdout


def test_an_interrupt_ends_with_130_and_keeps_what_is_finished(call: Call, tmp_path: Path) -> None:
    """The first task's end is waited for, then a real SIGINT comes into the second one."""
    command = f"eval --model fake:colors --task digits --task fashion_mnist_2k --runs {tmp_path}"
    with subprocess.Popen(
        [CLIPKSTAR, *command.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        heard = ""
        while "digits: done: " not in heard:
            line = process.stderr.readline()
            assert line, heard
            heard += line
        process.send_signal(signal.SIGINT)
        heard += process.stderr.read()
        printed = process.stdout.read()
    assert process.returncode == 130
    assert "\n digits   797 " in printed
    assert "fashion_mnist_2k" not in printed
    assert "Traceback" not in heard
    assert heard.endswith("clipkstar: interrupted; finished runs are kept, the same command goes on.\n")
    assert len(list(tmp_path.rglob("run.json"))) == 1
    again = call(f"eval --model fake:colors --task digits --runs {tmp_path}")
    assert again.code == 0
    assert "digits: already done, nothing computed: " in again.err


def test_an_interrupt_within_python_ends_with_130(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "compute", interrupted)
    said = call(f"{FAKE} --runs", str(tmp_path / "runs"))
    assert (said.code, said.out) == (130, "")
    assert said.err.strip() == "clipkstar: interrupted; finished runs are kept, the same command goes on."
    assert files_below(tmp_path) == []


def test_an_error_of_our_own_is_a_traceback_and_3(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(runner, "compute", broken)
    said = call(f"{FAKE} --runs", str(tmp_path / "runs"))
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("Traceback (most recent call last):\n")
    assert said.err.endswith("ZeroDivisionError: ours\n")
    assert files_below(tmp_path) == []


OFFLINE_COMMANDS = (
    "eval --model fake:colors --task cifar10 --offline --runs RUNS",
    "eval --model fake:colors --offline --runs RUNS",
    "eval --model ViT-B-32 --pretrained laion2b --task digits --limit 20 --offline --runs RUNS",
    "eval --model hf-hub:org/name --task digits --limit 20 --offline --runs RUNS",
)
SEVERAL = """
import contextlib, io, json, sys
from clipkstar import cli
for command in sys.argv[1:]:
    sys.argv, out, err = ["clipkstar", *command.split()], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> list[Said]:
    """What OFFLINE_COMMANDS say with an empty cache, in one process of their own, where --offline comes first."""
    folder = tmp_path_factory.mktemp("offline")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    commands = [command.replace("RUNS", str(folder / "runs")) for command in OFFLINE_COMMANDS]
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, *commands],
        env=environment | {"HF_HOME": str(folder / "home"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "runs").exists()
    return [Said(*json.loads(line)) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("command", [0, 1], ids=["by name", "the default suite"])
def test_a_task_that_needs_a_network_names_its_repository_and_the_bundled_tasks(
    command: int, offline: list[Said]
) -> None:
    assert offline[command] == Said(
        code=2,
        out="",
        err="clipkstar: the data set 'djghosh/wds_cifar10_test' of task 'cifar10' cannot be reached (offline mode is "
        f"on), and the cache has no complete copy; connect, then repeat the command, {BUNDLED_HINT}\n",
    )


def test_weights_that_need_a_network_are_named_with_the_bundled_models(offline: list[Said]) -> None:
    assert offline[2] == Said(
        code=2,
        out="",
        err="clipkstar: 'laion2b' is taken to mean 'laion2b_s34b_b79k'.\n"
        "clipkstar: the weights 'laion2b_s34b_b79k' of 'ViT-B-32' (from 'laion/CLIP-ViT-B-32-laion2B-s34B-b79K/') "
        "cannot be reached (offline mode is on), and the cache has no complete copy; connect, then repeat the command, "
        "or use the bundled models, which need no network ('clipkstar models tiny-*').\n",
    )


def test_a_model_repository_that_needs_a_network_is_named(offline: list[Said]) -> None:
    assert offline[3] == Said(
        code=2,
        out="",
        err="clipkstar: the model repository 'org/name' cannot be reached (offline mode is on), and the cache has no "
        "complete copy; connect, then repeat the command, or use the bundled models, which need no network "
        "('clipkstar models tiny-*').\n",
    )


STRANGER = "import pathlib\npathlib.Path(__file__).with_name('it ran').touch()\nTASK = METRIC = FAMILY = None\n"
ENTRY_POINTS = """
[clipkstar.tasks]
stranger_task = stranger
[clipkstar.metrics]
stranger_metric = stranger
[clipkstar.encoders]
stranger_family = stranger
"""


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A folder that holds an installed package with an entry point for each door; it leaves a mark when imported."""
    (tmp_path / "stranger.py").write_text(STRANGER)
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return tmp_path


def test_light_commands_import_nothing_heavy_and_no_strangers_module(stranger: Path) -> None:
    probe = f"{SEVERAL}\nprint(json.dumps([name for name in {[*HEAVY, 'stranger']} if name in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", probe, "--help", "eval --help", "tasks", "metrics"],
        env=os.environ | {"PYTHONPATH": str(stranger)},
        capture_output=True,
        text=True,
        check=True,
    )
    *said, imported = [json.loads(line) for line in done.stdout.splitlines()]
    assert [code or 0 for code, _, _ in said] == [0, 0, 0, 0]
    assert imported == []
    assert "stranger_task" in said[2][1]
    assert "from stranger, not imported for this list" in said[2][1]
    assert "stranger_metric" in said[3][1]
    assert not (stranger / "it ran").exists()


def test_the_list_of_models_imports_no_strangers_module(
    stranger: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(stranger)
    discovery.strangers.cache_clear()
    try:
        said = call("models tiny-*")
    finally:
        discovery.strangers.cache_clear()
    assert said.code == 0
    assert "stranger_family" in said.out
    assert not (stranger / "it ran").exists()


@pytest.mark.parametrize(("left", "code", "said"), [("", 0, ""), ("3", 3, ""), ("'gone'", 1, "clipkstar: gone\n")])
def test_the_program_leaves_with_the_code_and_the_last_words_of_whoever_ended_it(left, code, said):
    program = (
        "import atexit, sys; from clipkstar import cli; atexit.register(print, 'done')\n"
        f"cli.main = lambda: sys.exit({left})\ncli.start()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (code, "done\n", said)


def test_in_the_program_a_thread_that_decodes_waits_less_for_the_interpreter_than_it_decodes():
    program = "import sys; from clipkstar import cli; cli.main = lambda: print(sys.getswitchinterval()); cli.start()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert float(done.stdout) < 0.001  # a picture of 500 x 375 takes two milliseconds
