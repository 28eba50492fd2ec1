"""summary.md: the answer and the numbers behind it, for a pull request or a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from clipkstar.report.answer import answer, our_reading
from clipkstar.report.wording import counted, number, p_value, percent, with_interval
from clipkstar.shown_names import visible

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.report.page import PageContent
    from clipkstar.report.points import Points
    from clipkstar.report.record import DataSet, Statistics

MOST_MODELS = 20
"""Rows of the table of models; the page and tables/points.csv have all."""


def summary(content: PageContent) -> str:
    """Return the text: the answer, verdicts, what Γ′ says beyond other scores, models, what was left out."""
    statistics = content.statistics
    parts = [
        f"# {content.title}",
        answer(statistics),
        _verdicts(statistics),
        _beyond(statistics),
        *(_models(content.points, data_set, statistics.accuracy) for data_set in content.points.data_sets),
        _reference(content.reference),
        _list("Left out, split or missing", content.notices),
        our_reading(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdicts(statistics: Statistics) -> str:
    rows = [
        (
            verdict.data_set,
            verdict.judgement,
            with_interval(verdict.value, verdict.low, verdict.high),
            p_value(verdict.p_holm),
            f"{verdict.n_models} ({verdict.n_lineages})",
            verdict.reason,
        )
        for verdict in statistics.verdicts
    ]
    head = ("data set", "verdict", "Spearman of accuracy and Γ′", "p (Holm)", "models (lineages)", "why")
    return _section("Data sets", _table(head, rows)) if rows else ""


def _beyond(statistics: Statistics) -> str:
    lines = []
    for partial in statistics.partial:
        where = partial.data_set or "all data sets"
        said = with_interval(partial.value, partial.low, partial.high) if partial.value is not None else partial.reason
        lines.append(f"{where}, given {' and '.join(partial.given)}: {said}")
    return _list("What Γ′ says beyond them (partial rank correlation with accuracy)", lines)


def _models(points: Points, data_set: DataSet, accuracy: str) -> str:
    """Table of the models that count on one data set, the most accurate first."""
    rows = points.table.filter((points.table["data_set"] == data_set.label) & points.table["counted"])
    rows = rows.sort([accuracy, "model"], descending=[True, False], nulls_last=True)
    cells = [
        (
            row["model"],
            percent(row[accuracy]),
            number(row["gamma_approx_common"]),
            number(row.get("kstar_mean")),
            percent(row.get("nn1_accuracy")),
        )
        for row in rows.head(MOST_MODELS).iter_rows(named=True)
    ]
    head = ("model", f"{accuracy} %", "Γ′", "k*/n", "1-NN %")
    more = f"\n\n{rows.height - MOST_MODELS} more are in tables/points.csv." if rows.height > MOST_MODELS else ""
    title = f"{data_set.label}: {counted(rows.height, 'model')} on {counted(data_set.n_images, 'image')}"
    return _section(title, _table(head, cells) + more)


def _reference(reference: pl.DataFrame | None) -> str:
    if reference is None or reference.is_empty():
        return ""
    rows = [
        (
            f"{row['model']} {row['pretrained']}",
            row["task"],
            *(number(row[name], 4) for name in ("ours", "reference", "tolerance")),
            row["verdict"] + (f" ({row['fault']})" if row["fault"] else ""),
        )
        for row in reference.iter_rows(named=True)
    ]
    return _section("Published numbers", _table(("model", "task", "ours", "published", "tolerance", "verdict"), rows))


def _list(title: str, lines: Iterable[str]) -> str:
    items = "\n".join(f"- {_cell(line)}" for line in lines)
    return _section(title, items) if items else ""


def _section(title: str, text: str) -> str:
    return f"## {_cell(title)}\n\n{text}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    """Escape what Markdown or HTML would take for its own; an underscore within a word stays as it is."""
    plain = visible(text).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"[*`\[\]~|]|(?<!\w)_|_(?!\w)", r"\\\g<0>", plain)
