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
from clipkstar.report.record import REPORT_SCHEMA, ClassCorrelation, Report
from clipkstar.report.statistics import statistics
from clipkstar.report.summary import summary
from clipkstar.report.tables import tables, write_table
from clipkstar.run import to_json
from clipkstar.versions import version

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.run import Evaluation

TITLE = "Does a tighter latent space mean better zero-shot?"

LOCAL = "folder"
"""Column of the points that holds paths of this machine."""

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


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A run that gets a page of its own: where it lies, and its labels in the report."""

    run_id: str
    folder: Path
    data_set: str
    model: str


def make_report(roots: Sequence[Path], folder: Path, wanted: Wanted, tell: Tell) -> Report:
    """Make the report of all runs of some stores in a folder, in place of an earlier one.

    tell: gets every sentence on what is left out, split or missing; they stand in the report, too. Returns report.json.
    Raises InputError for a folder that holds something else or cannot be written, for stores without a run that can be
    read, for an accuracy that is no such score, and for a run that is asked for and is not there; then nothing changes.
    """
    check_folder(folder)
    if wanted.reference is not None and not wanted.reference.is_file():
        raise InputError(f"there is no file of published results '{wanted.reference}'; check the path.")
    points = read_points(roots)
    chosen = choose(points.table, wanted.detail, accuracy=wanted.accuracy)
    notices = list(points.notices)
    reference = None if wanted.reference is None else _compared(points, wanted.reference, notices)
    found = statistics(points, accuracy=wanted.accuracy)
    with report_folder(folder) as unfinished:
        classes, pages = _write_details(unfinished, _rows(points, chosen), notices, thumbnails=wanted.thumbnails)
        content = PageContent(
            points=points,
            statistics=found,
            classes=classes,
            details=pages,
            reference=reference,
            notices=tuple(notices),
            title=TITLE,
        )
        _write_tables(unfinished / "tables", content)
        write_page(unfinished, content)
        (unfinished / "summary.md").write_text(summary(content), encoding="utf-8")
        report = Report(
            schema=REPORT_SCHEMA,
            clipkstar=version("clipkstar"),
            statistics=found,
            classes=classes,
            points=points.table.drop(LOCAL).to_dict(as_series=False),
            reference=None if reference is None else reference.to_dict(as_series=False),
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
        compared = compare_with_reference([run for run in runs if run is not None], table)
    except InputError as error:
        notices.append(f"nothing is compared with published numbers: {error}")
        return None
    if compared.is_empty():
        notices.append(
            f"nothing is compared with published numbers: '{table.name}' has none of the models of these runs on their "
            "data sets."
        )
    return compared


def _rows(points: Points, run_ids: Sequence[str]) -> list[Chosen]:
    """Return where the chosen runs lie and what they are called; equal weights of several names have one page."""
    rows = points.table.filter(points.table["run_id"].is_in(list(run_ids)))
    named = rows.select("run_id", "folder", "data_set", "model").unique("run_id", keep="first", maintain_order=True)
    return [
        Chosen(run_id=run_id, folder=Path(folder), data_set=data_set, model=model)
        for run_id, folder, data_set, model in named.iter_rows()
    ]


def _write_details(
    folder: Path, chosen: Sequence[Chosen], notices: list[str], *, thumbnails: bool
) -> tuple[tuple[ClassCorrelation, ...], dict[str, str]]:
    """Write the pages of the chosen runs; return the correlations over their classes, and run_id → page."""
    classes: list[ClassCorrelation] = []
    pages: dict[str, str] = {}
    for one in chosen:
        try:
            evaluation = _read(one.folder)
        except InputError as error:
            notices.append(f"{one.model} on {one.data_set} has no page of its own: {error}")
            continue
        found = class_correlations(evaluation.classes, run_id=one.run_id, data_set=one.data_set, model=one.model)
        page = detail(evaluation, model=one.model, data_set=one.data_set, correlations=found, thumbnails=thumbnails)
        pages[one.run_id] = write_detail(folder, page)
        classes += found
    return tuple(classes), pages


def _read(place: Path) -> Evaluation:
    evaluation = store.read(place)
    if evaluation is None:
        raise InputError("its run went away while the report was made.")
    return evaluation


def _write_tables(folder: Path, content: PageContent) -> None:
    for name, rows in tables(content.statistics, content.classes).items():
        write_table(folder, name, rows)
    write_table(folder, "points", content.points.table.drop(LOCAL))
    if content.reference is not None:
        write_table(folder, "reference", content.reference)
