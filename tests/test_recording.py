"""Records: what was evaluated and how, and what earlier metrics had found for the same embeddings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from colors import colors_task

from clipkstar.data.rows import Rows, open_rows
from clipkstar.encoder import Request
from clipkstar.encoders.fake import FAMILY
from clipkstar.measure import Findings
from clipkstar.recording import record, with_other_metrics
from clipkstar.run import CLASS_COLUMNS, IMAGE_COLUMNS, Evaluation, Run, Seconds
from clipkstar.selection import select_metrics
from clipkstar.unit import Settings, Unit, Work

CHECKPOINT = FAMILY.resolve(Request(model="colors"))
SECONDS = Seconds(open=1.0, pixels=2.0, encode_images=3.0, encode_texts=4.0, metrics=5.0, total=15.0)
FOUND = Findings(
    scores={"top1": 0.5, "ece": None},
    intervals={"top1": (0.25, 0.75)},
    images=pl.DataFrame(),
    classes=pl.DataFrame(),
    notices=("said once",),
)


@pytest.fixture
def colors(tmp_path: Path) -> Rows:
    return open_rows(colors_task(tmp_path))


def recorded(rows: Rows, **settings: Any) -> tuple[Run, Unit]:
    work = Work(
        family=FAMILY,
        checkpoint=CHECKPOINT,
        metrics=select_metrics(("zero_shot",)),
        settings=Settings(device="cpu", **settings),
    )
    unit = Unit(work=work, identity=FAMILY.identify(CHECKPOINT), device="cpu", rows=rows)
    return record(unit, work.metrics, FOUND, SECONDS), unit


def test_the_record_says_what_was_evaluated_and_how(colors: Rows) -> None:
    run, unit = recorded(colors, batch_size=5)
    assert (run.schema, run.status, run.run_id) == (1, "done", unit.run_id)
    assert vars(run.task) == {
        "name": "colors",
        "dataset": "parquet:colors.parquet",
        "revision": None,
        "split": "test",
        "n_images": 12,
        "n_classes": 3,
        "limit": None,
        "fingerprint": colors.fingerprint,
        "images_digest": colors.images_digest,
    }
    identity = {name: value for name, value in vars(FAMILY.identify(CHECKPOINT)).items() if name != "files"}
    assert vars(run.checkpoint) == {
        **{name: getattr(CHECKPOINT, name) for name in ("family", "model", "pretrained", "lineage")},
        **identity,
    }
    assert vars(run.protocol) == {
        "precision": "fp32",
        "space": "output",
        "templates": ("a photo of a {}.",),
        "batch_size": 5,
        "device": "cpu",
        "prompt_set": "",
    }
    assert run.metrics == {metric.name: metric.version for metric in select_metrics(("zero_shot",))}
    assert (run.scores, run.intervals) == (FOUND.scores, FOUND.intervals)
    assert (run.seconds, run.embeddings) == (SECONDS, unit.keys)


def evaluation(run: Run, *, images: dict[str, list[int]], classes: dict[str, list[float]]) -> Evaluation:
    return Evaluation(run=run, images=pl.DataFrame(images), classes=pl.DataFrame(classes), notices=("new",))


def of(run: Run, name: str, version: str, score: float) -> Run:
    """The run with one metric of one score of its name."""
    return replace(run, metrics={name: version}, scores={name: score}, intervals={name: (score, score)})


def test_what_other_metrics_had_found_is_kept_and_columns_stand_in_the_order_of_the_contract(colors: Rows) -> None:
    run, _ = recorded(colors)
    old = evaluation(
        of(run, "old", "1", 0.25), images={"own": [1, 2], "kstar": [3, 4], "row": [0, 1]}, classes={"recall": [0.5]}
    )
    new = evaluation(
        of(run, "new", "1", 0.5), images={"prediction": [5, 6], "row": [0, 1]}, classes={"gamma": [0.1], "name": [0.2]}
    )
    found = with_other_metrics(new, old)
    assert found.run.metrics == {"old": "1", "new": "1"}
    assert found.run.scores == {"old": 0.25, "new": 0.5}
    assert found.run.intervals == {"old": (0.25, 0.25), "new": (0.5, 0.5)}
    assert found.images.to_dict(as_series=False) == {
        "row": [0, 1], "prediction": [5, 6], "kstar": [3, 4], "own": [1, 2],
    }  # fmt: skip
    assert [name for name in IMAGE_COLUMNS if name in found.images.columns] == found.images.columns[:3]
    assert found.classes.columns == [name for name in CLASS_COLUMNS if name in ("name", "recall", "gamma")]
    assert found.notices == ("new",)


def test_what_is_found_now_replaces_what_was_found_before(colors: Rows) -> None:
    run, _ = recorded(colors)
    old = evaluation(of(run, "same", "1", 0.25), images={"row": [0], "kstar": [1]}, classes={"gamma": [1.0]})
    new = evaluation(of(run, "same", "1", 0.5), images={"row": [0], "kstar": [2]}, classes={"gamma": [2.0]})
    found = with_other_metrics(new, old)
    assert found.run.scores == {"same": 0.5}
    assert (found.images["kstar"].to_list(), found.classes["gamma"].to_list()) == ([2], [2.0])


def test_what_a_metric_of_another_version_had_found_goes_with_all_that_cannot_be_told_from_it(colors: Rows) -> None:
    run, _ = recorded(colors)
    old = evaluation(
        replace(of(run, "same", "1", 0.25), metrics={"same": "1", "other": "1"}),
        images={"row": [0], "of_other": [1]},
        classes={"gamma": [1.0]},
    )
    new = evaluation(of(run, "same", "2", 0.5), images={"row": [0]}, classes={"name": [0.0]})
    assert with_other_metrics(new, old) is new
