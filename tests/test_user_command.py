"""The command as a user types it, by the installed program, with a stand-in of the hub under the real names.

The weights are random ones of the real architecture; the data set has the real number of tiny pictures and classes, so
that no check is passed by.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl
import pytest
from colors import NAMES, encoded, picture
from hub_stand_in import hub_stand_in
from miniature_sets import environment, write_set
from PIL import Image

from clipkstar.discovery import TASKS, find, list_own

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

CLIPKSTAR = str(Path(sys.executable).with_name("clipkstar"))
AS_TYPED = ["eval", "--model", "ViT-B-32", "--pretrained", "laion2b"]
MODEL = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
TAG = "laion2b_s34b_b79k"
KITTI = find(TASKS, "kitti")[0]
CORE = [task for task in list_own(TASKS) if "core" in task.groups]
N_COMPARED = 48
N_MINIATURE = 12

pytestmark = pytest.mark.timeout(600)  # 711 pictures through a ViT-B-32, on as many cores as there are

IN_MINIATURE = f"""
import importlib, sys
from dataclasses import replace
for name in {[task.name for task in CORE]}:
    module = importlib.import_module(f"clipkstar_tasks.{{name}}")
    module.TASK = replace(module.TASK, n_images={N_MINIATURE})
from clipkstar.cli import main
sys.argv = ["clipkstar", *sys.argv[1:]]
main()
"""
"""The whole program on the suite of the data sets in miniature: nothing but their numbers of images is replaced."""


def _run(command: list[str], endpoint: str, folder: Path, **more: str) -> tuple[list[dict[str, object]], list[str]]:
    """Run a command in a folder; returns the records of its JSON and the lines of stderr."""
    cores = {"OMP_NUM_THREADS": str(os.cpu_count() or 1)}
    done = subprocess.run(
        [*command, "--json"],
        env=environment(endpoint, folder / "home", **cores, **more),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return cast("list[dict[str, object]]", json.loads(done.stdout)), done.stderr.splitlines()


def _write_weights(root: Path) -> "torch.nn.Module":
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32").eval()
    folder = root / "models" / MODEL
    folder.mkdir(parents=True)
    save_file(
        {name: value.half() for name, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return model.half().float()


def _noise(n_images: int) -> "NDArray[np.uint8]":
    return np.random.default_rng(0).integers(0, 256, (n_images, 12, 16, 3), dtype=np.uint8)


def _write_kitti(root: Path, labels: list[int]) -> None:
    samples = [
        {"cls": str(label).encode(), "webp": encoded(Image.fromarray(pixels), "WEBP", lossless=True)}
        for label, pixels in zip(labels, _noise(len(labels)), strict=True)
    ]
    names = ("a car nearby.", "a car at some distance.", "a car far away.", "no car.")
    write_set(root / "datasets" / KITTI.dataset.path, samples, names=names, per_shard=200)


def _write_miniature(root: Path) -> None:
    for task in CORE:
        n_classes = task.n_classes or 0
        labels = [row % n_classes for row in range(N_MINIATURE)]
        samples = [
            {"cls": str(label).encode(), "webp": picture(NAMES[label % 3], size=(8 + row, 8), kind="WEBP")}
            for row, label in enumerate(labels)
        ]
        names = [f"thing {label}" for label in range(n_classes)]
        write_set(root / "datasets" / task.dataset.path, samples, names=names)


@dataclass(frozen=True)
class Session:
    """What the user got, command by command. reference: open_clip's own predictions for the first pictures."""

    folder: Path
    first: tuple[list[dict[str, object]], list[str]]
    again: tuple[list[dict[str, object]], list[str]]
    sample: tuple[list[dict[str, object]], list[str]]
    suite: tuple[list[dict[str, object]], list[str]]
    suite_again: tuple[list[dict[str, object]], list[str]]
    reference: list[int]
    commit: str


