"""How every chart of the report is drawn: one look, rendered offline to SVG text, saved as SVG and PNG."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clipkstar.shown_names import visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import altair

    Chart = altair.Chart | altair.LayerChart | altair.FacetChart | altair.VConcatChart | altair.HConcatChart

INK = "#1f2933"
QUIET = "#66727f"
ACCENT = "#1f5fa8"
RULE = "#d9dee3"

JUDGEMENT_COLORS = {"follows": "#1f5fa8", "violates": "#b3480b", "undecided": "#66727f"}
"""Blue and orange: told apart under every common colour blindness."""

JUDGEMENT_SHAPES = {"follows": "triangle-down", "violates": "triangle-up", "undecided": "circle"}
"""Colour is never the only sign: a correlation below 0 points down."""

LONGEST_LABEL = 200
"""Pixels that the name of a data set or a score may take; the rest becomes an ellipsis."""

ROOMY = {"left": 24, "right": 24, "top": 24, "bottom": 8}
"""Padding where names stand at the edge: the reader's font may be wider than the one that they were measured with."""

FONT = "sans-serif"

PNG_SCALE = 2.0

_TAG = re.compile(r"<[^<>]*>")
"""Changes are made within tags only: a name in the text between them may look like anything."""

_COORDINATES = re.compile(r' (?:d|transform|[xy][12]?)="[^"]*"')
_LONG_DECIMALS = re.compile(r"(\d\.\d\d)\d+")
_SPOKEN = re.compile(r' (?:aria-[a-z]+|role)="[^"]*"')
_POINT = re.compile(r'<path aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="point"')
_UNPAINTED = re.compile(r'<path class="(?:background|foreground)"[^<>]*/>')


def styled(chart: Chart) -> Chart:
    """Give a chart the report's look: no frame, thin rules, the title at the left, white behind it all."""
    axis = {
        "domainColor": RULE, "gridColor": RULE, "gridOpacity": 0.6, "labelColor": QUIET, "labelLimit": LONGEST_LABEL,
        "tickColor": RULE, "tickSize": 4, "titleColor": QUIET, "titleFontWeight": "normal",
    }  # fmt: skip
    title = {
        "anchor": "start", "color": INK, "fontSize": 13, "fontWeight": "bold", "offset": 8,
        "subtitleColor": QUIET, "subtitleFontSize": 11,
    }  # fmt: skip
    finished: Chart = chart.configure(
        axis=axis, background="white", font=FONT, padding=8, title=title, view={"stroke": None}
    )
    return finished


def svg(chart: Chart) -> str:
    """Render a chart to SVG text, without network; coordinates keep two decimals.

    Marks carry what the chart gives as `description` in aria-label, charts of models the label of the model.
    """
    import vl_convert

    def shortened(tag: re.Match[str]) -> str:
        return _COORDINATES.sub(lambda attribute: _LONG_DECIMALS.sub(r"\1", attribute[0]), tag[0])

    return _TAG.sub(shortened, vl_convert.vegalite_to_svg(chart.to_dict(validate=False)))


def save(chart: Chart, stem: Path) -> str:
    """Write a chart beside `stem` as .svg and .png; returns the SVG text, so that the page need not render it again."""
    drawn = svg(chart)
    save_svg(drawn, stem)
    return drawn


def save_svg(drawn: str, stem: Path) -> None:
    """Write SVG text that is at hand as `stem`.svg and, rasterised, as `stem`.png."""
    import vl_convert

    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_name(f"{stem.name}.svg").write_text(drawn, encoding="utf-8")
    stem.with_name(f"{stem.name}.png").write_bytes(vl_convert.svg_to_png(drawn, scale=PNG_SCALE))


def inlined(drawn: str, numbers: Mapping[str, int]) -> str:
    """Make SVG text fit to stand in the page: its points carry `data-m`, the number of their model, in place of names.

    numbers: model → its number in the page's table. The figure around it names the chart and the script reads a point
    out, so the SVG itself is hidden from screen readers.
    """
    import html

    of_label = {visible(model): number for model, number in numbers.items()}

    def numbered(point: re.Match[str]) -> str:
        number = of_label.get(html.unescape(point[1]))
        return point[0] if number is None else f'<path data-m="{number}"'

    def lean(tag: re.Match[str]) -> str:
        return _SPOKEN.sub("", _POINT.sub(numbered, tag[0]))

    marked = _TAG.sub(lean, _UNPAINTED.sub("", drawn))
    return marked.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
