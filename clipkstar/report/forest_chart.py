"""The forest plot: the rank correlation of accuracy and Γ′ on every data set with its interval, and the pooled one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.report.charts import INK, JUDGEMENT_COLORS, JUDGEMENT_SHAPES, LONGEST_LABEL, QUIET, ROOMY, styled
from clipkstar.report.record import PRIMARY
from clipkstar.shown_names import visible
from clipkstar.wording import counted, with_interval

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.report.charts import Chart
    from clipkstar.report.record import Pooled, Statistics, Verdict

WIDTH, ROW = 380, 22

POOLED = "all data sets"
"""Name of the row of the pooled correlation."""
ASIDE = "not counted"
"""Kind of the rows of other evaluations of a task."""


def forest_chart(statistics: Statistics) -> Chart:
    """Draw a row for each data set, the clearest follower first, then the pooled correlation.

    Point: Spearman, shaped and coloured by the verdict; line: its 95 % interval; dashed: no relation. Data sets
    without a correlation keep their row, with the reason for it in the table of verdicts. Those that are not counted
    stand quietly below the pooled correlation.
    """
    import altair as alt

    rows = forest_rows(statistics)
    order = rows["name"].to_list()
    base = alt.Chart(height={"step": ROW})
    names = alt.Axis(labelLimit=LONGEST_LABEL, labelColor=INK, labelPadding=8, ticks=False)
    y = alt.Y("name:N", sort=order, title=None, axis=names)
    ticks, scale = alt.Axis(values=[-1, -0.5, 0, 0.5, 1]), alt.Scale(domain=[-1, 1])
    x = alt.X("value:Q", title="Spearman's ρ of accuracy and Γ′", scale=scale, axis=ticks)
    colors = JUDGEMENT_COLORS | {POOLED: INK, ASIDE: QUIET}
    shapes = JUDGEMENT_SHAPES | {POOLED: "diamond", ASIDE: "cross"}
    color = alt.Color("judgement:N", scale=alt.Scale(domain=list(colors), range=list(colors.values())), legend=None)
    shape = alt.Shape("judgement:N", scale=alt.Scale(domain=list(shapes), range=list(shapes.values())), legend=None)
    zero = alt.Chart(rows.head(1)).mark_rule(color=QUIET, strokeDash=[3, 3], aria=False).encode(x=alt.datum(0))
    spans = base.mark_rule(strokeWidth=1.5, aria=False).encode(y=y, x=alt.X("low:Q"), x2="high:Q", color=color)
    points = base.mark_point(filled=True, size=60, opacity=1).encode(y=y, x=x, color=color, shape=shape)
    left = alt.layer(
        zero, spans.properties(name="spans"), points.encode(description="said:N").properties(name="correlations")
    ).properties(width=WIDTH)
    words = base.mark_text(align="left", color=INK, fontSize=11, aria=False)
    right = words.encode(y=alt.Y("name:N", sort=order, axis=None), text="written:N", x=alt.value(0)).properties(
        width=260
    )
    return styled(alt.hconcat(left, right, spacing=10, data=rows).properties(padding=ROOMY))


def forest_rows(statistics: Statistics) -> pl.DataFrame:
    """Return the rows of the plot: name, value, low, high, judgement, written at the right, said aloud."""
    import polars as pl

    ordered = sorted(statistics.verdicts, key=lambda verdict: (verdict.value is None, verdict.value or 0.0))
    rows = [_row(one, visible(one.data_set), one.judgement, f"{one.judgement}, ") for one in ordered if one.counted]
    rows += [_row(one, POOLED, POOLED, "") for one in statistics.pooled if one.score == PRIMARY]
    rows += [_row(one, visible(one.data_set), ASIDE, f"{ASIDE}, ") for one in ordered if not one.counted]
    texts, numbers = pl.String, pl.Float64
    schema = {"name": texts, "value": numbers, "low": numbers, "high": numbers, "judgement": texts, "written": texts}
    return pl.DataFrame(rows, schema=schema | {"said": texts}, orient="row")


def _row(one: Verdict | Pooled, name: str, kind: str, judged: str) -> tuple[str | float | None, ...]:
    written = f"{with_interval(one.value, one.low, one.high)}, {judged}{counted(one.n_models, 'model')}"
    return name, one.value, one.low, one.high, kind, written, f"{name}: ρ {written}"
