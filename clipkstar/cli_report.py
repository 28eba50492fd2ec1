"""The command that answers the question across models and data sets: report."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from clipkstar import options
from clipkstar.terminal import say


def run_report(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of runs. Default: runs.")] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of the report, new, empty, or with an earlier report, which is replaced.")
    ] = Path("report"),
    accuracy: Annotated[
        Literal["top1", "mean_class_recall"], typer.Option(help="The zero-shot score that the question is about.")
    ] = "top1",
    detail: Annotated[
        list[str] | None,
        typer.Option(
            help="Who gets a page of its own besides the models with the best and the worst accuracy: a model, "
            "MODEL@DATA_SET, a pattern such as '*ViT-B-32*', or all; repeatable. With none the two get no page either."
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
    """Tell how accuracy and k* structure go together across models and data sets: a page, tables, figures."""
    from clipkstar.report.making import Wanted, make_report
    from clipkstar.report_view import show_report
    from clipkstar.run import to_json

    wanted = Wanted(accuracy=accuracy, detail=tuple(detail or ()), reference=reference, thumbnails=thumbnails)
    report = make_report(runs or [Path("runs")], out, wanted, say)
    if as_json:
        sys.stdout.write(f"{to_json(report)}\n")
    else:
        show_report(report, out)
