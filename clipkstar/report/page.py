"""index.html: the answer first, then the models, the pictures and the numbers behind it, in one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.report.answer import answer
from clipkstar.report.leaderboard import Row, leaderboard
from clipkstar.report.page_figures import draw_figures
from clipkstar.report.record import JUDGEMENTS, PRIMARY, Correlation, DataSet, Verdict
from clipkstar.report.templating import render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from clipkstar.report.points import Points
    from clipkstar.report.record import ClassCorrelation, Coefficient, Statistics

MOST_SHOWN = 6
"""Data sets whose columns stand in the leaderboard at once; of more, the reader chooses one at a time."""

DIGITS = 5
"""Decimals of the numbers that the page keeps for its script; it shows fewer."""

Numbers = list[float | None]


@dataclass(frozen=True, kw_only=True)
class PageContent:
    """What the main page tells.

    classes: correlations within runs. details: run_id → page of that run, relative to index.html. reference: published
    numbers beside ours (columns of clipkstar.reference.COLUMNS), None = not asked for. notices: sentences, in order.
    """

    points: Points
    statistics: Statistics
    classes: tuple[ClassCorrelation, ...]
    details: Mapping[str, str]
    reference: pl.DataFrame | None
    notices: tuple[str, ...]
    title: str


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A row of the table of verdicts. pearson, kendall: of accuracy and Γ′, beside the Spearman of the verdict."""

    verdict: Verdict
    data_set: DataSet
    pearson: Correlation
    kendall: Correlation


def write_page(folder: Path, content: PageContent) -> None:
    """Write index.html into a folder, and the figures that stand in it beside it as figures/*.svg and *.png."""
    statistics = content.statistics
    labels = [one.label for one in content.points.data_sets]
    rows = leaderboard(content.points.table, labels, accuracy=statistics.accuracy)
    figures = draw_figures(folder / "figures", content.points, statistics, [row.name for row in rows])
    judgements = [verdict.judgement for verdict in statistics.verdicts if verdict.counted]
    page = render(
        "index.html.jinja",
        content=content,
        accuracy=statistics.accuracy,
        answer=answer(statistics),
        tally=[(word, judgements.count(word)) for word in JUDGEMENTS],
        notices=content.notices,
        data_sets=statistics.data_sets,
        shown=range(min(MOST_SHOWN, len(labels))),
        rows=rows,
        links=[_links(row, labels, content.details) for row in rows],
        families=sorted({row.family for row in rows}),
        lineages=sorted({row.lineage for row in rows}),
        figures=figures,
        verdicts=_judged(statistics),
        rankings=statistics.rankings,
        partial=statistics.partial,
        classes=content.classes,
        reference=[] if content.reference is None else content.reference.to_dicts(),
        data=_data(rows, labels, statistics.accuracy),
    )
    (folder / "index.html").write_text(page, encoding="utf-8")


def _links(row: Row, labels: Sequence[str], details: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (data set, page) for each run of a model that has a page of its own."""
    results = zip(labels, row.results, strict=True)
    return [(label, details[one.run_id]) for label, one in results if one is not None and one.run_id in details]


def _judged(statistics: Statistics) -> list[Judged]:
    data_sets = {one.label: one for one in statistics.data_sets}
    found = {(one.data_set, one.coefficient): one for one in statistics.correlations if one.score == PRIMARY}

    def other(verdict: Verdict, coefficient: Coefficient) -> Correlation:
        return found[verdict.data_set, coefficient]

    return [
        Judged(
            verdict=verdict,
            data_set=data_sets[verdict.data_set],
            pearson=other(verdict, "pearson"),
            kendall=other(verdict, "kendall"),
        )
        for verdict in statistics.verdicts
    ]


def _data(rows: Sequence[Row], labels: Sequence[str], accuracy: str) -> dict[str, object]:
    """Return what the script needs: models in the order of the table, and for each data set their six numbers."""
    return {
        "accuracy": accuracy,
        "sets": labels,
        "shown": list(range(min(MOST_SHOWN, len(labels)))),
        "models": [[row.name, row.family, row.lineage, row.why_not] for row in rows],
        "results": [[_numbers(row, place) for row in rows] for place in range(len(labels))],
    }


def _numbers(row: Row, place: int) -> Numbers | None:
    """Return accuracy, low, high, Γ′, low, high; None where the model was not evaluated."""
    result = row.results[place]
    if result is None:
        return None
    none = (None, None)
    numbers = (
        *(result.accuracy, *(result.accuracy_interval or none)),
        *(result.gamma, *(result.gamma_interval or none)),
    )
    return [None if value is None else round(value, DIGITS) for value in numbers]
