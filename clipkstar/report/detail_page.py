"""The page of one run: a file that needs no other, with a way back to the main page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar import store, wording
from clipkstar.discovery import METRICS, list_own
from clipkstar.picture import PATTERN_COLORS, kstar_chart
from clipkstar.report import charts, templating
from clipkstar.skewness import FEW_IMAGES

if TYPE_CHECKING:
    from pathlib import Path

    from clipkstar.report.detail import Detail
    from clipkstar.run import Run

FOLDER = "runs"
LONGEST_NAME = 120
"""Characters of a page's file name that come from names; its run_id makes it unique."""

SHARES = ("top1", "top5", "mean_class_recall", "nn1_accuracy", "knn20_accuracy")
"""Scores that are read in per cent."""

COUNTS = ("gamma_undefined", "singleton_classes", "fractured", "overlapped", "clustered")
"""Scores that are numbers of classes, with and without `cosine_`."""

HEADLINES = {
    "top1": "Accuracy (top-1)",
    "gamma_approx": "Γ′ (mean over classes)",
    "gamma_true": "Γ (over all images)",
    "kstar_mean": "Mean k*/n",
    "nn1_accuracy": "1-NN accuracy",
    "mean_class_recall": "Mean class recall",
}
"""Scores at the head of the page, and what they are called there."""

CLASS_SCORES = {"gamma": "γ", "kstar_mean": "mean k*/n"}
"""What the scores of classes are called."""


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One score as it is written. title: its name for readers. value: "–" = undefined. interval: "" = none."""

    name: str
    title: str
    value: str
    interval: str
    meaning: str


def write_detail(folder: Path, detail: Detail) -> str:
    """Write the page of a run below the report's folder; returns its address, relative to index.html."""
    name = page_name(detail)
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    (folder / FOLDER / name).write_text(render(detail), encoding="utf-8")
    return f"{FOLDER}/{name}"


def page_name(detail: Detail) -> str:
    """Return the file name of a run's page: of [A-Za-z0-9._-], and no other run's."""
    label = store.safe_name(f"{detail.data_set}--{detail.model}"[:LONGEST_NAME]).lstrip(".")
    return f"{label}--{detail.evaluation.run.run_id[:12]}.html"


def render(detail: Detail) -> str:
    """Return the HTML of a run's page."""
    run = detail.evaluation.run
    rows = score_rows(run)
    return templating.render(
        "detail.html.jinja",
        detail=detail,
        run=run,
        headlines=[row for name in HEADLINES for row in rows if row.name == name],
        scores=rows,
        violins=templating.markup(violins(detail)),
        classes=detail.evaluation.classes.to_dicts(),
        few_images=FEW_IMAGES,
        class_scores=CLASS_SCORES,
        pattern_colors=PATTERN_COLORS,
        data_address=data_address,
    )


def violins(detail: Detail) -> str:
    """Return the k* picture of a run (Euclidean) as SVG."""
    chart = charts.styled(kstar_chart(detail.evaluation.images, detail.evaluation.classes))
    return charts.inlined(charts.svg(chart.configure_legend(orient="top", title=None)), {})


def score_rows(run: Run) -> list[ScoreRow]:
    """Write every score of a run with its interval and meaning; those of strangers' metrics come last, without one."""
    meanings = {score.name: score.meaning for metric in list_own(METRICS) for score in metric.scores}
    names = [name for name in meanings if name in run.scores]
    rows = []
    for name in [*names, *(name for name in run.scores if name not in meanings)]:
        value, limits = run.scores[name], run.intervals.get(name)
        factor = 100 if name in SHARES else 1
        written = wording.number(None if value is None else factor * value, _digits(name))
        rows.append(
            ScoreRow(
                name=name,
                title=HEADLINES.get(name, name),
                value=written + (" %" if name in SHARES and value is not None else ""),
                interval=wording.interval(factor * limits[0], factor * limits[1], _digits(name)) if limits else "",
                meaning=meanings.get(name, ""),
            )
        )
    return rows


def _digits(score: str) -> int:
    if score.removeprefix("cosine_") in COUNTS:
        return 0
    return {"ece": 3}.get(score, 1 if score in SHARES else 2)


def data_address(jpeg: bytes) -> str:
    """Return an address that is the picture itself."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
