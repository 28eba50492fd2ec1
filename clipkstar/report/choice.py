"""Which runs of a report get a page of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from clipkstar.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    import polars as pl

MOST_BY_DEFAULT = 12
"""Pages that are written without being asked for, so that a report of a large store stays quick."""

RANKED_OTHERWISE_BY = "nn1_accuracy"
"""What the best and the worst model are found by where no run has the accuracy, as without a text tower."""


def choose(table: pl.DataFrame, names: Sequence[str] = (), *, accuracy: str = "top1") -> tuple[str, ...]:
    """Return the run_id of every run that gets a page, each once, those asked for by name first.

    table: Points.table. accuracy: the score that models are ranked by. names: models, or MODEL@DATA SET for one run,
    by their labels in the table, with * ? [] as in file names (a label that is exactly the name is meant before any
    pattern is); "all" = every run; "none" = the best and the worst model get no page unless they are named. Without
    "none" these two are added: of the counted models with an accuracy on the most data sets, those whose mean rank by
    it is the best and the worst; their runs data set by data set, MOST_BY_DEFAULT at most. Ranks of a data set go from
    0 (best) to 1, equal values share one.
    Raises UnknownNameError for a name that means no run, InputError for "all" or "none" together with the other.
    """
    asked = [name for name in names if name not in ("all", "none")]
    if {"all", "none"} <= set(names):
        raise InputError("--detail got 'all' and 'none'; leave one of them out.")
    named = [run_id for name in asked for run_id in _meant(table, name)]
    if "all" in names:
        return _each_once([*named, *table["run_id"]])
    if "none" in names:
        return _each_once(named)
    return _each_once([*named, *_extremes(table, accuracy)])


def _meant(table: pl.DataFrame, name: str) -> list[str]:
    """Return the runs that one name means."""
    runs = list(table.select("run_id", "model", "data_set").iter_rows())
    labels = [(run_id, (model, f"{model}@{data_set}")) for run_id, model, data_set in runs]
    exact = [run_id for run_id, own in labels if name in own]
    found = exact or [run_id for run_id, own in labels if any(fnmatchcase(label, name) for label in own)]
    if not found:
        known = {own[1] if "@" in name else own[0] for _, own in labels}
        raise UnknownNameError("run for --detail", name, known)
    return found


def _extremes(table: pl.DataFrame, accuracy: str) -> list[str]:
    """Return runs of the best and the worst model, by data set; none where no score tells them apart."""
    import polars as pl

    asked = (accuracy, RANKED_OTHERWISE_BY)
    scores = [score for score in asked if score in table.columns and table[score].is_not_null().any()]
    if not scores:
        return []
    counted = table.filter(pl.col("counted") & pl.col(scores[0]).is_not_null())
    if counted.is_empty():
        return []
    place = (pl.col(scores[0]).rank(descending=True) - 1) / pl.max_horizontal(pl.len() - 1, 1)
    ranked = (
        counted.with_columns(place=place.over("data_set")).group_by("model").agg(pl.col("place").mean(), n=pl.len())
    )
    ranked = ranked.filter(pl.col("n") == pl.col("n").max()).sort("place", "model")
    both = {ranked["model"][0], ranked["model"][-1]}
    places = {model: rank for rank, model in enumerate(ranked["model"])}
    order = {label: number for number, label in enumerate(dict.fromkeys(table["data_set"]))}
    runs = [row for row in counted.select("data_set", "model", "run_id").iter_rows() if row[1] in both]
    runs.sort(key=lambda row: (order[row[0]], places[row[1]]))
    return [run_id for _, _, run_id in runs][:MOST_BY_DEFAULT]


def _each_once(run_ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run_ids))
