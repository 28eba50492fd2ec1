"""What a person sees: tables on stdout, progress and notices on stderr."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Literal

from clipkstar.run import to_json

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.api import KstarResult
    from clipkstar.data.validation import Validation
    from clipkstar.run import Run
    from clipkstar.runner import Outcome, Progress

PLAIN_WIDTH = 160
"""Width of a table that goes to a file or a pipe."""

LEAST_WORDS = 8
"""Characters that a column of words keeps before numbers are broken, too."""

LEGEND = (
    "[95 % interval]  top1, recall, 1-NN: higher is better; ece, Γ′: lower is better; k*/n: 1 = deep inside its class\n"
    "f/o/c: fractured, overlapped, clustered classes.  Γ′ compares models on the same images, not data sets.\n"
)

KSTAR_LEGEND = (
    "[95 % interval]  k*/n: 1 = deep inside its class; γ: lower is better,\n"
    "fractured > 0.5, clustered < -0.5.  Meaning of the scores: clipkstar metrics\n"
)

MILLION = 1_000_000

MOST_CLASSES = 20
"""Classes in the table of the terminal; all are in classes.parquet."""


def say(sentence: str) -> None:
    """Write one line to stderr."""
    sys.stderr.write(f"clipkstar: {sentence}\n")


def say_all(sentences: Iterable[str]) -> None:
    """Write each sentence to a line of stderr."""
    for sentence in sentences:
        say(sentence)


def tell(outcome: Outcome) -> None:
    """Say on stderr what came of one task: its notices, where its run lies, and whether it was there already."""
    task = outcome.evaluation.run.task.name
    for notice in outcome.evaluation.notices:
        say(f"{task}: {notice}")
    say(f"{task}: {'already done, nothing computed' if outcome.skipped else 'done'}: {outcome.folder}")


def show_runs(runs: Sequence[Run], *, as_json: bool) -> None:
    """Print runs on stdout: their records as a JSON array, or the main scores, one line each, and how to read them."""
    if as_json:
        sys.stdout.write(to_json(runs) + "\n")
        return
    if not runs:
        return
    sys.stdout.write(f"\n{_heading(runs[0])}\n")
    print_table([run_cells(run) for run in runs], left=("task",))
    sys.stdout.write(LEGEND)


def main_scores(run: Run) -> str:
    """The scores that one looks at first, in one line."""
    cells = run_cells(run)
    return ", ".join(f"{name} {cells[name].split(' [')[0]}" for name in ("top1 %", "1-NN %", "k*/n", "Γ′"))


def show_kstar(result: KstarResult, *, as_json: bool) -> None:
    """Print a result of k* alone on stdout: its record as JSON, or its most fractured classes and all scores."""
    from clipkstar.kstar_files import record_of

    record = record_of(result)
    if as_json:
        sys.stdout.write(to_json(record) + "\n")
        return
    prefix = "" if "kstar" in result.images.columns else "cosine_"
    distance = "cosine" if prefix else "Euclidean"
    sys.stdout.write(
        f"\n{record.n_images} images, {record.n_classes} classes; γ of each class by {distance} distance\n"
    )
    shown = _most_fractured(result.classes, prefix)
    print_table([_class_cells(row, prefix) for row in shown.iter_rows(named=True)], left=("class", "pattern"))
    if shown.height < result.classes.height:
        sys.stdout.write(
            f"the {shown.height} most fractured classes; {result.classes.height - shown.height} more are not shown, "
            "--out FOLDER writes all.\n"
        )
    print_table(_score_rows(result), left=("score",))
    sys.stdout.write(KSTAR_LEGEND)


def show_catalog(
    entries: Sequence[Mapping[str, str | int | None]], *, as_json: bool, without: Sequence[str] = ()
) -> None:
    """Print what can be named, one entry a line, or as a JSON array; columns in `without` stand in the JSON only."""
    if as_json:
        sys.stdout.write(to_json(entries) + "\n")
        return
    entries = [{key: value for key, value in entry.items() if key not in without} for entry in entries]
    rows = [{key: _cell(value) for key, value in entry.items()} for entry in entries]
    numbers = {key for entry in entries for key, value in entry.items() if isinstance(value, int)}
    print_table(rows, left=[key for key in rows[0] if key not in numbers])


def _cell(value: str | int | None) -> str:
    """Large numbers in millions, so that a table of models fits."""
    if isinstance(value, int) and value >= MILLION:
        return f"{value / MILLION:.1f} M"
    return "" if value is None else str(value)


def show_validations(found: Sequence[Validation], *, as_json: bool) -> None:
    """Print what tasks are like, one line each, the classes of a single one, and everything to say about them."""
    from clipkstar.data.validation import class_rows, summary_row

    if as_json:
        sys.stdout.write(to_json(found) + "\n")
        return
    show_catalog([summary_row(validation) for validation in found], as_json=False)
    if len(found) == 1 and found[0].classes:
        classes = class_rows(found[0])
        show_catalog(classes[:MOST_CLASSES], as_json=False)
        if len(classes) > MOST_CLASSES:
            sys.stdout.write(f"the {MOST_CLASSES} largest of {len(classes)} classes; --json lists all.\n")
    for validation in found:
        for noun, sentences in (("problem", validation.problems), ("remark", validation.remarks)):
            for sentence in sentences:
                sys.stdout.write(f"{validation.task}: {noun}: {sentence}\n")


def print_table(rows: Sequence[Mapping[str, str]], *, left: Sequence[str]) -> None:
    """Print rows of equal columns; those not named in `left` are numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    width = Console().width if sys.__stdout__ and sys.__stdout__.isatty() else PLAIN_WIDTH
    numbers = [column for column in rows[0] if column not in left]
    whole = numbers if _least_width(rows, numbers) <= width else []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in rows[0]:
        justify: Literal["left", "right"] = "left" if column in left else "right"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column in whole)
    for row in rows:
        table.add_row(*row.values())
    text = io.StringIO()
    Console(file=text, width=width, markup=False, emoji=False).print(table)
    sys.stdout.write(text.getvalue())


