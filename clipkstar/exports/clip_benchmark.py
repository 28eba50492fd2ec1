"""CLIP_benchmark's table of one row per result, as its command `build` writes it (version 1.6.2)."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from clipkstar.errors import InputError
from clipkstar.exports.files import begins_with
from clipkstar.exports.result import Exported, Result
from clipkstar.exports.spreadsheets import formula_notices
from clipkstar.reference_tables import LONG_COLUMNS, OWN_WORDS, PUBLISHED, ZERO_SHOT
from clipkstar.wording import counted

COLUMNS = (*LONG_COLUMNS.values(), "dataset", "model", "pretrained", "task", "language", "model_fullname")
"""Those of `build`, which writes them in an order that changes from call to call; readers go by name."""

VTAB = (
    "caltech101", "cifar10", "cifar100", "clevr_closest_object_distance", "clevr_count_all", "dtd", "eurosat",
    "flowers", "kitti_closest_vehicle_distance", "pcam", "pets", "resisc45", "svhn",
)  # fmt: skip
"""Data sets that its published table (June 2022) has under "vtab/"."""


def as_long_csv(results: Sequence[Result]) -> Exported:
    """Return the table, one row for each result that has a top1; results without one are counted in the notices.

    acc1, acc5, mean_per_class_recall: 0 … 1 with all their digits, empty where undefined (acc5 below 5 classes).
    dataset: CLIP_benchmark's name where it has one. What no column says stands behind it, such as "digits (sample of
    100)", so that nobody takes it for the whole. language: "en" = the task's own words, which is what CLIP_benchmark
    writes for words it was given, else the name of the prompt set.
    Raises InputError where no result has a top1, and where rows could not be told from each other.
    """
    shown = [result for result in results if result.scores.get("top1") is not None]
    if not shown:
        raise InputError(
            "none of these results has a zero-shot accuracy, which CLIP_benchmark's table is about; --format csv and "
            "parquet take every score."
        )
    rows = [_row(result) for result in shown]
    _refuse_equal_names(shown, rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    n_without = len(results) - len(shown)
    notices = [f"{counted(n_without, 'result')} without a zero-shot accuracy left out."] if n_without else []
    names = (cell for row in rows for column, cell in row.items() if column != "model_fullname")  # the model, again
    return Exported(content=text.getvalue().encode(), notices=(*notices, *formula_notices(names)))


def is_own_long_csv(path: Path) -> bool:
    """Whether a file begins as the table does; what cannot be read does not."""
    return begins_with(path, f"{','.join(COLUMNS)}\n".encode())


def _row(result: Result) -> dict[str, str | float | None]:
    scores = {column: result.scores.get(score) for score, column in LONG_COLUMNS.items()}
    return scores | {
        "dataset": _dataset(result),
        "model": result.model,
        "pretrained": result.pretrained,
        "task": ZERO_SHOT,
        "language": result.prompt_set or OWN_WORDS,
        "model_fullname": f"{result.model} {result.pretrained}",
    }


def _dataset(result: Result) -> str:
    """Return CLIP_benchmark's name of the task, and what no column says: a sample, a precision, a space."""
    name = PUBLISHED[result.task][1] if result.task in PUBLISHED else result.task
    folder = "vtab/" if result.task in PUBLISHED and name in VTAB else ""
    besides = result.data_set.removeprefix(result.task)
    return f"{folder}{name}{'' if besides == f' (prompts {result.prompt_set})' else besides}"


def _refuse_equal_names(results: Sequence[Result], rows: Sequence[dict[str, str | float | None]]) -> None:
    """Raise InputError where checkpoints differ in what the table does not hold, such as their family."""
    same: defaultdict[tuple[object, ...], list[str]] = defaultdict(list)
    for result, row in zip(results, rows, strict=True):
        same[row["dataset"], row["language"], row["model"], row["pretrained"]].append(result.checkpoint)
    for (dataset, _, model, pretrained), checkpoints in same.items():
        if len(checkpoints) > 1:
            raise InputError(
                f"CLIP_benchmark's table cannot tell {' from '.join(checkpoints)} on {dataset}: it names a checkpoint "
                f"by '{model}' and '{pretrained}' alone; choose one with --model, or name the folder of one run."
            )
