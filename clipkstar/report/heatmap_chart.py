"""The heat map: how each latent score goes together with accuracy on each data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.report.charts import INK, LONGEST_LABEL, ROOMY, styled
from clipkstar.report.wording import number
from clipkstar.shown_names import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from clipkstar.report.charts import Chart
    from clipkstar.report.record import Statistics

CELL_WIDTH, CELL_HEIGHT = 34, 20

COLORS = ("#9c3f0a", "#e59a5e", "#f5cfae", "#f3f3f0", "#b7d5ee", "#6aaadb", "#17569a")
"""From -1 over 0 to 1: orange, grey, blue, told apart under every common colour blindness."""

WHITE_FROM = 0.84
"""Value from which the colour of a cell is so dark that its number is written in white."""


def heatmap_chart(statistics: Statistics, better: Mapping[str, str]) -> Chart:
    """Draw a row for each data set and a column for each latent score, Spearman's ρ printed in the cell.

    better: latent score → "higher" or "lower". ρ is turned by it: blue, above 0, means that the better structure goes
    with the better accuracy, whichever way the score runs. An empty cell is undefined.
    """
    import altair as alt

    rows = heatmap_rows(statistics, better)
    base = alt.Chart(width={"step": CELL_WIDTH}, height={"step": CELL_HEIGHT})
    names = [visible(one.label) for one in statistics.data_sets]
    axis = alt.Axis(labelLimit=LONGEST_LABEL, labelColor=INK, ticks=False, domain=False)
    above = alt.Axis(orient="top", labelAngle=-60, labelLimit=LONGEST_LABEL, labelColor=INK, ticks=False, domain=False)
    place = {
        "x": alt.X("score:N", sort=list(better), title=None, axis=above),
        "y": alt.Y("name:N", sort=names, title=None, axis=axis),
    }
    scale = alt.Scale(domain=[-1 + step / 3 for step in range(7)], range=list(COLORS), interpolate="lab")
    cells = base.mark_rect(stroke="white", strokeWidth=1).encode(
        **place, color=alt.Color("turned:Q", scale=scale, legend=None), description="said:N"
    )
    dark = (alt.datum.turned > WHITE_FROM) | (alt.datum.turned < -WHITE_FROM)
    words = base.mark_text(fontSize=9, aria=False).encode(
        **place, text="written:N", color=alt.condition(dark, alt.value("white"), alt.value(INK))
    )
    chart = alt.layer(cells.properties(name="cells"), words.properties(name="numbers"), data=rows)
    return styled(chart.properties(padding=ROOMY))


def heatmap_rows(statistics: Statistics, better: Mapping[str, str]) -> pl.DataFrame:
    """Return the cells: name, score, turned (ρ turned by direction), written, said. Undefined ones have no row."""
    import polars as pl

    rows = []
    for one in statistics.correlations:
        if one.coefficient == "spearman" and one.value is not None and one.score in better:
            turned = -one.value if better[one.score] == "lower" else one.value
            said = f"{visible(one.data_set)}, {one.score}: ρ {number(one.value)}"
            rows.append((visible(one.data_set), one.score, turned, number(turned), said))
    texts = pl.String
    schema = {"name": texts, "score": texts, "turned": pl.Float64, "written": texts, "said": texts}
    return pl.DataFrame(rows, schema=schema, orient="row")
