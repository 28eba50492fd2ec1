"""Whether the tables of a run are those that its scores were worked out from; a check compares no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from clipkstar.causes import first_line
from clipkstar.metric_versions import version_key
from clipkstar.metrics.zero_shot import expected_calibration_error
from clipkstar.regression.baseline_file import class_columns, condensed, image_columns
from clipkstar.skewness import mean_defined

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.run import Evaluation

ALWAYS = {"images": ("label",), "classes": ("name", "n_images")}

NEEDED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "top1": {"images": ("prediction",)},
    "mean_class_recall": {"images": ("prediction",)},
    "ece": {"images": ("prediction", "confidence")},
    "gamma_approx": {"classes": ("gamma",)},
    "kstar_mean": {"classes": ("kstar_mean",)},
    "nn1_accuracy": {"classes": ("nn1_accuracy",)},
}
"""Score → table → the columns that it is compared from."""

FIRST_CHECKED_KSTAR = "3"
"""Version of kstar from which on its columns are looked at; older ones are not compared, which is told elsewhere."""

OF_KSTAR = ("gamma_approx", "kstar_mean", "nn1_accuracy")

ROUNDING = 1e-6
"""What a score worked out again may differ by from the recorded one."""


def fault(evaluation: Evaluation) -> str:
    """Say what keeps the tables of a run from being those of its record, in words for brackets; "" = nothing does.

    Columns that the recorded scores are compared from are there, of their type, whole and in range; the scores come out
    of them as recorded. A class may lack a k* value.
    """
    return next(_faults(evaluation), "")


def order_fault(candidate: Evaluation, baseline: Evaluation) -> str:
    """Say what keeps the tables of a pair from being of the same images in the same order; "" = nothing does.

    Only rows and labels can tell; a baseline file keeps no rows.
    """
    for name in ("row", "label"):
        new, old = (side.images.get_column(name, default=None) for side in (candidate, baseline))
        if new is not None and old is not None and not np.array_equal(new.to_numpy(), old.to_numpy()):
            return f"their images.parquet differ in {name}"
    return ""


def _faults(evaluation: Evaluation) -> Iterator[str]:
    """Yield what is wrong; each takes for granted that nothing before it was."""
    import polars as pl

    images, classes = _columns(evaluation)
    yield from _wrong_columns("images.parquet", evaluation.images, {name: image_columns()[name] for name in images})
    yield from _wrong_columns("classes.parquet", evaluation.classes, {name: class_columns()[name] for name in classes})
    yield from _gaps("images.parquet", evaluation.images, images)
    yield from _gaps("classes.parquet", evaluation.classes, ALWAYS["classes"])
    try:
        condensed(evaluation)
    except pl.exceptions.PolarsError as error:
        yield first_line(error)
    yield from _out_of_range(evaluation, images)
    yield from _other_scores(evaluation)


def _scores(evaluation: Evaluation) -> list[str]:
    """Return the recorded scores that are looked at."""
    kstar = evaluation.run.metrics.get("kstar", "")
    is_known = version_key(kstar) >= version_key(FIRST_CHECKED_KSTAR)
    recorded = [score for score in NEEDED if evaluation.run.scores.get(score) is not None]
    return [score for score in recorded if is_known or score not in OF_KSTAR]


def _columns(evaluation: Evaluation) -> tuple[list[str], list[str]]:
    """Return the columns that are needed, of images and of classes."""
    needed = [ALWAYS, *(NEEDED[score] for score in _scores(evaluation))]
    of_tables = [dict.fromkeys(name for one in needed for name in one.get(table, ())) for table in ALWAYS]
    return list(of_tables[0]), list(of_tables[1])


def _wrong_columns(file: str, table: pl.DataFrame, needed: Mapping[str, pl.DataType]) -> Iterator[str]:
    for name, wanted in needed.items():
        if name not in table.columns:
            yield f"{file} has no {name}"
            continue
        found = table[name].dtype
        is_like = (
            found.is_integer() if wanted.is_integer() else found.is_float() if wanted.is_float() else found == wanted
        )
        if not is_like:
            yield f"{name} in {file} is {found}"


def _gaps(file: str, table: pl.DataFrame, names: list[str] | tuple[str, ...]) -> Iterator[str]:
    for name in names:
        column = table[name]
        n_missing = column.null_count() + (column.is_nan().sum() if column.dtype.is_float() else 0)
        if n_missing:
            yield f"{name} in {file} lacks {n_missing:,} of {table.height:,} values"


def _out_of_range(evaluation: Evaluation, names: list[str]) -> Iterator[str]:
    n_classes = evaluation.run.task.n_classes
    highest = {"label": n_classes - 1, "prediction": n_classes - 1, "confidence": 1}
    for name in names:
        column = evaluation.images[name]
        if not column.is_between(0, highest[name]).all():
            yield f"{name} in images.parquet is not within 0 … {highest[name]}"
    sizes = np.bincount(evaluation.images["label"].to_numpy(), minlength=n_classes)
    if evaluation.classes["n_images"].to_list() != sizes.tolist():
        yield "n_images in classes.parquet does not count the labels of images.parquet"


def _other_scores(evaluation: Evaluation) -> Iterator[str]:
    for score in _scores(evaluation):
        recorded, found = evaluation.run.scores[score], WORKED_OUT[score](evaluation)
        if recorded is not None and (found is None or abs(found - recorded) > ROUNDING):
            yield f"{score} of the tables is {found}, the record has {recorded}"


def _correct(evaluation: Evaluation) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return (evaluation.images["prediction"] == evaluation.images["label"]).to_numpy()


def _mean_recall(evaluation: Evaluation) -> float:
    labels = evaluation.images["label"].to_numpy()
    sizes = np.bincount(labels)
    hits = np.bincount(labels, weights=_correct(evaluation))
    return float((hits[sizes > 0] / sizes[sizes > 0]).mean())


def _nn1_accuracy(evaluation: Evaluation) -> float:
    """A class of one image has no value and no hit."""
    shares = evaluation.classes["nn1_accuracy"].fill_null(0).fill_nan(0).to_numpy()
    return float((shares * evaluation.classes["n_images"].to_numpy()).sum() / evaluation.images.height)


WORKED_OUT: Mapping[str, Callable[[Evaluation], float | None]] = {
    "top1": lambda one: float(_correct(one).mean()),
    "mean_class_recall": _mean_recall,
    "ece": lambda one: expected_calibration_error(one.images["confidence"].to_numpy(), _correct(one)),
    "gamma_approx": lambda one: mean_defined(one.classes["gamma"]),
    "kstar_mean": lambda one: mean_defined(one.classes["kstar_mean"]),
    "nn1_accuracy": _nn1_accuracy,
}
"""Score → how it comes out of the tables."""
