"""Within one run: do classes with a tighter cluster have a higher recall?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clipkstar.report.intervals import expanded_percentile, number
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

    classes: a run's class table with the columns recall, gamma and kstar_mean; a class with a null is left out.
    """
    found = []
    for score in CLASS_SCORES:
        value, low, high, n_classes, reason = _over_classes(classes, score, n_resamples=n_resamples, seed=seed)
        found.append(
            ClassCorrelation(
                run_id=run_id,
                data_set=data_set,
                model=model,
                score=score,
                value=value,
                low=low,
                high=high,
                n_classes=n_classes,
                reason=reason,
            )
        )
    return tuple(found)


def _over_classes(
    classes: pl.DataFrame, score: str, *, n_resamples: int, seed: int
) -> tuple[float | None, float | None, float | None, int, str]:
    """Value, low, high, number of classes, and why something is missing."""
    import polars as pl

    columns = [pl.col(name).cast(pl.Float64) for name in ("recall", score)]
    defined = classes.select(columns).filter(pl.all_horizontal(pl.all().is_finite()))
    recalls, scores = defined["recall"].to_numpy(), defined[score].to_numpy()
    n_classes = len(recalls)
    if n_classes < LEAST_CLASSES:
        have = "class has" if n_classes == 1 else "classes have"
        return None, None, None, n_classes, f"{n_classes} {have} both numbers; a correlation needs {LEAST_CLASSES}"
    for name, values in (("recall", recalls), (score, scores)):
        if np.ptp(values) == 0:
            return None, None, None, n_classes, f"{name} is the same for all {n_classes} classes"
    ((value,),) = spearman(recalls, scores[:, None], everything(n_classes))
    drawn = Resamples(draws=draws(n_classes, n_resamples=n_resamples, seed=seed), codes=np.arange(n_classes))
    low, high = expanded_percentile(spearman(recalls, scores[:, None], drawn), n_classes)[:, 0]
    reason = "" if not np.isnan(low) else "resamples of the classes do not differ or are undefined: no interval"
    return float(value), number(low), number(high), n_classes, reason
