"""Every task of the hub in miniature, from a stand-in of the hub under the real names, and again without it.

Each set has the files that the real one has: class names, templates, shards of pictures and labels, arrays where the
task takes subgroups from them. Only the number of images is replaced; that a wrong one is refused is tested elsewhere.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from colors import NAMES, picture
from hub_stand_in import hub_stand_in
from miniature_sets import client, write_set

from clipkstar.discovery import TASKS, list_own
from clipkstar.task import RepositoryFile, Task

SETS = {task.name: task for task in list_own(TASKS) if not task.dataset.is_local}
KINDS = ("webp", "png", "jpg")
N_IMAGES = 12
MANY_SHARDS = "cifar10"

EVALUATE = """
import hashlib, json, os, sys
from dataclasses import replace
from pathlib import Path
from clipkstar.discovery import METRICS, TASKS, find_all, list_own
from clipkstar.encoder import Request
from clipkstar.encoders.fake import FAMILY
from clipkstar.data.rows import open_rows
from clipkstar.runner import evaluate
from clipkstar.unit import Settings, Work
from clipkstar.store import Store
TINY = [replace(task, n_images=12) for task in list_own(TASKS) if not task.dataset.is_local]
def told(rows):
    images = [hashlib.sha256(content).hexdigest() for batch in rows.image_batches(5) for content in batch]
    return {"fingerprint": rows.fingerprint, "revision": rows.revision, "labels": rows.labels.tolist(),
            "subgroups": None if rows.subgroups is None else rows.subgroups.tolist(), "images": images,
            "n_classes": len(rows.class_names)}
def evaluated(opened):
    work = Work(family=FAMILY, checkpoint=FAMILY.resolve(Request(model="colors")), settings=Settings(),
                metrics=find_all(METRICS, ["zero_shot", "subgroups", "kstar"]))
    outcomes = evaluate(work, opened, Store(root=Path(sys.argv[1])), lambda *_: None)
    return {outcome.evaluation.run.task.name: {
        "revision": outcome.evaluation.run.task.revision, "scores": outcome.evaluation.run.scores,
        "skipped": outcome.skipped} for outcome in outcomes}
streams = {}
if "stream" in sys.argv:
    streams = {task.name: told(open_rows(task, stream=True)) for task in TINY}
kept = [path.name for path in Path(os.environ["HF_HOME"]).rglob("*.tar")]
opened = [open_rows(task) for task in TINY]
print(json.dumps({"streams": streams, "kept": kept, "tables": {rows.task.name: told(rows) for rows in opened},
                  "runs": evaluated(opened)}))
"""


def _labels(task: Task) -> list[int]:
    """A handful of classes, the last one among them, in an order that no other order of the shards gives."""
    last = (task.n_classes or 0) - 1
    return [0, last, last // 2, 0, last, 0, last // 2, last, last, 0, 0, last // 2]


def _write(root: Path, task: Task, kind: str) -> None:
    samples = []
    for row, label in enumerate(_labels(task)):
        content = picture(NAMES[label % 3], size=(8 + row, 8), kind={"jpg": "JPEG"}.get(kind, kind.upper()))
        members = {"cls": str(label).encode(), kind: content}
        if task.subgroups:
            np.save(root / "cell.npy", np.array([row % 3, row % 2]))
            members["npy"] = (root / "cell.npy").read_bytes()
        samples.append(members)
    names = [f"{NAMES[label % 3]} thing {label}" for label in range(task.n_classes or 0)]
    if task.name == "clevr_distance":
        del names[3]  # blank in the real list, and lost
    per_shard = 1 if task.name == MANY_SHARDS else 5
    write_set(root / "datasets" / task.dataset.path, samples, names=names, per_shard=per_shard)


@dataclass(frozen=True)
class Suite:
    """What the client told with the stand-in there, with it gone, and in offline mode."""

    online: dict[str, dict[str, dict[str, object]]]
    gone: dict[str, dict[str, dict[str, object]]]
    offline: dict[str, dict[str, dict[str, object]]]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    folder = tmp_path_factory.mktemp("suite")
    (folder / "root").mkdir()
    for number, task in enumerate(SETS.values()):
        _write(folder / "root", task, KINDS[number % 3])
    home, runs = folder / "home", str(folder / "runs")
    with hub_stand_in(folder / "root") as hub:
        online = client(EVALUATE, hub.endpoint, home, runs, "stream")
    gone = client(EVALUATE, hub.endpoint, home, runs)
    offline = client(EVALUATE, hub.endpoint, home, runs, HF_HUB_OFFLINE="1")
    told = (cast("dict[str, dict[str, dict[str, object]]]", answer) for answer in (online, gone, offline))
    return Suite(*told)


def test_the_suite_has_the_36_sets_under_36_names() -> None:
    assert len(SETS) == len({task.dataset.path for task in SETS.values()}) == 36


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_read_in_full_and_its_commit_recorded(name: str, suite: Suite) -> None:
    task, table, run = SETS[name], suite.online["tables"][name], suite.online["runs"][name]
    assert table["labels"] == _labels(task)
    assert table["n_classes"] == task.n_classes
    assert len(set(cast("list[str]", table["images"]))) == N_IMAGES
    index = None if task.subgroups is None else task.subgroups.index
    assert table["subgroups"] == (None if index is None else [row % (3 - index) for row in range(N_IMAGES)])
    assert len(cast("str", table["revision"])) == 40
    assert (run["revision"], run["skipped"]) == (table["revision"], False)


@pytest.mark.parametrize("name", SETS)
def test_a_set_has_the_score_that_published_tables_give(name: str, suite: Suite) -> None:
    task, scores = SETS[name], cast("dict[str, float]", suite.online["runs"][name]["scores"])
    assert 0 <= scores[task.main_score] <= 1
    assert 0 <= scores["kstar_mean"] <= 1
    if isinstance(task.class_names, RepositoryFile):
        # All classes of a colour tie for the encoder that sees only colours, and the first one wins.
        right = [label == label % 3 for label in _labels(task)]
        assert scores["top1"] == np.mean(right)


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_the_same_without_the_hub_and_nothing_is_computed_again(name: str, suite: Suite) -> None:
    for later in (suite.gone, suite.offline):
        assert later["tables"][name] == suite.online["tables"][name]
        assert later["runs"][name] == suite.online["runs"][name] | {"skipped": True}


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_the_same_when_it_is_streamed(name: str, suite: Suite) -> None:
    assert suite.online["streams"][name] == suite.online["tables"][name]


def test_no_shard_stays_of_a_stream(suite: Suite) -> None:
    assert suite.online["kept"] == []


def test_one_set_has_more_shards_than_ten_and_is_read_in_their_order(suite: Suite) -> None:
    task = SETS[MANY_SHARDS]
    labels = _labels(task)
    by_name = [labels[shard] for shard in sorted(range(N_IMAGES), key=str)]
    assert by_name != labels == suite.online["tables"][MANY_SHARDS]["labels"]
