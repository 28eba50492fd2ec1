"""The k* picture of the papers: how k*/n_c is spread within each class, coloured by pattern.

`python -m clipkstar.picture RUN_FOLDER … FILE` draws the first run named (.svg, .png or .html by suffix).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.shown_names import distinct_names

if TYPE_CHECKING:
    import altair
    import polars as pl

N_BINS = 20
MOST_CLASSES = 40
"""Classes drawn at most: of more, those with the highest γ."""

PATTERN_COLORS = {"clustered": "#1b7837", "overlapped": "#b8860b", "fractured": "#b2182b", "undefined": "#777777"}


def kstar_chart(images: pl.DataFrame, classes: pl.DataFrame, *, prefix: str = "") -> altair.VConcatChart:
    """Draw one violin per class: k*/n_c from 0 (bottom) to 1 (top), as wide as the share of images there.

    images: columns label and `{prefix}kstar`. classes: columns class, name, n_images, `{prefix}gamma` and
    `{prefix}pattern`. prefix: "" = Euclidean, "cosine_" = cosine. Save it with `.save("kstar.svg")` (or .png, .html).
    """
    import altair as alt
    import polars as pl

    named = classes.with_columns(name=pl.Series(distinct_names(classes["name"]), dtype=pl.String))
    drawn = named.filter(named["n_images"] > 0).sort(f"{prefix}gamma", descending=True, nulls_last=True)
    drawn = drawn.head(MOST_CLASSES)
    left_out = classes.height - drawn.height
    bins = binned_fractions(images, drawn, prefix=prefix).with_columns(
        left=-pl.col("share") / 2, right=pl.col("share") / 2
    )
    there = set(bins["pattern"])
    colors = {pattern: color for pattern, color in PATTERN_COLORS.items() if pattern in there}
    chart = (
        alt.Chart(bins, width=44, height=240)
        .mark_area(orient="horizontal", interpolate="monotone")
        .encode(
            x=alt.X("left:Q", axis=None),
            x2="right:Q",
            y=alt.Y("fraction:Q", title="k*/n", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("pattern:N", scale=alt.Scale(domain=list(colors), range=list(colors.values()))),
            column=alt.Column(
                "name:N",
                title=None,
                sort=drawn["name"].to_list(),
                spacing=2,
                header=alt.Header(labelAngle=-60, labelAlign="right", labelOrient="bottom", labelLimit=160),
            ),
        )
        .resolve_scale(x="independent")
    )
    note = f" ({left_out} more classes not drawn)" if left_out else ""
    title = f"k* within each class, most fractured first{note}"
    finished: altair.VConcatChart = alt.vconcat(chart, title=title).configure_view(stroke=None)
    return finished


def binned_fractions(images: pl.DataFrame, classes: pl.DataFrame, *, prefix: str) -> pl.DataFrame:
    """Return, for each class and bin of k*/n_c, the share of the class's images in it.

    Columns name, pattern, fraction (middle of the bin), share; N_BINS rows per class.
    """
    import numpy as np
    import polars as pl

    tables = []
    for label, name, n_images, pattern in classes.select("class", "name", "n_images", f"{prefix}pattern").iter_rows():
        fractions = images.filter(images["label"] == label)[f"{prefix}kstar"].to_numpy() / n_images
        counts, edges = np.histogram(fractions, bins=N_BINS, range=(0, 1))
        tables.append(
            pl.DataFrame(
                {
                    "name": [name] * N_BINS,
                    "pattern": [pattern or "undefined"] * N_BINS,
                    "fraction": (edges[:-1] + edges[1:]) / 2,
                    "share": counts / n_images,
                }
            )
        )
    return pl.concat(tables)


def draw_run(folder: Path, file: Path) -> None:
    """Draw the k* of a stored run (Euclidean) into a file whose suffix names the kind of picture."""
    import polars as pl

    chart = kstar_chart(pl.read_parquet(folder / "images.parquet"), pl.read_parquet(folder / "classes.parquet"))
    chart.save(file, inline=file.suffix == ".html")


if __name__ == "__main__":
    draw_run(Path(sys.argv[1]), Path(sys.argv[-1]))
