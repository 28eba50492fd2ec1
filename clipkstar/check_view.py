"""What check and baseline print on stdout: tables, why, and the verdict as the last line."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from clipkstar.regression.sentences import (
    MARKS,
    by_importance,
    change,
    direction,
    p_name,
    p_shown,
    score_value,
    sides,
    verdict_words,
    why,
)
from clipkstar.run import to_json
from clipkstar.shown_names import visible
from clipkstar.terminal import PLAIN_WIDTH, print_table, say_all
from clipkstar.wording import counted, number, p_value, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipkstar.regression.record import Check, ClassRegression, Comparison
    from clipkstar.run import Evaluation

MOST_CLASSES = 10
"""Rows of the table of classes; --json has all."""

MOST_SENTENCES = 20
"""Comparisons whose reason is written out; --json has all."""

LEAST_WIDTH = 120
"""Columns of a terminal from which one table holds all data sets and numbers; below, each data set has its own."""

DIGITS_OF_FINGERPRINT = 12

HEADS = {
    "top1": "top1 %",
    "mean_class_recall": "recall %",
    "nn1_accuracy": "1-NN %",
    "kstar_mean": "k*/n",
    "gamma_approx": "Γ′",
    "recall": "recall %",
    "gamma": "γ",
}
"""Names of scores as in the table of eval."""

LEFT = ("data set", "score", "it is", "verdict")
"""Columns that hold words."""


def show_check(check: Check) -> None:
    """Print comparisons, classes that became worse, why, and the verdict in the last line; notices go to stderr."""
    say_all(check.notices)
    _say("")
    _say(sides(check))
    if _width() >= LEAST_WIDTH:
        _print([_all_cells(check, one) for one in check.comparisons])
    else:
        for task in dict.fromkeys(one.task for one in check.comparisons):
            of_task = [one for one in check.comparisons if one.task == task]
            _say("")
            _say(f"{task}, {counted(of_task[0].n_images, 'image')}")
            _print([_cells(one) | {"verdict": one.verdict} for one in of_task])
    _show_classes(check.classes)
    _show_reasons(check)
    _say(f"{verdict_words(check)}.")


def show_baseline(evaluations: Sequence[Evaluation], *, as_json: bool) -> None:
    """Print what a baseline holds: one line per evaluation, or their run records as a JSON array."""
    runs = [evaluation.run for evaluation in evaluations]
    if as_json:
        sys.stdout.write(to_json(runs) + "\n")
        return
    rows = [
        {
            "data set": run.task.name,
            "checkpoint": run.checkpoint.title,
            "n": str(run.task.n_images),
            "top1 %": percent(run.scores.get("top1")),
            "Γ′": number(run.scores.get("gamma_approx")),
            "precision": run.protocol.precision,
            "fingerprint": run.task.fingerprint[:DIGITS_OF_FINGERPRINT],
        }
        for run in runs
    ]
    _print(rows, left=("data set", "checkpoint", "precision", "fingerprint"))


def _width() -> int:
    """Characters of a line, as print_table has it."""
    is_terminal = sys.__stdout__ is not None and sys.__stdout__.isatty()
    return shutil.get_terminal_size().columns if is_terminal else PLAIN_WIDTH


def _print(rows: Sequence[dict[str, str]], *, left: Sequence[str] = LEFT) -> None:
    if rows:
        print_table([{head: visible(cell) for head, cell in row.items()} for row in rows], left=left)


def _cells(one: Comparison) -> dict[str, str]:
    return {
        "score": HEADS.get(one.score, one.score),
        "baseline": score_value(one.score, one.baseline),
        "candidate": score_value(one.score, one.candidate),
        "difference [95 %]": change(one.score, one.difference, one.low, one.high),
        "it is": direction(one),
    }


def _all_cells(check: Check, one: Comparison) -> dict[str, str]:
    return {
        "data set": one.task,
        **_cells(one),
        p_name(check.mode): p_value(p_shown(one, check.mode)),
        "power": number(one.power),
        "verdict": MARKS[one.verdict],
    }


def _show_classes(classes: Sequence[ClassRegression]) -> None:
    if not classes:
        return
    _say("")
    _say("Classes that became worse (they decide nothing):")
    rows = [
        {
            "data set": one.task,
            "class": one.name,
            "n": str(one.n_images),
            "score": HEADS[one.score],
            "difference": change(one.score, one.difference, None, None),
            "p (Holm)": p_value(one.p_corrected),
            "": "" if one.established else "may be chance",
        }
        for one in classes[:MOST_CLASSES]
    ]
    _print(rows, left=("data set", "class", "score", ""))
    if len(classes) > MOST_CLASSES:
        _say(f"{len(classes) - MOST_CLASSES} more are not shown, --json lists all.")


def _show_reasons(check: Check) -> None:
    reasons = [_reason(one) for one in by_importance(check.comparisons) if one.verdict != "pass"]
    if reasons:
        _say("")
    for sentence in reasons[:MOST_SENTENCES]:
        _say(sentence)
    if len(reasons) > MOST_SENTENCES:
        _say(f"{len(reasons) - MOST_SENTENCES} more are not shown, --json lists all.")


def _reason(one: Comparison) -> str:
    return f"{MARKS[one.verdict]}: {one.task}, {one.score}: {why(one)}"


def _say(line: str) -> None:
    sys.stdout.write(f"{visible(line)}\n")
