"""The command that hands results to other programs: export."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from clipkstar.terminal import say


def run_export(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of runs, and results of CLIP_benchmark (its CSV table, or JSON of one evaluation). "
            "Default: runs."
        ),
    ] = None,
    format_name: Annotated[
        Literal["model-index", "clip-benchmark", "csv", "parquet"],
        typer.Option(
            "--format",
            help="model-index: metadata of one checkpoint's Hugging Face model card. clip-benchmark: that project's "
            "table. csv, parquet: every score, a row per result.",
        ),
    ] = "csv",
    out: Annotated[
        Path,
        typer.Option(
            help="File to write, new or an earlier export, or a model card; - is the terminal, not for parquet."
        ),
    ] = Path("-"),
    model: Annotated[
        str | None, typer.Option(help="Only checkpoints of that name: a model, MODEL/PRETRAINED, or a pattern.")
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="Only that task; repeatable.")] = None,
) -> None:
    """Write results for other programs: model cards, CLIP_benchmark's table, CSV, parquet."""
    from clipkstar.exports.gathering import Choice
    from clipkstar.exports.making import make_export

    place = None if out == Path("-") else out
    choice = Choice(model=model, tasks=tuple(task or ()))
    text = make_export(runs or [Path("runs")], format_name=format_name, out=place, choice=choice, tell=say)
    if text is None:
        say(f"written: {out}")
    else:
        sys.stdout.write(text)
