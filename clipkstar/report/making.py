"""From stores to a finished report: points, statistics, tables, figures, pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar import store
from clipkstar.errors import InputError
from clipkstar.reference import compare_with_reference
from clipkstar.report.choice import choose
from clipkstar.report.class_correlation import class_correlations
from clipkstar.report.detail import detail
from clipkstar.report.detail_page import write_detail
from clipkstar.report.files import RECORD, check_folder, report_folder
from clipkstar.report.page import PageContent, write_page
from clipkstar.report.points import Points, read_points
from clipkstar.report.record import REPORT_SCHEMA, ClassCorrelation, Report, Statistics
from clipkstar.report.statistics import statistics
from clipkstar.report.summary import summary
from clipkstar.report.tables import tables, write_table
from clipkstar.run import to_json
from clipkstar.versions import version

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.run import Evaluation

TITLE = "Does a tighter latent space mean better zero-shot?"

Tell = Callable[[str], None]
"""Takes one sentence for the reader, as soon as it is known."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a report should hold.

    accuracy: the zero-shot score it is about. detail: names of `choice.choose`. reference: table of published
    accuracies, as reference.compare_with_reference takes it. thumbnails: show pictures whatever their licence says.
    """

    accuracy: str = "top1"
    detail: tuple[str, ...] = ()
    reference: Path | None = None
    thumbnails: bool = False


def make_report(roots: Sequence[Path], folder: Path, wanted: Wanted, tell: Tell) -> Report:
    """Make the report of all runs of some stores in a folder, in place of an earlier one.

    tell: gets every sentence on what is left out, split or missing; they stand in the report, too. Returns report.json.
    Raises InputError for a folder that holds something else or cannot be written, for stores without a run that can be
    read, for an accuracy that no run has, and for a run that is asked for and is not there; then nothing is changed.
    """
    check_folder(folder)
    points = read_points(roots)
    chosen = choose(points.table, wanted.detail)
    notices = list(points.notices)
    reference = None if wanted.reference is None else _compared(points, wanted.reference, notices)
    found = statistics(points, accuracy=wanted.accuracy)
    with report_folder(folder) as unfinished:
        classes, pages = _write_details(unfinished, points, chosen, wanted, notices)
        _write_tables(unfinished / "tables", points, found, classes, reference)
        content = PageContent(
            points=points,
            statistics=found,
            classes=classes,
            details=pages,
            reference=reference,
            notices=tuple(notices),
            title=TITLE,
        )
        write_page(unfinished, content)
        (unfinished / "summary.md").write_text(summary(content), encoding="utf-8")
        report = Report(
            schema=REPORT_SCHEMA,
            clipkstar=version("clipkstar"),
            statistics=found,
            classes=classes,
            notices=tuple(notices),
        )
        (unfinished / RECORD).write_text(to_json(report) + "\n", encoding="utf-8")
    for sentence in notices:
        tell(sentence)
    return report


def _compared(points: Points, table: Path, notices: list[str]) -> pl.DataFrame | None:
    """Put the runs beside published numbers; of a table that cannot be read it is said, and the rest is made."""
    runs = [store.read_run(Path(folder)) for folder in points.table["folder"]]
    try:
        return compare_with_reference([run for run in runs if run is not None], table)
    except InputError as error:
        notices.append(f"nothing is compared with published numbers: {error}")
        return None


def _write_details(
    folder: Path, points: Points, chosen: Sequence[str], wanted: Wanted, notices: list[str]
) -> tuple[tuple[ClassCorrelation, ...], dict[str, str]]:
    """Write the pages of the chosen runs; return the correlations over their classes, and run_id → page."""
    labels = points.table.select("run_id", "folder", "data_set", "model")
    classes: list[ClassCorrelation] = []
    pages: dict[str, str] = {}
    for run_id, place, data_set, model in labels.unique("run_id", keep="first", maintain_order=True).iter_rows():
        if run_id not in chosen:
            continue
        try:
            evaluation = _read(Path(place))
        except InputError as error:
            notices.append(f"{model} on {data_set} has no page of its own: {error}")
            continue
        found = class_correlations(evaluation.classes, run_id=run_id, data_set=data_set, model=model)
        made = detail(evaluation, model=model, data_set=data_set, correlations=found, thumbnails=wanted.thumbnails)
        classes += found
        pages[run_id] = write_detail(folder, made)
    return tuple(classes), pages


def _read(place: Path) -> Evaluation:
    evaluation = store.read(place)
    if evaluation is None:
        raise InputError("its run went away while the report was made.")
    return evaluation


def _write_tables(
    folder: Path,
    points: Points,
    found: Statistics,
    classes: Sequence[ClassCorrelation],
    reference: pl.DataFrame | None,
) -> None:
    for name, rows in tables(found, classes).items():
        write_table(folder, name, rows)
    write_table(folder, "points", points.table.drop("folder"))  # paths of this machine
    if reference is not None:
        write_table(folder, "reference", reference)
