"""A run: the record of one checkpoint evaluated on one task, as it stands in run.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from clipkstar.checkpoint import Geometry, checkpoint_title
from clipkstar.embeddings import NO_KEYS, Keys
from clipkstar.errors import InputError

if TYPE_CHECKING:
    import polars as pl

SCHEMA = 1
"""Raised when a reader of older records would misread newer ones."""

IMAGE_COLUMNS = (
    "row", "label", "prediction", "confidence", "kstar", "impostor_row", "cosine_kstar", "cosine_impostor_row",
)  # fmt: skip
"""Order of the columns of images.parquet; columns of further metrics follow."""

CLASS_COLUMNS = (
    "class", "name", "n_images", "recall",
    "kstar_mean", "kstar_std", "gamma", "gamma_low", "gamma_high", "gamma_anchored", "pattern", "nn1_accuracy",
    "gamma_without", "kstar_mean_without", "nn1_accuracy_without",
    "cosine_kstar_mean", "cosine_kstar_std", "cosine_gamma", "cosine_gamma_low", "cosine_gamma_high",
    "cosine_gamma_anchored", "cosine_pattern", "cosine_nn1_accuracy",
    "cosine_gamma_without", "cosine_kstar_mean_without", "cosine_nn1_accuracy_without",
)  # fmt: skip
"""Order of the columns of classes.parquet; columns of further metrics follow."""


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """The images and words that were evaluated.

    dataset: hub repository, or builder and file name. revision: the resolved commit; None for local files.
    limit: size of the stratified sample asked for; None = all images. n_images: images evaluated.
    fingerprint: hex digest of images, labels, order, class names, prompts and limit.
    images_digest: hex digest of row numbers and image bytes alone; "" in records made before it was kept.
    """

    name: str
    dataset: str
    revision: str | None
    split: str
    n_images: int
    n_classes: int
    limit: int | None
    fingerprint: str
    images_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckpointRecord:
    """The weights that were evaluated; fields as in Checkpoint and Identity."""

    family: str
    model: str
    pretrained: str
    lineage: str
    weights_sha256: str | None
    config_sha256: str
    geometry: Geometry | None
    activation: str

    @property
    def title(self) -> str:
        """The name in tables and folders: family--model--pretrained."""
        return checkpoint_title(self.family, self.model, self.pretrained)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How it was evaluated.

    space: "output" = what encode_image returns, "pre_projection" = before the projection into the joint space.
    templates: () where prompts were written out for each class. prompt_set: its name, "" = the task's own words.
    device: "cpu", "cuda" or "mps".
    """

    precision: str
    space: str
    templates: tuple[str, ...]
    batch_size: int
    device: str
    prompt_set: str = ""


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Wall-clock seconds of each step; `encode_images` holds the encoder alone, `pixels` the wait for decoded ones."""

    open: float
    pixels: float
    encode_images: float
    encode_texts: float
    metrics: float
    total: float


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Versions of what decided the numbers; device is its name, commit that of clipkstar's checkout if there is one."""

    clipkstar: str
    open_clip: str
    torch: str
    datasets: str
    faiss: str
    numpy: str
    python: str
    platform: str
    device: str
    commit: str | None


@dataclass(frozen=True, kw_only=True)
class Run:
    """One finished evaluation.

    run_id: hash of all that decides embeddings and predictions; equal work has the equal id.
    metrics: metric → version. scores: name → number, None = undefined. intervals: name → (low, high), 95 %.
    embeddings: where the cache keeps what the scores were computed from.
    """

    schema: int
    run_id: str
    status: Literal["done"]
    task: TaskRecord
    checkpoint: CheckpointRecord
    protocol: Protocol
    metrics: dict[str, str]
    scores: dict[str, float | None]
    intervals: dict[str, tuple[float, float]]
    seconds: Seconds
    environment: Environment
    embeddings: Keys = NO_KEYS


@dataclass(frozen=True, kw_only=True)
class FailedRun:
    """One checkpoint that could not be evaluated on one task, as it stands in failed.json.

    checkpoint: its title; where a sweep has several of that title, with the file behind it.
    sentence: what went wrong. when: UTC, ISO 8601.
    """

    schema: int
    status: Literal["failed"]
    task: str
    checkpoint: str
    sentence: str
    when: str
    environment: Environment


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A run with its tables: `images` one row per image, `classes` one row per class, `notices` for the reader."""

    run: Run
    images: pl.DataFrame
    classes: pl.DataFrame
    notices: tuple[str, ...] = ()

    @property
    def numbers(self) -> dict[str, float]:
        """Every defined score as "task/score" → number, for whatever a training logs to (wandb, TensorBoard, JSON)."""
        scores = self.run.scores.items()
        return {f"{self.run.task.name}/{name}": float(value) for name, value in scores if value is not None}


@dataclass(frozen=True, kw_only=True)
class _Versioned:
    """What records of every schema have in common."""

    schema: int


def to_json(record: object, *, indent: int = 2) -> str:
    """Strict JSON of a record: full floats, null for undefined."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(record), indent=indent).decode()


def from_json(text: bytes, *, where: str) -> Run:
    """Read run.json; raises InputError that names `where` if it is damaged or of another schema."""
    import msgspec

    try:
        schema = msgspec.json.decode(text, type=_Versioned).schema
        if schema != SCHEMA:
            raise InputError(f"{where} has record schema {schema}, this clipkstar reads {SCHEMA}; use other --runs.")
        return msgspec.json.decode(text, type=Run)
    except msgspec.DecodeError as error:
        raise InputError(
            f"{where} is not a readable run record ({error}); move it away or repeat with --force."
        ) from error
