"""summary.md: the answer and the numbers behind it, for a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.markdown import escaped, folded, listed, section, table
from clipkstar.report.answer import answer, our_reading
from clipkstar.report.record import PRIMARY
from clipkstar.wording import counted, number, p_value, percent, with_interval

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.report.page import PageContent
    from clipkstar.report.points import Points
    from clipkstar.report.record import DataSet, Statistics

MOST_MODELS = 20
"""Rows of a table of models; the page and tables/points.csv have all."""

MOST_SCORES = 5
"""Rows of the table of scores, beside those that Γ′ is compared with; tables/rankings.csv has all."""

MOST_CHARACTERS = 60_000
"""A comment on GitHub holds 65,536."""


def summary(content: PageContent) -> str:
    """Return the text: the answer, verdicts, what Γ′ says beyond other scores, what was left out, tables of models.

    Tables of models that would make it longer than MOST_CHARACTERS are left out, and that is said.
    """
    statistics = content.statistics
    parts = [
        f"# {escaped(content.title)}",
        escaped(answer(statistics)),
        _verdicts(statistics),
        _rankings(statistics),
        _beyond(statistics),
        _reference(content.reference),
        section("Left out, split or missing", listed(content.notices)) if content.notices else "",
        our_reading(),
    ]
    text = "\n\n".join(part for part in parts if part)
    for place, data_set in enumerate(content.points.data_sets):
        models = _models(content.points, data_set, statistics.accuracy)
        if len(text) + len(models) > MOST_CHARACTERS:
            left_out = len(content.points.data_sets) - place
            text += f"\n\nThe models of {counted(left_out, 'more data set')} are in tables/points.csv."
            break
        text += f"\n\n{models}"
    return f"{text}\n"


def _verdicts(statistics: Statistics) -> str:
    rows = [
        (
            verdict.data_set,
            verdict.judgement if verdict.counted else "not counted",
            with_interval(verdict.value, verdict.low, verdict.high),
            p_value(verdict.p_holm),
            f"{verdict.n_models} ({verdict.n_lineages})",
            verdict.reason,
        )
        for verdict in statistics.verdicts
    ]
    head = ("data set", "verdict", "Spearman of accuracy and Γ′", "p (Holm)", "models (lineages)", "why")
    return section("Data sets", table(head, rows, left=("data set", "verdict", "why"))) if rows else ""


def _rankings(statistics: Statistics) -> str:
    """Table of the scores that order models best, and of those that Γ′ is compared with."""
    compared = {PRIMARY, *(score for partial in statistics.partial for score in partial.given)}
    ranked = [one for one in statistics.rankings if one.value is not None]
    rows = [
        (one.score, number(one.value), with_interval(one.difference, one.low, one.high))
        for place, one in enumerate(ranked)
        if place < MOST_SCORES or one.score in compared
    ]
    head = ("score", "order of models", "more than Γ′ (gamma_approx)")
    said = "Rank correlation with accuracy, turned so that 1 = the best structure has the best accuracy.\n\n"
    return section("Which score of the latent space orders models best", said + table(head, rows, left=("score",)))


def _beyond(statistics: Statistics) -> str:
    lines = []
    for partial in statistics.partial:
        where = partial.data_set or "all data sets"
        said = with_interval(partial.value, partial.low, partial.high) if partial.value is not None else partial.reason
        lines.append(f"{where}: {said}")
    if not lines:
        return ""
    given = " and ".join(statistics.partial[0].given)
    title = f"What Γ′ says beyond {given} (partial rank correlation with accuracy)"
    return section(title, listed(lines))


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
    return folded(title, table(head, cells, left=("model",)) + more)


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
    head = ("model", "task", "ours", "published", "tolerance", "verdict")
    return section("Published numbers", table(head, rows, left=("model", "task", "verdict")))