def _least_width(rows: Sequence[Mapping[str, str]], numbers: Sequence[str]) -> int:
    """Width of a table that breaks no number and leaves its words LEAST_WORDS characters."""
    widths = [max(len(column), *(len(row[column]) for row in rows)) for column in numbers]
    return sum(widths) + LEAST_WORDS * (len(rows[0]) - len(numbers)) + 3 * len(rows[0])


def run_cells(run: Run) -> dict[str, str]:
    """The main scores of a run, by column."""
    scores = run.scores
    sample = f" (sample of {run.task.limit})" if run.task.limit is not None else ""
    prompts = f" (prompts {run.protocol.prompt_set})" if run.protocol.prompt_set else ""
    patterns = [scores.get(name) for name in ("fractured", "overlapped", "clustered")]
    return {
        "task": run.task.name + sample + prompts,
        "n": str(run.task.n_images),
        "top1 %": _percent(scores.get("top1"), run.intervals.get("top1")),
        "recall %": _percent(scores.get("mean_class_recall")),
        "ece": _number(scores.get("ece"), "{:.3f}"),
        "1-NN %": _percent(scores.get("nn1_accuracy")),
        "k*/n": _number(scores.get("kstar_mean"), "{:.3f}"),
        "Γ′": _number(scores.get("gamma_approx"), "{:+.2f}", run.intervals.get("gamma_approx")),
        "cosine Γ′": _number(scores.get("cosine_gamma_approx"), "{:+.2f}"),
        "f/o/c": "/".join(_number(count, "{:.0f}") for count in patterns),
    }


def _most_fractured(classes: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """The first classes by falling γ. Where it is undefined the pattern tells its place; without one, the end."""
    import polars as pl

    gamma, pattern = pl.col(f"{prefix}gamma"), pl.col(f"{prefix}pattern")
    place = gamma.fill_null(pattern.replace_strict({"fractured": inf, "overlapped": 0.0, "clustered": -inf}))
    return classes.sort(place, descending=True, nulls_last=True, maintain_order=True).head(MOST_CLASSES)


def _class_cells(row: Mapping[str, str | float | None], prefix: str) -> dict[str, str]:
    def value(column: str) -> float | None:
        found = row[prefix + column]
        return found if isinstance(found, float) else None

    low, high = value("gamma_low"), value("gamma_high")
    interval = None if low is None or high is None else (low, high)
    return {
        "class": str(row["name"]),
        "n": str(row["n_images"]),
        "k*/n": _number(value("kstar_mean"), "{:.3f}"),
        "γ": _number(value("gamma"), "{:+.2f}", interval),
        "pattern": str(row[f"{prefix}pattern"] or "–"),
        "1-NN %": _percent(value("nn1_accuracy")),
    }


def _score_rows(result: KstarResult) -> list[dict[str, str]]:
    """One row per score, one column per distance."""
    cosine = "cosine_"
    names = dict.fromkeys(name.removeprefix(cosine) for name in result.scores)
    prefixes = {"euclidean": "", "cosine": cosine}
    there = {distance: prefix for distance, prefix in prefixes.items() if f"{prefix}kstar_mean" in result.scores}
    return [
        {"score": name} | {distance: _score(result, prefix + name) for distance, prefix in there.items()}
        for name in names
    ]


def _score(result: KstarResult, name: str) -> str:
    value = result.scores.get(name)
    is_count = value is not None and value.is_integer() and name not in result.intervals
    return _number(value, "{:.0f}" if is_count else "{:.3f}", result.intervals.get(name))


def _percent(share: float | None, interval: tuple[float, float] | None = None) -> str:
    ends = None if interval is None else (100 * interval[0], 100 * interval[1])
    return _number(None if share is None else 100 * share, "{:.1f}", ends)


def _number(value: float | None, form: str, interval: tuple[float, float] | None = None) -> str:
    if value is None:
        return "–"
    return form.format(value) + (f" [{form.format(interval[0])}, {form.format(interval[1])}]" if interval else "")


def _heading(run: Run) -> str:
    checkpoint, protocol = run.checkpoint, run.protocol
    space = "" if protocol.space == "output" else f", space {protocol.space}"
    return (
        f"{checkpoint.model} {checkpoint.pretrained} ({checkpoint.family}), {protocol.precision} on {protocol.device}"
        f"{space}"
    )


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Give a function that draws progress on stderr: a live bar on a terminal, a line per task elsewhere."""
    if not sys.stderr.isatty():
        yield _plain_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        known: dict[str, TaskID] = {}

        def draw(task: str, done: int, total: int) -> None:
            if task not in known:
                known[task] = bars.add_task(task, total=total)
            bars.update(known[task], completed=done)

        yield draw


def _plain_progress(task: str, done: int, total: int) -> None:
    if done == total:
        say(f"{task}: {total} images encoded.")
