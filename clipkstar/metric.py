"""A metric: a pure function from embeddings to named numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

    from clipkstar.embeddings import Embeddings
    from clipkstar.neighbors import Neighbors


@dataclass(frozen=True, kw_only=True)
class Score:
    """One named number. low, high: the range, None = unbounded. better: the direction; "none" = only a description."""

    name: str
    meaning: str
    better: Literal["higher", "lower", "none"]
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one metric found.

    scores: name → number; None = undefined for these embeddings (never NaN).
    intervals: name → (low, high), 95 %; only for scores that have one.
    images: one row per image, in the order of the embeddings; None = nothing per image.
    classes: one row per class, in label order; None = nothing per class.
    notices: sentences for the reader, such as why a score is None.
    """

    scores: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    images: pl.DataFrame | None = None
    classes: pl.DataFrame | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Scores that are computed together. To add one: a file `clipkstar/metrics/<name>.py` with `METRIC = Metric(…)`.

    version: raised when a score's value changes; a stored run with an older version is computed again.
    compute: embeddings, and the neighbour searches shared by all metrics → what was measured; no side effects.
    source: the paper or text that defines the scores.
    """

    name: str
    version: str
    summary: str
    scores: tuple[Score, ...]
    compute: Callable[[Embeddings, Neighbors], Measured]
    source: str
