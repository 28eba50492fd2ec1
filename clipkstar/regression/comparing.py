"""One score of a candidate against its baseline's, with evidence, from what both keep of images and classes.

Each score is worked out again from the tables, so that both sides of a pair go through the same arithmetic: an encoder
compared with itself differs by exactly 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from clipkstar.jackknife import N_GROUPS
from clipkstar.metrics.zero_shot import expected_calibration_error
from clipkstar.regression import least_error
from clipkstar.regression.estimated import Estimated, has_spread
from clipkstar.regression.evidence import Compared
from clipkstar.regression.group_jackknife import ClassValues, class_values, evidence_of, pooled_accuracy
from clipkstar.regression.image_bootstrap import Side, ece_standard_error, recall_standard_error
from clipkstar.regression.paired_proportions import PairedProportions

if TYPE_CHECKING:
    from clipkstar.regression.record import Pair
    from clipkstar.run import Evaluation

SCORES: Mapping[str, Literal["higher", "lower"]] = {
    "top1": "higher",
    "mean_class_recall": "higher",
    "ece": "lower",
    "gamma_approx": "lower",
    "kstar_mean": "higher",
    "nn1_accuracy": "higher",
}
"""Scores that can be checked, and which way each is better."""

NO_SPREAD = "the difference has no spread, so that how sure it is cannot be told"

Value = TypeVar("Value", float, NDArray[np.float64])


def compare(pair: Pair, score: str) -> Compared:
    """Compare one score of SCORES that both sides of a pair have.

    top1: paired proportions. mean_class_recall, ece: paired bootstrap over images. gamma_approx, kstar_mean: paired
    delete-group jackknife, over the classes whose value is defined for both with all images and without each group.
    nn1_accuracy: the same, over all images.
    Where there are no groups, the last three have no evidence and gamma_approx and kstar_mean are over the classes
    defined for both with all images; where no class is, each side keeps the mean over its own, and n_classes is 0: None
    for the side that has none. A difference without spread has no evidence either.
    """
    return COMPARED[score](pair)


def _top1(pair: Pair) -> Compared:
    candidate, baseline = _side(pair.candidate), _side(pair.baseline)
    found = PairedProportions(
        n=len(candidate.correct),
        n_worse=int((baseline.correct & ~candidate.correct).sum()),
        n_better=int((candidate.correct & ~baseline.correct).sum()),
    )
    return Compared(
        baseline=float(baseline.correct.mean()),
        candidate=float(candidate.correct.mean()),
        evidence=found,
        p_mcnemar=found.p_mcnemar,
        discordant=found.discordant,
    )


def _mean_class_recall(pair: Pair) -> Compared:
    labels, candidate, baseline = _labels(pair.candidate), _side(pair.candidate), _side(pair.baseline)
    falls = baseline.correct.astype(np.float64) - candidate.correct
    values = _mean_recall(labels, candidate), _mean_recall(labels, baseline)
    return _over_images("mean_class_recall", values, recall_standard_error(labels, falls), len(labels))


def _ece(pair: Pair) -> Compared:
    labels, candidate, baseline = _labels(pair.candidate), _side(pair.candidate), _side(pair.baseline)
    values = (
        expected_calibration_error(candidate.confidences, candidate.correct),
        expected_calibration_error(baseline.confidences, baseline.correct),
    )
    return _over_images("ece", values, ece_standard_error(labels, candidate, baseline), len(labels))


def _over_images(score: str, values: tuple[float, float], standard_error: float, n_images: int) -> Compared:
    """values: of candidate and baseline."""
    candidate, baseline = values
    worsening = _worsening(score, candidate, baseline)
    reason = "one image only: no spread" if n_images < 2 else ""
    if not reason and not has_spread(worsening, standard_error):
        reason = NO_SPREAD
    evidence = Estimated(estimate=worsening, standard_error=standard_error, n_images=n_images, degrees_of_freedom=None)
    return Compared(baseline=baseline, candidate=candidate, evidence=None if reason else evidence, reason=reason)


def _over_classes(pair: Pair, score: str, column: str) -> Compared:
    """column: of the class table; the score is its mean."""
    candidate, baseline = class_values(pair.candidate.classes, column), class_values(pair.baseline.classes, column)
    of_one = ~np.isnan(candidate.all_images) | ~np.isnan(baseline.all_images)
    of_both = ~np.isnan(candidate.all_images) & ~np.isnan(baseline.all_images)
    reason = _why_undefined(score, candidate, baseline) or _why_no_groups(pair, candidate, baseline)
    common = of_both & candidate.defined & baseline.defined
    if not reason and not common.any():
        reason = "no class is defined for both with all images and without each group"
    if reason:
        common = of_both
    of_candidate, of_baseline = (_mean(values.all_images, common) for values in (candidate, baseline))
    evidence = None
    if not reason and of_candidate is not None and of_baseline is not None:
        without = _worsening(score, candidate.without[common], baseline.without[common]).mean(axis=0)
        worsening, least = _worsening(score, of_candidate, of_baseline), _least_over_classes(pair, score, common)
        evidence = evidence_of(worsening, without, pair.candidate.images.height, least=least)
        reason = "" if evidence else NO_SPREAD
    return Compared(
        baseline=of_baseline,
        candidate=of_candidate,
        evidence=evidence,
        n_classes=int(common.sum()),
        n_left_out=int((of_one & ~common).sum()),
        reason=reason,
    )


def _nn1_accuracy(pair: Pair) -> Compared:
    candidate, baseline = (class_values(side.classes, "nn1_accuracy") for side in (pair.candidate, pair.baseline))
    labels, score = _labels(pair.candidate), "nn1_accuracy"
    of_candidate, candidate_without = pooled_accuracy(candidate, labels)
    of_baseline, baseline_without = pooled_accuracy(baseline, labels)
    reason, evidence = _why_no_groups(pair, candidate, baseline), None
    if candidate_without is not None and baseline_without is not None:
        without = _worsening(score, candidate_without, baseline_without)
        least = least_error.of_nearest(_kstar(pair.candidate), _kstar(pair.baseline))
        evidence = evidence_of(_worsening(score, of_candidate, of_baseline), without, len(labels), least=least)
        reason = reason or ("" if evidence else NO_SPREAD)
    return Compared(baseline=of_baseline, candidate=of_candidate, evidence=evidence, reason=reason)


def _least_over_classes(pair: Pair, score: str, common: NDArray[np.bool_]) -> float:
    """The least standard error of a mean over the classes in common, (n_classes,) bool."""
    labels = _labels(pair.candidate)
    kept = common[labels]
    of = least_error.of_gammas if score == "gamma_approx" else least_error.of_means
    return of(labels[kept], _kstar(pair.candidate)[kept], _kstar(pair.baseline)[kept])


def _mean(values: NDArray[np.float64], common: NDArray[np.bool_]) -> float | None:
    """Mean over the classes in common, or where there are none over those that have a value; None where none has."""
    kept = values[common if common.any() else ~np.isnan(values)]
    return float(kept.mean()) if len(kept) else None


def _why_undefined(score: str, candidate: ClassValues, baseline: ClassValues) -> str:
    """Say for which side no class has a value; "" where each has one."""
    sides = {"candidate": candidate, "baseline": baseline}
    without = [f"the {role}" for role, values in sides.items() if np.isnan(values.all_images).all()]
    if not without:
        return ""
    name, why = ("Γ′", ", in every class all k* are equal") if score == "gamma_approx" else (score, "")
    return f"{name} is undefined for {' and '.join(without)}{why}"


def _why_no_groups(pair: Pair, *sides: ClassValues) -> str:
    """Say why there are no values without each group; "" where there are."""
    if pair.candidate.images.height < N_GROUPS:
        return f"fewer than {N_GROUPS} images: no groups to leave out"
    if any(np.isnan(side.without).all() for side in sides):
        return "a run has no values without each group of images"
    return ""


def _worsening(score: str, candidate: Value, baseline: Value) -> Value:
    """The difference, signed so that positive is worse."""
    return candidate - baseline if SCORES[score] == "lower" else baseline - candidate


def _labels(side: Evaluation) -> NDArray[np.int64]:
    import polars as pl

    return side.images["label"].cast(pl.Int64).to_numpy()


def _kstar(side: Evaluation) -> NDArray[np.int64]:
    import polars as pl

    return side.images["kstar"].cast(pl.Int64).to_numpy()


def _side(evaluation: Evaluation) -> Side:
    import polars as pl

    images = evaluation.images
    return Side(
        correct=(images["prediction"] == images["label"]).to_numpy(),
        confidences=images["confidence"].cast(pl.Float64).to_numpy(),
    )


def _mean_recall(labels: NDArray[np.int64], side: Side) -> float:
    """Mean over the classes that have images."""
    sizes = np.bincount(labels)
    hits = np.bincount(labels[side.correct], minlength=len(sizes))
    return float((hits[sizes > 0] / sizes[sizes > 0]).mean())


COMPARED: Mapping[str, Callable[[Pair], Compared]] = {
    "top1": _top1,
    "mean_class_recall": _mean_class_recall,
    "ece": _ece,
    "gamma_approx": lambda pair: _over_classes(pair, "gamma_approx", "gamma"),
    "kstar_mean": lambda pair: _over_classes(pair, "kstar_mean", "kstar_mean"),
    "nn1_accuracy": _nn1_accuracy,
}
