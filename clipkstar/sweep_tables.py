"""What sweep, score and cache print on stdout: plans, what came of every pair, what is kept."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from clipkstar.run import Run, to_json
from clipkstar.terminal import print_table, run_cells, show_catalog

if TYPE_CHECKING:
    from clipkstar.caching.room import Entries
    from clipkstar.rescoring import Rescored
    from clipkstar.sweeps.forecast import Forecast
    from clipkstar.sweeps.sweep import Ended

MOST_ROWS = 100
"""Rows of a table in the terminal; --json has all."""

SHOWN = ("n", "top1 %", "1-NN %", "k*/n", "Γ′", "f/o/c")
"""Columns of a table of runs; --json and the runs have all scores."""

RUNS_LEGEND = (
    "[95 % interval]  top1, 1-NN: higher is better; Γ′: lower is better; k*/n: 1 = deep inside its class\n"
    "f/o/c: fractured, overlapped, clustered classes.  Γ′ compares models on the same images, not data sets.\n"
)

GB = 1_000_000_000
MB = 1_000_000


@dataclass(frozen=True, kw_only=True)
class PairResult:
    """What came of one pair, as --json prints it. run: None where it failed; sentence: why, else \"\"."""

    task: str
    checkpoint: str
    outcome: Literal["ran", "skipped", "failed"]
    sentence: str
    run: Run | None


def show_forecast(ahead: Forecast, *, as_json: bool) -> None:
    """Print what a sweep will do, pair by pair, and what that takes."""
    if as_json:
        sys.stdout.write(to_json(ahead) + "\n")
        return
    show_catalog(
        [
            {"task": pair.task, "checkpoint": pair.checkpoint, "images": pair.n_images, "state": pair.state}
            for pair in ahead.pairs[:MOST_ROWS]
        ],
        as_json=False,
    )
    _say_more(len(ahead.pairs))
    sys.stdout.write("".join(f"{sentence}\n" for sentence in forecast_sentences(ahead)))


def forecast_sentences(ahead: Forecast) -> list[str]:
    """Say in a few sentences what a sweep has before it."""
    states = Counter(pair.state for pair in ahead.pairs)
    counted = ", ".join(f"{n} {state}" for state, n in states.items())
    sentences = [f"{_counted(len(ahead.pairs))} of checkpoint and task: {counted}."]
    if ahead.to_encode_by_pair:
        at_least = "" if ahead.is_complete else "at least "
        disk = f", for which the cache takes {ahead.pixel_bytes / GB:.2f} GB" if ahead.pixel_bytes else ""
        sentences.append(
            f"{at_least}{ahead.to_encode} pictures to encode, {ahead.to_decode} of them to decode and resize first"
            f"{disk}."
        )
    for what in ("weights", "data set"):
        missing = [download for download in ahead.downloads if download.what == what]
        if missing:
            sizes = [download.bytes for download in missing if download.bytes is not None]
            size = f", about {sum(sizes) / GB:.1f} GB for {len(sizes)} of them" if sizes else ""
            names = ", ".join(download.name for download in missing[:5]) + (", …" if len(missing) > 5 else "")
            sentences.append(f"to download unless cached: {what} of {names} ({len(missing)} in all{size}).")
    return sentences


def show_sweep(ended: Sequence[Ended], *, as_json: bool) -> None:
    """Print what came of every pair: scores, or the sentence that says why it failed."""
    if as_json:
        results = [
            PairResult(
                task=each.pair.task,
                checkpoint=each.pair.checkpoint,
                outcome=each.outcome,
                sentence=each.sentence,
                run=each.run,
            )
            for each in ended
        ]
        sys.stdout.write(to_json(results) + "\n")
        return
    _print_runs([(each.pair.checkpoint, each.outcome, each.run) for each in ended if each.run is not None])
    for each in ended:
        if each.outcome == "failed":
            sys.stdout.write(f"failed: {each.pair.checkpoint} on {each.pair.task}: {each.sentence}\n")
    count = Counter(each.outcome for each in ended)
    sys.stdout.write(
        f"{_counted(len(ended))}: {count['ran']} ran, {count['skipped']} skipped, {count['failed']} failed.\n"
    )


def show_rescored(rescored: Sequence[Rescored], *, as_json: bool) -> None:
    """Print the runs that were scored again, and why others were not."""
    if as_json:
        sys.stdout.write(to_json([each.run for each in rescored if each.run is not None]) + "\n")
        return
    outcomes = ("scored", "skipped")
    _print_runs(
        [(each.run.checkpoint.title, outcomes[each.skipped], each.run) for each in rescored if each.run is not None]
    )
    for each in rescored:
        if each.run is None:
            sys.stdout.write(f"not scored: {each.sentence}\n")


def show_cache(entries: Sequence[Entries], *, as_json: bool) -> None:
    """Print what the cache holds, kind by kind."""
    if as_json:
        sys.stdout.write(to_json(entries) + "\n")
    elif entries:
        rows: list[dict[str, str | int | None]] = [
            {
                "kind": each.kind,
                "files": each.n_files,
                "MB": f"{each.n_bytes / MB:.1f}",
                "last used": f"{each.last_used:%Y-%m-%d %H:%M} UTC",
            }
            for each in entries
        ]
        show_catalog(rows, as_json=False)
    else:
        sys.stdout.write("the cache is empty.\n")


def _counted(n_pairs: int) -> str:
    return "1 pair" if n_pairs == 1 else f"{n_pairs} pairs"


def _print_runs(done: Sequence[tuple[str, str, Run]]) -> None:
    """Print label, outcome and main scores of runs, data set by data set."""
    if not done:
        return
    places = {name: place for place, name in enumerate(dict.fromkeys(run.task.name for _, _, run in done))}
    in_order = sorted(done, key=lambda each: places[each[2].task.name])
    rows = []
    for label, outcome, run in in_order[:MOST_ROWS]:
        cells = run_cells(run)
        rows.append({"task": cells["task"], "checkpoint": label, "": outcome} | {name: cells[name] for name in SHOWN})
    print_table(rows, left=("task", "checkpoint", ""))
    _say_more(len(done))
    sys.stdout.write(RUNS_LEGEND)


def _say_more(n_rows: int) -> None:
    if n_rows > MOST_ROWS:
        sys.stdout.write(f"the first {MOST_ROWS} of {n_rows}; --json has all.\n")
