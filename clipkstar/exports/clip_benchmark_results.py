"""Results that CLIP_benchmark measured: its table (CSV), or the JSON file of one evaluation.

They are numbers only: no images, words or weights are recorded, so that they become no runs. They can be exported, and
`report --reference` sets the table beside runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from clipkstar.errors import InputError
from clipkstar.exports.result import Result
from clipkstar.reference_tables import (
    BLANK_NAME,
    LONG_COLUMNS,
    OWN_WORDS,
    PUBLISHED,
    is_zero_shot,
    read_table,
    share,
)
from clipkstar.wording import counted

Row = Mapping[str, str | None]

KINDS = (".csv", ".json")
"""How files of results end."""

NAMES = ("dataset", "model", "pretrained")

TASK_OF = {name: task for task, (_, name) in PUBLISHED.items()}
"""CLIP_benchmark's name without folders → task of ours."""


def clip_benchmark_results(path: Path) -> tuple[list[Result], list[str]]:
    """Return the zero-shot results of a file, by data set and model, and what was left out, in sentences.

    task: ours where the data set is one of the standard suite, else CLIP_benchmark's name without "wds/".
    prompt_set: the language where it is not "en". Raises InputError for a file that is of another kind, for a cell that
    is no share, and for two results of one model on one data set.
    """
    rows = _json_rows(path) if path.suffix.lower() == ".json" else _csv_rows(path)
    found: dict[tuple[str, str, str], Result] = {}
    for row in rows:
        result = _result(row, path) if is_zero_shot(row) else None
        if result is None:
            continue
        key = (result.data_set, result.checkpoint, result.prompt_set)
        if key in found:
            raise InputError(
                f"'{path.name}' has two results of {result.model} {result.pretrained} on {result.dataset}; remove one."
            )
        found[key] = result
    n_others = len(rows) - len(found)
    left_out = f"'{path.name}': {counted(n_others, 'row')} without zero-shot accuracy left out."
    notices = [left_out] if n_others else []
    if any(result.task == "clevr_distance" for result in found.values()):
        notices.append(f"'{path.name}': {BLANK_NAME}; its numbers do not compare with ours.")
    return [found[key] for key in sorted(found)], notices


def _csv_rows(path: Path) -> list[Row]:
    table = read_table(path)
    if not {*NAMES, *LONG_COLUMNS.values()} <= set(table.columns):
        raise InputError(
            f"'{path.name}' is no table of CLIP_benchmark; it needs the columns {', '.join(NAMES)}, "
            f"{', '.join(LONG_COLUMNS.values())}."
        )
    return list(table.iter_rows(named=True))


def _json_rows(path: Path) -> list[Row]:
    """Read one evaluation: its record with the metrics beside the names, as `clip_benchmark build` does it."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"there is no file of results '{path}'; check the path.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' is no readable JSON file ({error}); name another.") from error
    metrics = record.get("metrics") if isinstance(record, dict) else None
    if not isinstance(metrics, dict) or not all(isinstance(record.get(name), str) for name in NAMES):
        raise InputError(
            f"'{path.name}' is no result of CLIP_benchmark; it needs {', '.join(NAMES)} and metrics (runs of clipkstar "
            "are named by their folder)."
        )
    return [{name: None if cell is None else str(cell) for name, cell in (metrics | record).items()}]


def _result(row: Row, path: Path) -> Result | None:
    """Return what a row says; None where it has no accuracy."""
    dataset, model, pretrained = (row[name] or "" for name in NAMES)
    scores = {score: _share(row, column, path) for score, column in LONG_COLUMNS.items()}
    if scores["top1"] is None:
        return None
    name = dataset.removeprefix("wds/")
    task = TASK_OF.get(name.rpartition("/")[2], name)
    language = row.get("language") or OWN_WORDS
    return Result(
        source="CLIP_benchmark",
        data_set=task if language == OWN_WORDS else f"{task} (prompts {language})",
        checkpoint=f"{model}--{pretrained}",
        task=task,
        model=model,
        pretrained=pretrained,
        dataset=dataset,
        prompt_set="" if language == OWN_WORDS else language,
        scores=scores,
    )


def _share(row: Row, column: str, path: Path) -> float | None:
    """Return the number in a cell; `nan` is how CLIP_benchmark writes the acc5 of fewer than five classes."""
    cell = row.get(column)
    if cell is not None and cell.strip().lower() == "nan":
        return None
    where = f"'{path.name}' has for {row['model']} {row['pretrained']} on {row['dataset']} in the column '{column}'"
    return share(cell, where)
