"""What a report says, as it stands in report.json: every number of the page, typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

REPORT_SCHEMA = 1
"""Raised when a reader of older reports would misread newer ones."""

Coefficient = Literal["spearman", "pearson", "kendall"]
Judgement = Literal["follows", "violates", "undecided"]

JUDGEMENTS: tuple[Judgement, ...] = ("follows", "violates", "undecided")

PRIMARY = "gamma_approx"
"""The latent score that the claim is about: Γ′, Euclidean."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Runs that may be compared: the same images, labels and prompts, evaluated in the same way.

    label: the task's name, with what tells it from others of that name in parentheses. fingerprint: of the task.
    n_models: models that count, one for each training run. n_lineages: clusters among them.
    n_stages, n_copies: runs that are shown and not counted: earlier stages of a training run, the same weights again.
    n_classes_left_out: classes whose γ is undefined for one of the models that count at least; Γ′ of this data set is
        the mean over the others, for every model. n_classes_left_out_cosine: the same of the cosine γ.
    counted: False = another evaluation of a task that is judged by another of its data sets; shown, not pooled, not
        tallied, not corrected for.
    """

    label: str
    task: str
    fingerprint: str
    precision: str
    space: str
    n_images: int
    n_classes: int
    limit: int | None
    n_models: int
    n_lineages: int
    n_stages: int
    n_copies: int
    n_classes_left_out: int
    n_classes_left_out_cosine: int
    counted: bool = True


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """How accuracy and one latent score go together over the models of a data set.

    score: the latent score. value: -1 … 1 as computed, not turned by the direction of the score; None = undefined.
    low, high: 95 %, bootstrap of whole lineages; None = undefined, always below 4 lineages. p_value: two-sided,
        permutation of whole lineages.
    n_models, n_lineages: with both numbers. reason: why value, interval or p-value is missing, else "".
    """

    data_set: str
    score: str
    coefficient: Coefficient
    value: float | None
    low: float | None
    high: float | None
    p_value: float | None
    n_models: int
    n_lineages: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a data set follows the claim that a lower Γ′ goes with a higher accuracy (Spearman).

    p_holm: p_value, corrected by Holm over the counted data sets that have enough lineages; None = no test.
    reason: a sentence, such as how many lineages are missing. counted: as in DataSet; undecided where False.
    """

    data_set: str
    judgement: Judgement
    value: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_holm: float | None
    n_models: int
    n_lineages: int
    reason: str
    counted: bool = True


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """A rank correlation over several data sets: ranks within each of them, then their mean, weighted by n_models.

    Only of data sets that are counted. low, high: 95 %, bootstrap of lineages and of data sets at once; None =
    undefined, `reason` says why.
    """

    score: str
    value: float | None
    low: float | None
    high: float | None
    n_data_sets: int
    n_models: int
    n_lineages: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Partial:
    """Rank correlation of accuracy and Γ′ given other latent scores: what Γ′ says beyond them.

    data_set: "" = pooled over all that are counted. given: the scores held fixed. low, high: as in Correlation and
    Pooled. reason: why there is none, else "".
    """

    data_set: str
    score: str
    given: tuple[str, ...]
    value: float | None
    low: float | None
    high: float | None
    n_models: int
    n_lineages: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """How well one latent score ranks models by accuracy, pooled over data sets, and how much better than Γ′.

    value: pooled rank correlation, turned so that 1 = the best structure has the best accuracy.
    difference: value less that of Γ′ over the same models and data sets; low, high: 95 % of the difference.
    """

    score: str
    value: float | None
    difference: float | None
    low: float | None
    high: float | None
    n_data_sets: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ClassCorrelation:
    """Within one run: the rank correlation over classes of recall with γ, or with mean k*/n.

    low, high: 95 %, bootstrap of classes; classes of one data set share images, so this describes the run only.
    """

    run_id: str
    data_set: str
    model: str
    score: str
    value: float | None
    low: float | None
    high: float | None
    n_classes: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """All that is computed over models and data sets. accuracy: the score of the zero-shot task it is about."""

    accuracy: str
    data_sets: tuple[DataSet, ...]
    correlations: tuple[Correlation, ...]
    verdicts: tuple[Verdict, ...]
    pooled: tuple[Pooled, ...]
    partial: tuple[Partial, ...]
    rankings: tuple[Ranking, ...]


Columns = dict[str, list[str | int | float | bool | None]]
"""A table by columns."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """report.json. classes: over the classes of the runs that have pages of their own.

    points: every run with its labels and scores, the columns of tables/points.csv. reference: published numbers beside
    ours, the columns of tables/reference.csv; None = not asked for. notices: what was left out, split or is missing.
    """

    schema: int
    clipkstar: str
    statistics: Statistics
    classes: tuple[ClassCorrelation, ...]
    points: Columns
    reference: Columns | None
    notices: tuple[str, ...]
