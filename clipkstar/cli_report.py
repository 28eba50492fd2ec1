"""The command that answers the question across models and data sets: report."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from clipkstar import options
from clipkstar.terminal import say


def run_report(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of runs. Default: runs.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the report; an earlier one is replaced.")] = Path("report"),
    accuracy: Annotated[
        Literal["top1", "mean_class_recall"], typer.Option(help="The zero-shot score that the question is about.")
    ] = "top1",
    detail: Annotated[
        list[str] | None,
        typer.Option(
            help="Model, or MODEL@DATA SET, that gets a page of its own, * for any text; repeatable; all, none. The "
            "best and the worst model have pages unless none is said."
        ),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Published accuracies: open_clip's results table or CLIP_benchmark's (CSV).")
    ] = None,
    thumbnails: Annotated[
        bool,
        typer.Option("--thumbnails", help="Show pictures of data sets whose licence may not allow passing them on."),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Tell across models and data sets how zero-shot accuracy and k* structure go together: a page, tables, figures."""
    from clipkstar.report.making import Wanted, make_report
    from clipkstar.report_view import show_report
    from clipkstar.run import to_json

    wanted = Wanted(accuracy=accuracy, detail=tuple(detail or ()), reference=reference, thumbnails=thumbnails)
    report = make_report(runs or [Path("runs")], out, wanted, say)
    if as_json:
        sys.stdout.write(f"{to_json(report)}\n")
    else:
        show_report(report, out)
