"""Within one run: do classes with a tighter cluster have a higher recall?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clipkstar.report.intervals import LEAST_CLUSTERS, expanded_percentile, or_none
from clipkstar.report.rank_correlation import spearman
from clipkstar.report.record import ClassCorrelation
from clipkstar.report.resampling import N_RESAMPLES, Resamples, draws, everything

if TYPE_CHECKING:
    import polars as pl

CLASS_SCORES = ("gamma", "kstar_mean")
LEAST_CLASSES = 3


def class_correlations(
    classes: pl.DataFrame, *, run_id: str, data_set: str, model: str, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[ClassCorrelation, ...]:
    """Spearman of recall with γ and with mean k*/n over the classes of a run, one record each.

    classes: a run's class table with the columns recall, gamma and kstar_mean; a class with a null is left out. No
    interval below 4 classes.
    """
    empty = [
        ClassCorrelation(
            run_id=run_id, data_set=data_set, model=model, score=score, value=None, low=None, high=None, n_classes=0
        )
        for score in CLASS_SCORES
    ]
    return tuple(_over_classes(classes, one, n_resamples=n_resamples, seed=seed) for one in empty)


def _over_classes(classes: pl.DataFrame, empty: ClassCorrelation, *, n_resamples: int, seed: int) -> ClassCorrelation:
    """Fill in the numbers of a record, or why they are missing."""
    import polars as pl

    columns = [pl.col(name).cast(pl.Float64) for name in ("recall", empty.score)]
    defined = classes.select(columns).filter(pl.all_horizontal(pl.all().is_finite()))
    recalls, scores = defined["recall"].to_numpy(), defined[empty.score].to_numpy()
    n_classes = len(recalls)
    counted = replace(empty, n_classes=n_classes)
    if n_classes < LEAST_CLASSES:
        have = "class has" if n_classes == 1 else "classes have"
        return replace(counted, reason=f"{n_classes} {have} both numbers; a correlation needs {LEAST_CLASSES}")
    for name, values in (("recall", recalls), (empty.score, scores)):
        if np.ptp(values) == 0:
            return replace(counted, reason=f"{name} is the same for all {n_classes} classes")
    ((value,),) = spearman(recalls, scores[:, None], everything(n_classes))
    if n_classes < LEAST_CLUSTERS:
        return replace(counted, value=float(value), reason=f"{n_classes} classes; an interval needs {LEAST_CLUSTERS}")
    drawn = Resamples(draws=draws(n_classes, n_resamples=n_resamples, seed=seed), codes=np.arange(n_classes))
    low, high = expanded_percentile(spearman(recalls, scores[:, None], drawn), n_classes)[:, 0]
    reason = "" if not np.isnan(low) else "resamples of the classes do not differ or are undefined: no interval"
    return replace(counted, value=float(value), low=or_none(low), high=or_none(high), reason=reason)
