"""What report prints on stdout: the answer, a row for each data set, where to look."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clipkstar.report.answer import answer
from clipkstar.terminal import show_catalog
from clipkstar.wording import p_value, with_interval

if TYPE_CHECKING:
    from pathlib import Path

    from clipkstar.report.record import Report

MOST_ROWS = 40
"""Rows of the table in the terminal; summary.md has all."""


def show_report(report: Report, folder: Path) -> None:
    """Print what a report found and where its page lies."""
    verdicts = report.statistics.verdicts
    sys.stdout.write(f"{answer(report.statistics)}\n")
    show_catalog(
        [
            {
                "data set": one.data_set,
                "verdict": one.judgement if one.counted else "not counted",
                "Spearman of accuracy and Γ′": with_interval(one.value, one.low, one.high),
                "p (Holm)": p_value(one.p_holm),
                "models": one.n_models,
                "lineages": one.n_lineages,
            }
            for one in verdicts[:MOST_ROWS]
        ],
        as_json=False,
    )
    if len(verdicts) > MOST_ROWS:
        sys.stdout.write(f"{len(verdicts) - MOST_ROWS} more data sets are in {folder / 'summary.md'}.\n")
    sys.stdout.write(
        f"The report: {folder / 'index.html'} (page), {folder / 'summary.md'}, tables and figures beside.\n"
    )
