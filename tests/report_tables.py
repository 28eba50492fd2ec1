"""Made tables of models and data sets for the tests of the report's statistics."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from clipkstar.report.samples import Sample


def models(sizes: Sequence[int], intra: float, correlation: float, random: np.random.Generator) -> np.ndarray:
    """Draw two normal numbers for each model, (n_models, 2), of variance 1 and the given correlation.

    sizes: models in each lineage. intra: correlation of two models of one lineage, in either number.
    """
    root = np.linalg.cholesky([[1, correlation], [correlation, 1]])
    shared = random.normal(size=(len(sizes), 2)) @ root.T
    own = random.normal(size=(sum(sizes), 2)) @ root.T
    return np.sqrt(intra) * np.repeat(shared, sizes, axis=0) + np.sqrt(1 - intra) * own


def lineages_of(sizes: Sequence[int]) -> tuple[str, ...]:
    """Name the lineages of models in blocks of these sizes."""
    return tuple(f"lineage {number:03d}" for number, size in enumerate(sizes) for _ in range(size))


def sample(accuracy: Sequence[float], lineages: Sequence[str], **scores: Sequence[float]) -> Sample:
    """One data set as a Sample."""
    return Sample(
        data_set="digits",
        models=tuple(f"model {number}" for number in range(len(accuracy))),
        lineages=tuple(lineages),
        accuracy=np.array(accuracy, dtype=np.float64),
        scores=tuple(scores),
        values=np.array(list(scores.values()), dtype=np.float64).T,
    )


def table(data_set: str, lineages: Sequence[str], accuracy: Sequence[float | None], **scores: object) -> pl.DataFrame:
    """One data set as the statistics read it."""
    columns = {name: pl.Series(values, dtype=pl.Float64, strict=False) for name, values in scores.items()}
    return pl.DataFrame(
        {
            "data_set": [data_set] * len(lineages),
            "model": [f"model {number}" for number in range(len(lineages))],
            "lineage": list(lineages),
            "accuracy": pl.Series(accuracy, dtype=pl.Float64, strict=False),
            **columns,
        }
    )
