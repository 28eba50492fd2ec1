"""What is exported: one checkpoint on one data set, whether clipkstar evaluated it or CLIP_benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Source = Literal["clipkstar", "CLIP_benchmark"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """One checkpoint on one data set; None and "" = the source does not say.

    source: who measured. data_set: the task and what is unlike the default, as in data_set_names; equal names are equal
        images, words, precision and space. checkpoint: a name that no other checkpoint of the export has.
    dataset: hub repository, builder and file name, or CLIP_benchmark's name. prompt_set: "" = the task's own words.
    clipkstar: its version. metric_versions: of the metrics whose scores are here, such as "kstar 3; zero_shot 1".
    scores, intervals: as in Run.
    """

    source: Source
    data_set: str
    checkpoint: str
    task: str
    model: str
    pretrained: str
    dataset: str
    family: str | None = None
    lineage: str | None = None
    precision: str | None = None
    space: str | None = None
    prompt_set: str = ""
    limit: int | None = None
    n_images: int | None = None
    n_classes: int | None = None
    split: str | None = None
    revision: str | None = None
    fingerprint: str | None = None
    run_id: str | None = None
    seconds_total: float | None = None
    weights_sha256: str | None = None
    clipkstar: str | None = None
    metric_versions: str | None = None
    scores: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file to be written. content: its bytes, UTF-8 where it is text. notices: what it leaves out, in sentences."""

    content: bytes
    notices: tuple[str, ...] = ()