def _reference(model: "torch.nn.Module") -> list[int]:
    """Predictions of open_clip's own classifier and transform."""
    import open_clip
    import torch
    from open_clip.transform import PreprocessCfg, image_transform_v2

    names = ("a car nearby.", "a car at some distance.", "a car far away.", "no car.")
    templates = ("a photo of a {}.", "a drawing of a {}.")
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    classifier = open_clip.build_zero_shot_classifier(model, tokenizer, names, templates)
    transform = image_transform_v2(PreprocessCfg(), is_train=False)
    pictures = torch.stack([transform(Image.fromarray(pixels)) for pixels in _noise(N_COMPARED)])
    with torch.inference_mode():
        images = model.encode_image(pictures, normalize=True)
    return cast("list[int]", (images @ classifier).argmax(dim=1).tolist())


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("user")
    labels = np.random.default_rng(1).integers(0, 4, KITTI.n_images).tolist()
    _write_kitti(folder / "root", labels)
    model = _write_weights(folder / "root")
    typed = [CLIPKSTAR, *AS_TYPED]
    mini = [sys.executable, "-c", IN_MINIATURE, *AS_TYPED]
    with hub_stand_in(folder / "root") as hub:
        first = _run([*typed, "--task", "kitti"], hub.endpoint, folder)
        commit = next(path.parts[-1] for path in (folder / "home/hf/hub").glob("datasets--*/snapshots/*"))
    again = _run([*typed, "--task", "kitti"], hub.endpoint, folder)
    sample = _run([*typed, "--task", "kitti", "--limit", "20", "--runs", "other"], hub.endpoint, folder)
    for file in (folder / "root/datasets").glob("*/*"):
        file.rename(folder / file.name)
    _write_miniature(folder / "root")
    with hub_stand_in(folder / "root") as hub:
        suite = _run([*mini, "--runs", "core"], hub.endpoint, folder)
    suite_again = _run([*mini, "--runs", "core"], hub.endpoint, folder, HF_HUB_OFFLINE="1")
    for weights in folder.rglob("open_clip_model.safetensors"):
        weights.resolve().unlink()
    return Session(
        folder=folder,
        first=first,
        again=again,
        sample=sample,
        suite=suite,
        suite_again=suite_again,
        reference=_reference(model),
        commit=commit,
    )


def _only(told: tuple[list[dict[str, object]], list[str]]) -> dict[str, dict[str, object]]:
    records, _ = told
    assert len(records) == 1
    return cast("dict[str, dict[str, object]]", records[0])


def test_the_record_says_what_was_evaluated(session: Session) -> None:
    run = _only(session.first)
    task, checkpoint = run["task"], run["checkpoint"]
    assert (task["name"], task["dataset"], task["revision"]) == ("kitti", KITTI.dataset.path, session.commit)
    assert (task["n_images"], task["n_classes"], task["limit"]) == (711, 4, None)
    assert (checkpoint["family"], checkpoint["model"], checkpoint["pretrained"]) == ("open_clip", "ViT-B-32", TAG)
    assert (checkpoint["activation"], run["protocol"]["precision"]) == ("gelu", "fp32")
    assert f"clipkstar: 'laion2b' is taken to mean '{TAG}'." in session.first[1]


def test_the_run_lies_on_the_disk_as_it_was_printed(session: Session) -> None:
    folders = list((session.folder / "runs" / "kitti" / f"open_clip--ViT-B-32--{TAG}").iterdir())
    assert [folder.name for folder in folders] == [_only(session.first)["run_id"]]
    assert json.loads((folders[0] / "run.json").read_text()) == _only(session.first)


def test_the_predictions_are_those_of_open_clip(session: Session) -> None:
    images = pl.read_parquet(next((session.folder / "runs" / "kitti").rglob("images.parquet")))
    predictions = images.sort("row")["prediction"].to_list()
    assert predictions[:N_COMPARED] == session.reference
    assert len(set(predictions)) > 1
    right = (images["prediction"] == images["label"]).mean()
    assert _only(session.first)["scores"]["top1"] == right


def test_again_without_the_hub_it_is_done_at_once(session: Session) -> None:
    assert _only(session.again) == _only(session.first)
    assert [line for line in session.again[1] if "already done, nothing computed" in line]


def test_other_work_is_computed_from_the_cache_without_the_hub(session: Session) -> None:
    run = _only(session.sample)
    assert (run["task"]["n_images"], run["task"]["limit"], run["task"]["revision"]) == (20, 20, session.commit)
    assert run["checkpoint"] == _only(session.first)["checkpoint"]
    assert len(list((session.folder / "other").rglob("run.json"))) == 1


def test_without_a_task_the_suite_core_runs_and_works_again_offline(session: Session) -> None:
    records, _ = session.suite
    tasks = [cast("dict[str, dict[str, object]]", record)["task"] for record in records]
    assert [task["name"] for task in tasks] == [task.name for task in CORE]
    assert {task["n_images"] for task in tasks} == {N_MINIATURE}
    assert {len(cast("str", task["revision"])) for task in tasks} == {40}
    assert session.suite_again[0] == records
    assert sum("already done, nothing computed" in line for line in session.suite_again[1]) == len(CORE)
