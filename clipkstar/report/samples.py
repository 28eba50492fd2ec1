"""The models of a data set that have all numbers a statistic needs, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clipkstar.report.rank_correlation import Floats

if TYPE_CHECKING:
    import polars as pl

ACCURACY = "accuracy"
"""Column of the accuracy in the tables of the statistics, whatever score it is."""
LEAST_MODELS = 3
"""With two models every correlation is -1 or 1."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Models of one data set with accuracy and all of some scores.

    models, lineages: one for each model. accuracy: (n_models,) float64. values: (n_models, n_scores) float64, a
    column for each of scores. All finite.
    """

    data_set: str
    models: tuple[str, ...]
    lineages: tuple[str, ...]
    accuracy: Floats
    scores: tuple[str, ...]
    values: Floats

    @property
    def n_models(self) -> int:
        """Models in the sample."""
        return len(self.models)

    @property
    def n_lineages(self) -> int:
        """Lineages among them."""
        return len(set(self.lineages))


def too_few_models(sample: Sample, numbers: str, *, least: int, of: str) -> str:
    """Say that a sample has fewer models with its numbers than a statistic needs."""
    return f"{sample.n_models} model{'s' * (sample.n_models != 1)} with {numbers}; {of} needs {least}"


def _sample(table: pl.DataFrame, data_set: str, kept: NDArray[np.bool_], scores: Sequence[str]) -> Sample:
    rows = table.filter(kept)
    return Sample(
        data_set=data_set,
        models=tuple(rows["model"]),
        lineages=tuple(rows["lineage"]),
        accuracy=rows[ACCURACY].to_numpy(),
        scores=tuple(scores),
        values=rows.select(scores).to_numpy().reshape(len(rows), len(scores)),
    )


def samples(table: pl.DataFrame, scores: Sequence[str], *, also: Sequence[str] = ()) -> list[Sample]:
    """Split a table (columns data_set, model, lineage, accuracy, scores) by data set and by which scores are there.

    Scores that the same models have share a Sample, so that they are resampled at once; a model is in it where it has
    accuracy, the score and each of `also`, whose columns stand behind the scores. Null and NaN are missing. Order: of
    the data sets in the table.
    """
    found = []
    for (data_set,), rows in table.group_by("data_set", maintain_order=True):
        defined = {
            name: rows[name].is_finite().fill_null(value=False).to_numpy() for name in {ACCURACY, *scores, *also}
        }
        complete = np.all([defined[name] for name in (ACCURACY, *also)], axis=0)
        patterns: dict[bytes, list[str]] = {}
        for score in scores:
            patterns.setdefault((complete & defined[score]).tobytes(), []).append(score)
        for pattern, members in patterns.items():
            kept = np.frombuffer(pattern, dtype=bool)
            found.append(
                _sample(rows, str(data_set), kept, [*members, *(name for name in also if name not in members)])
            )
    return found
