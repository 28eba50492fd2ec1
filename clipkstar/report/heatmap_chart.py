"""The heat map: how each latent score goes together with accuracy on each data set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clipkstar.report.charts import INK, LONGEST_LABEL, ROOMY, styled
from clipkstar.shown_names import visible
from clipkstar.wording import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import polars as pl

    from clipkstar.report.charts import Chart
    from clipkstar.report.record import Statistics

CELL_WIDTH, CELL_HEIGHT = 34, 20

COLORS = ("#9c3f0a", "#e59a5e", "#f5cfae", "#f3f3f0", "#b7d5ee", "#6aaadb", "#17569a")
"""From -1 over 0 to 1: orange, grey, blue, told apart under every common colour blindness."""

BLACK_BETWEEN = (-0.887, 0.857)
"""Values whose cells are light enough for a black number; beyond them it is white. At either end black and white stand
out equally, by 4.6 to 1: what the guidelines of the web ask of text is 4.5."""

NAMES = {
    "gamma_approx": "Γ′",
    "gamma_true": "Γ",
    "kstar_mean": "k*/n",
    "nn1_accuracy": "1-NN",
    "knn20_accuracy": "20-NN",
    "gamma_approx_anchored": "Γ′, anchored",
    "gamma_true_anchored": "Γ, anchored",
    "gamma_approx_z": "Γ′, z",
    "gamma_approx_n50": "Γ′, n = 50",
}
"""Scores that have a common name; with `cosine_` before them they are "cosine" and that name."""


def heatmap_chart(statistics: Statistics, better: Mapping[str, str]) -> Chart:
    """Draw a row for each data set and a column for each latent score, Spearman's ρ printed in the cell.

    better: latent score → "higher" or "lower". ρ is turned by it: blue, above 0, means that the better structure goes
    with the better accuracy, whichever way the score runs. An empty cell is undefined. Columns bear common names; the
    recorded one stands in the description of a cell.
    """
    import altair as alt

    rows = heatmap_rows(statistics, better)
    base = alt.Chart(width={"step": CELL_WIDTH}, height={"step": CELL_HEIGHT})
    names = [visible(one.label) for one in statistics.data_sets]
    axis = alt.Axis(labelLimit=LONGEST_LABEL, labelColor=INK, ticks=False, domain=False)
    above = axis.copy()
    above.orient, above.labelAngle, above.labelExpr = "top", -60, _named(better)
    place = {
        "x": alt.X("score:N", sort=list(better), title=None, axis=above),
        "y": alt.Y("name:N", sort=names, title=None, axis=axis),
    }
    scale = alt.Scale(domain=[-1 + step / 3 for step in range(7)], range=list(COLORS), interpolate="lab")
    cells = base.mark_rect(stroke="white", strokeWidth=1).encode(
        **place, color=alt.Color("turned:Q", scale=scale, legend=None), description="said:N"
    )
    low, high = BLACK_BETWEEN
    dark = (alt.datum.turned > high) | (alt.datum.turned < low)
    words = base.mark_text(fontSize=9, aria=False).encode(
        **place, text="written:N", color=alt.condition(dark, alt.value("white"), alt.value("black"))
    )
    chart = alt.layer(cells.properties(name="cells"), words.properties(name="numbers"), data=rows)
    return styled(chart.properties(padding=ROOMY))


def common_name(score: str) -> str:
    """Return what readers call a score: Γ′ for gamma_approx; the recorded name where it has no other."""
    plain = score.removeprefix("cosine_")
    if plain not in NAMES:
        return score
    return NAMES[plain] if plain == score else f"cosine {NAMES[plain]}"


def _named(scores: Iterable[str]) -> str:
    """Return the Vega expression that turns the recorded name on an axis into the common one."""
    return f"({json.dumps({score: common_name(score) for score in scores})})[datum.value]"


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
