"""The figures of a report: each drawn once, saved beside the page and put into it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.report import charts
from clipkstar.report.forest_chart import forest_chart
from clipkstar.report.heatmap_chart import heatmap_chart
from clipkstar.report.latent import latent_scores
from clipkstar.report.record import PRIMARY
from clipkstar.report.scatter_chart import scatter_chart
from clipkstar.report.templating import markup
from clipkstar.store import safe_name
from clipkstar.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from markupsafe import Markup

    from clipkstar.report.points import Points
    from clipkstar.report.record import Statistics

LONGEST_NAME = 100
"""Characters of a data set's name in the name of a file; what is longer is cut and told apart by a hash."""


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """The chart of one data set. label: of the data set. said: what is in it, for those who cannot see it."""

    label: str
    said: str
    svg: Markup


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The charts of the page as SVG; scatters: one for each data set, in their order."""

    forest: Markup
    heatmap: Markup
    scatters: tuple[Scatter, ...]


def draw_figures(folder: Path, points: Points, statistics: Statistics, models: Sequence[str]) -> Figures:
    """Draw all charts, save each in the folder as .svg and .png, and return them fit for the page.

    models: labels in the order of the page's table; a point carries the place of its model there.
    """
    numbers = {model: place for place, model in enumerate(models)}
    scatters = []
    for verdict in statistics.verdicts:
        chart = scatter_chart(points.table, verdict, accuracy=statistics.accuracy)
        drawn = charts.save(chart, folder / f"accuracy-{PRIMARY}--{file_name(verdict.data_set)}")
        said = f"{counted(verdict.n_models, 'model')} that count, {verdict.judgement}"
        scatters.append(Scatter(label=verdict.data_set, said=said, svg=markup(charts.inlined(drawn, numbers))))
    forest = charts.save(forest_chart(statistics), folder / "forest")
    heatmap = charts.save(heatmap_chart(statistics, latent_scores()), folder / "heatmap")
    return Figures(
        forest=markup(charts.inlined(forest, {})),
        heatmap=markup(charts.inlined(heatmap, {})),
        scatters=tuple(scatters),
    )


def file_name(data_set: str) -> str:
    """Return a data set's name as part of a file's: of [A-Za-z0-9._-], not too long, no two alike."""
    name = safe_name(data_set)
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[:LONGEST_NAME]}-{hashlib.sha256(data_set.encode()).hexdigest()[:8]}"
