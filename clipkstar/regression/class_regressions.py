"""Which classes of one data set became worse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from clipkstar.regression.group_jackknife import class_values, evidence_of
from clipkstar.regression.least_error import of_gammas
from clipkstar.regression.paired_proportions import PairedProportions
from clipkstar.regression.record import ClassRegression
from clipkstar.regression.weighted_holm import weighted_holm

if TYPE_CHECKING:
    from clipkstar.regression.evidence import Evidence
    from clipkstar.regression.record import Pair


@dataclass(frozen=True, kw_only=True)
class _Class:
    """One class under one score: its number, both values, and the evidence of a worsening."""

    number: int
    baseline: float
    candidate: float
    evidence: Evidence


def class_regressions(pair: Pair, *, alpha: float) -> tuple[ClassRegression, ...]:
    """Return the classes whose recall fell or whose γ rose, the established ones first, then by p-value.

    Recall: every class that has images, paired proportions; none where a side has no predictions. γ: every class
    defined for both with all images and without each group, paired delete-group jackknife, but those whose difference
    has no spread. Holm over all classes of a score, those that did not become worse included; alpha: of each score.
    """
    found = [
        *_worse(pair, "recall", list(_recalls(pair)), alpha),
        *_worse(pair, "gamma", list(_gammas(pair)), alpha),
    ]
    found.sort(key=lambda pairs: (not pairs[1].established, pairs[1].p_corrected, pairs[0]))
    return tuple(regression for _, regression in found)


def _recalls(pair: Pair) -> Iterable[_Class]:
    sides = pair.candidate.images, pair.baseline.images
    if not all("prediction" in images.columns for images in sides):
        return
    candidate, baseline = ((images["prediction"] == images["label"]).to_numpy() for images in sides)
    labels = pair.candidate.images["label"].to_numpy()
    n_classes = pair.candidate.classes.height
    sizes = np.bincount(labels, minlength=n_classes)
    worse = np.bincount(labels[baseline & ~candidate], minlength=n_classes)
    better = np.bincount(labels[candidate & ~baseline], minlength=n_classes)
    hits = np.bincount(labels[baseline], minlength=n_classes)
    for number in np.flatnonzero(sizes):
        n, n_worse, n_better = int(sizes[number]), int(worse[number]), int(better[number])
        yield _Class(
            number=int(number),
            baseline=int(hits[number]) / n,
            candidate=(int(hits[number]) - n_worse + n_better) / n,
            evidence=PairedProportions(n=n, n_worse=n_worse, n_better=n_better),
        )


def _gammas(pair: Pair) -> Iterable[_Class]:
    sides = pair.candidate.classes, pair.baseline.classes
    if not all("gamma" in classes.columns for classes in sides):
        return
    candidate, baseline = (class_values(classes, "gamma") for classes in sides)
    labels = pair.candidate.images["label"].to_numpy()
    kstar = [side.images["kstar"].to_numpy() for side in (pair.candidate, pair.baseline)]
    for number in np.flatnonzero(candidate.defined & baseline.defined):
        own = labels == number
        least = of_gammas(np.zeros(own.sum(), dtype=np.int64), *(values[own] for values in kstar))
        of_candidate, of_baseline = float(candidate.all_images[number]), float(baseline.all_images[number])
        without = candidate.without[number] - baseline.without[number]
        evidence = evidence_of(of_candidate - of_baseline, without, int(own.sum()), least=least)
        if evidence is not None:
            yield _Class(number=int(number), baseline=of_baseline, candidate=of_candidate, evidence=evidence)


def _worse(
    pair: Pair, score: Literal["recall", "gamma"], classes: list[_Class], alpha: float
) -> Iterable[tuple[float, ClassRegression]]:
    """Yield each class that is worse as observed, after its own p-value."""
    p_values = [one.evidence.p_exceeds(0.0) for one in classes]
    corrected = weighted_holm(p_values, [1.0] * len(classes))
    table = pair.candidate.classes
    for one, p_value, p_corrected in zip(classes, p_values, corrected, strict=True):
        if one.evidence.estimate <= 0:
            continue
        least, most = one.evidence.interval()
        low, high = (least, most) if score == "gamma" else (-most, -least)
        regression = ClassRegression(
            task=pair.label,
            name=str(table["name"][one.number]),
            score=score,
            n_images=int(table["n_images"][one.number]),
            baseline=one.baseline,
            candidate=one.candidate,
            difference=one.candidate - one.baseline,
            low=low,
            high=high,
            p_corrected=p_corrected,
            established=p_corrected <= alpha,
        )
        yield p_value, regression
