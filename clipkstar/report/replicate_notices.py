"""What was taken for one finding, in sentences; equal ones of several data sets in one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from clipkstar.report.stage_order import Told, told_by

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.report.record import DataSet

Row = Mapping[str, str | int | bool]

MOST_NAMED = 4
"""Names that a sentence lists; of more it tells the number."""

MOST_GROUPS = 12
"""Groups of runs that get a sentence of their own."""

OF_CHECKPOINT = ("pretrained", "config_sha256")
"""Columns that are needed beside those of the table of points."""

WHICH: Mapping[Told, str] = {
    "last": "the last one, {}, counts",
    "chosen": "the one that counts is {}",
    "by name": "their names do not tell the order, which is by name only; the one that counts is {}",
}
"""How it is said which stage counts, by what the names of the stages tell."""


def lineage_notices(lineages: Mapping[str, str]) -> list[str]:
    """Say which lineages were merged; lineages: each → the one it belongs to."""
    members: defaultdict[str, list[str]] = defaultdict(list)
    for lineage, merged in sorted(lineages.items()):
        members[merged].append(lineage)
    return [
        f"the lineages {named(names)} have weights or embeddings in common and are taken for one, {merged}."
        for merged, names in members.items()
        if len(names) > 1
    ]


def replicate_notices(table: pl.DataFrame) -> list[str]:
    """Say for each group of runs that counts once what it is, and on which data sets.

    table: of Points, with the columns `pretrained` and `config_sha256` of the checkpoints.
    """
    columns = ("data_set", "model", "training_run", "stage", "counted", "why_not", "counted_as", *OF_CHECKPOINT)
    of_data_set: defaultdict[str, list[Row]] = defaultdict(list)
    for row in table.select(columns).iter_rows(named=True):
        of_data_set[row["data_set"]].append(row)
    where: defaultdict[str, list[str]] = defaultdict(list)
    for label, rows in of_data_set.items():
        for sentence in [*_stages(rows), *_equals(rows, "weights"), *_equals(rows, "embeddings")]:
            where[sentence].append(label)
    told = [f"{_places(places, len(of_data_set))}: {sentence}" for sentence, places in where.items()]
    more = len(told) - MOST_GROUPS
    if more <= 1:
        return told
    return [*told[:MOST_GROUPS], f"{more} more groups of runs count once each; the table of points has them all."]


def class_notices(data_sets: Sequence[DataSet]) -> list[str]:
    """Say, in one sentence, for which data sets Γ′ is the mean over fewer classes than there are."""
    left_out = []
    for of in data_sets:
        plain, cosine = of.n_classes_left_out, of.n_classes_left_out_cosine
        if plain or cosine:
            left_out.append(
                f"{of.label} {plain} of {of.n_classes}" + (f" (cosine {cosine})" if cosine != plain else "")
            )
    if not left_out:
        return []
    return [
        f"classes whose γ is undefined for a model that counts are left out of Γ′ for every model: {named(left_out)}."
    ]


def _stages(rows: Sequence[Row]) -> Iterator[str]:
    earlier = dict.fromkeys(row["training_run"] for row in rows if row["why_not"] == "earlier stage")
    for name in earlier:
        stages = [row for row in rows if row["training_run"] == name]
        n_stages = len({row["stage"] for row in stages})
        counted = [str(row["model"]) for row in stages if row["counted"]]
        last = next(row for row in stages if row["why_not"] == "earlier stage")["counted_as"]
        which = WHICH[told_by({str(row["pretrained"]) for row in stages})].format(named(counted or [str(last)]))
        yield f"{n_stages} stages of {name} are one training run; {which if counted else f'{last} counts for it'}."


def _equals(rows: Sequence[Row], what: str) -> Iterator[str]:
    copies: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["why_not"] == f"equal {what}":
            copies[str(row["counted_as"])].append(row)
    for name, of_name in copies.items():
        models = {str(row["model"]) for row in of_name}
        if models == {name}:
            yield f"{len(of_name) + 1} runs of {name} have equal {what} and count once."
            continue
        configs = {row["config_sha256"] for row in [*of_name, *(row for row in rows if row["model"] == name)]} - {""}
        though = " though their configurations differ" if what == "weights" and len(configs) > 1 else ""
        yield f"{named(sorted({*models, name}))} have equal {what}{though}; {name} counts."


def _places(places: Sequence[str], n_data_sets: int) -> str:
    return f"all {n_data_sets} data sets" if len(places) == n_data_sets > MOST_NAMED else named(places)


def named(names: Sequence[str]) -> str:
    """List a few names, and how many more there are: "a, b and c", "a, b, c, d and 7 more"."""
    shown = list(names[:MOST_NAMED]) if len(names) > MOST_NAMED + 1 else list(names)
    more = [f"{len(names) - len(shown)} more"] if len(shown) < len(names) else []
    *first, last = [*shown, *more]
    return f"{', '.join(first)} and {last}" if first else last
