"""Zero-shot scores against CLIP_benchmark: its command line and ours, as users type them, on the same pictures.

CLIP_benchmark lives in .venv-peers, because it needs an older numpy; `make .venv-peers/.installed` builds it. It reads
the pictures and words of the bundled tasks from webdataset shards, which nothing of ours reads.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest
from webdataset_shards import write_shards

from clipkstar.discovery import TASKS, find
from clipkstar.encoders import zoo

pytestmark = pytest.mark.timeout(900)  # the first test waits for all command lines

PEERS = Path(__file__).parent.parent / ".venv-peers"
MODELS = ("tiny-p8/stage1", "tiny-p8/final", "tiny-narrow/final", "tiny-rn/final")
SETS = ("digits", "emoji_noto", "fashion_mnist_2k")
NAMES = {"top1": "acc1", "top5": "acc5", "mean_class_recall": "mean_per_class_recall"}
"""Our name of a score → CLIP_benchmark's."""

Scores = dict[tuple[str, str], dict[str, float]]
"""(model, set) → score → value, as the JSON has it."""


@pytest.fixture(scope="module")
def peer() -> Path:
    """The folder of CLIP_benchmark's programs."""
    if not (PEERS / ".installed").exists():
        sentence = (
            "there is no .venv-peers with CLIP_benchmark to compare with; 'make .venv-peers/.installed' builds it."
        )
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    return PEERS / "bin"


@pytest.fixture(scope="module")
def scores(peer: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scores, Scores]:
    """What CLIP_benchmark and what clipkstar says of every model on every set."""
    place = tmp_path_factory.mktemp("parity")
    with ThreadPoolExecutor(2) as threads:
        theirs = threads.submit(_clip_benchmark, peer / "clip_benchmark", place)
        ours = threads.map(lambda model: _clipkstar(model, place), MODELS)
        return theirs.result(), {key: found for of_model in ours for key, found in of_model.items()}


def _run(command: Sequence[str | Path], folder: Path) -> str:
    """What a command prints; both sides run on the CPU, on one thread, without network."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _clip_benchmark(program: Path, place: Path) -> Scores:
    """One `clip_benchmark eval` over all models and sets."""
    # open_clip looks for the zoo's vocabulary, "../../bpe.txt.gz", from the working directory.
    folder = place / "zoo" / "of" / "models"
    folder.mkdir(parents=True)
    (place / "zoo" / "bpe.txt.gz").symlink_to(zoo.FOLDER / "bpe.txt.gz")
    links = {f"local-dir:{model.replace('/', '--')}": model for model in MODELS}
    for link, model in links.items():
        (folder / link.removeprefix("local-dir:")).symlink_to(zoo.FOLDER / model)
    for name in SETS:
        task = find(TASKS, name)[0]
        table = pl.read_parquet(task.dataset.data_files)
        pictures = list(zip(table["image"].struct.field("bytes"), table["label"], strict=True))
        write_shards(place / "sets" / name, pictures, class_names=task.class_names, templates=task.templates)
    _run(
        [
            *(program, "eval", "--task", "zeroshot_classification", "--no_amp", "--pretrained", "of_the_folder"),
            *("--model", *links, "--dataset", *(f"wds/{name}" for name in SETS)),
            *("--dataset_root", f"{place}/sets/{{dataset}}", "--output", f"{place}/{{model}} {{dataset}}.json"),
            *("--num_workers", "0"),  # webdataset refuses more workers than shards
        ],
        folder,
    )
    return {
        (model, name): json.loads((place / f"{link} {name}.json").read_text())["metrics"]
        for link, model in links.items()
        for name in SETS
    }


def _clipkstar(model: str, place: Path) -> Scores:
    """One `clipkstar eval` over all sets."""
    name, tag = model.split("/")
    tasks = [part for task in SETS for part in ("--task", task)]
    command = [Path(sys.executable).with_name("clipkstar"), "eval", "--model", name, "--pretrained", tag, *tasks]
    runs = json.loads(_run([*command, "--metric", "zero_shot", "--runs", place / "runs", "--json"], place))
    return {(model, run["task"]["name"]): run["scores"] for run in runs}


def test_clip_benchmark_stands_on_the_same_torch_and_open_clip(peer: Path) -> None:
    packages = ("torch", "torchvision", "open_clip_torch", "pillow")
    code = f"import importlib.metadata as m, json; print(json.dumps([m.version(name) for name in {packages}]))"
    assert json.loads(_run([peer / "python", "-c", code], PEERS)) == [version(name) for name in packages]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("model", MODELS)
def test_scores_equal_those_of_clip_benchmark_to_the_last_digit(
    model: str, name: str, scores: tuple[Scores, Scores]
) -> None:
    theirs, ours = (of_all[model, name] for of_all in scores)
    assert {score: ours[score] for score in NAMES} == {score: theirs[peers] for score, peers in NAMES.items()}
