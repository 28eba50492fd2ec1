"""Accuracy against Γ′ on one data set: a point for each model that counts, its earlier stages on a line to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.report.charts import ACCENT, QUIET, styled
from clipkstar.report.latent import column
from clipkstar.report.record import PRIMARY
from clipkstar.shown_names import visible
from clipkstar.wording import counted, with_interval

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.report.charts import Chart
    from clipkstar.report.record import Verdict

WIDTH, HEIGHT = 250, 190

MARGINS = {"left": 46, "right": 16, "top": 48, "bottom": 42}
"""Pixels around the plot, the same whatever the labels: charts side by side are equally high, their axes in line."""

ROOM = 0.05
"""Share of the range of accuracies that is left free above and below them, but not beyond 0 and 100 %."""

POINT, SMALL_POINT = 34, 16
"""Areas in square pixels of models that count and of stages and copies."""


def scatter_chart(table: pl.DataFrame, verdict: Verdict, *, accuracy: str) -> Chart:
    """Draw the models of one data set: Γ′ from left (better) to right, accuracy in per cent upwards.

    table: rows of Points.table; only those of the verdict's data set with both numbers are drawn. Models that count are
    filled; earlier stages and copies are small and hollow, the stages of one training run joined in their order.
    Every point carries its model's label as its description.
    """
    import altair as alt

    rows = drawn_rows(table, verdict.data_set, accuracy=accuracy)
    base = alt.Chart(width=WIDTH, height=HEIGHT)
    axis = alt.Axis(tickCount=5, labelFlush=False, minExtent=22)
    across, up = alt.Scale(zero=False, nice=True, padding=8), alt.Scale(domain=percents(rows), nice=True)
    x = alt.X("gamma:Q", title="Γ′ (lower is better)", scale=across, axis=axis)
    y = alt.Y("percent:Q", title=f"{visible(accuracy)}, %", scale=up, axis=axis)
    point = {"x": x, "y": y, "description": "label:N"}
    ways = base.mark_line(aria=False, color=QUIET, strokeWidth=1, opacity=0.5)
    hollow = base.mark_point(shape="circle", size=SMALL_POINT, filled=False, color=QUIET, strokeWidth=1, opacity=0.9)
    filled = base.mark_point(shape="circle", size=POINT, filled=True, color=ACCENT, opacity=0.85)
    chart = alt.layer(
        ways.encode(x=x, y=y, detail="training_run:N", order="stage:Q")
        .transform_filter(alt.datum.on_way)
        .properties(name="ways"),
        hollow.encode(**point).transform_filter(~alt.datum.counted).properties(name="stages"),
        filled.encode(**point).transform_filter(alt.datum.counted).properties(name="models"),
        data=rows,
    )
    title = alt.TitleParams(visible(verdict.data_set), subtitle=_subtitle(verdict), limit=WIDTH + 30)
    return styled(chart.properties(title=title, autosize="none", padding=MARGINS))


def percents(rows: pl.DataFrame) -> list[float]:
    """Return the ends of the axis of accuracy, within 0 … 100: around what is drawn, all of it where nothing is."""
    values = rows["percent"]
    low, high = values.min(), values.max()
    if not isinstance(low, float) or not isinstance(high, float):
        return [0.0, 100.0]
    room = ROOM * (high - low) or 1.0
    return [max(0.0, low - room), min(100.0, high + room)]


def drawn_rows(table: pl.DataFrame, data_set: str, *, accuracy: str) -> pl.DataFrame:
    """Return what is drawn of a data set: label, gamma, percent, counted, training_run, stage, on_way.

    on_way: the row is one of several stages of its training run and no copy, so that a line joins it to the others.
    """
    import polars as pl

    value = pl.col(accuracy) if accuracy in table.columns else pl.lit(None, pl.Float64)
    is_stage = pl.col("why_not").is_in(["", "earlier stage"])
    return (
        table.filter(data_set=data_set)
        .select(
            "training_run",
            "stage",
            "counted",
            label=pl.col("model").map_elements(visible, return_dtype=pl.String),
            gamma=pl.col(column(PRIMARY)).round(4),
            percent=(100 * value).round(3),
            is_stage=is_stage,
        )
        .drop_nulls(["gamma", "percent"])
        .with_columns(on_way=pl.col("is_stage") & (pl.col("is_stage").sum().over("training_run") > 1))
        .drop("is_stage")
    )


def _subtitle(verdict: Verdict) -> str:
    if verdict.value is None:
        return f"{verdict.judgement} · {counted(verdict.n_models, 'model')}"
    return f"{verdict.judgement} · ρ {with_interval(verdict.value, verdict.low, verdict.high)}"
