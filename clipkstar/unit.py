"""A unit of work, one checkpoint on one opened task, and the hashes of all that decides its numbers."""

from __future__ import annotations

import gc
import hashlib
import json
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from clipkstar.embeddings import NO_KEYS, Keys
from clipkstar.errors import InputError
from clipkstar.metric import Metric
from clipkstar.pixels import decoders
from clipkstar.versions import version

if TYPE_CHECKING:
    from clipkstar.checkpoint import Checkpoint, Identity
    from clipkstar.data.rows import Rows
    from clipkstar.encoder import Device, Encoder, Family, Precision, Space

EMBEDDING_VERSION = "1"
"""Raised when clipkstar's own decoding (with pixels.PIXELS_VERSION), prompting or pooling changes embeddings."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to evaluate.

    space: "output" = image embeddings as encode_image returns them, "pre_projection" = before the projection into the
        joint space, where there are no text embeddings.
    keep_pixels: keep decoded pictures in the cache, for the next encoder of that geometry.
    force: repeat finished work.
    """

    precision: Precision = "fp32"
    device: Device = "auto"
    batch_size: int = 64
    space: Space = "output"
    keep_pixels: bool = False
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Work:
    """One checkpoint with the loader that made it, and the metrics to compute."""

    family: Family
    checkpoint: Checkpoint
    metrics: Sequence[Metric]
    settings: Settings


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One run to be: a checkpoint, as identified, on an opened task and a device ("cpu", "cuda" or "mps")."""

    work: Work
    identity: Identity
    device: str
    rows: Rows

    @cached_property
    def run_id(self) -> str:
        """Hash of all that decides embeddings and predictions."""
        return run_id(self.work, self.identity, self.device, self.rows.fingerprint)

    @property
    def keys(self) -> Keys:
        """Name what decides image and class embeddings; nothing is kept without a weights hash."""
        if self.identity.weights_sha256 is None:
            return NO_KEYS
        encoder = encoder_key(self.work, self.identity, self.device) | {"torch": version("torch")}
        images = {"images": self.rows.images_digest, "batch_size": self.work.settings.batch_size}
        return Keys(
            images=_digest(images | encoder | {"decoders": decoders()}),
            classes=_digest({"prompts": self.rows.words.prompts} | encoder),
        )

    def about(self) -> dict[str, str]:
        """What a file of embeddings says of where they come from."""
        settings = self.work.settings
        return {
            "task": self.rows.task.name,
            "fingerprint": self.rows.fingerprint,
            "checkpoint": self.work.checkpoint.title,
            "weights_sha256": self.identity.weights_sha256 or "",
            "precision": settings.precision,
            "space": settings.space,
            "device": self.device,
        } | ({} if self.rows.limit is None else {"limit": str(self.rows.limit)})


def run_id(work: Work, identity: Identity, device: str, fingerprint: str) -> str:
    """Hash all that decides embeddings and predictions; without a weights hash no id comes twice.

    device: "cpu", "cuda" or "mps". fingerprint: of the opened task.
    """
    return _digest({"task": fingerprint} | encoder_key(work, identity, device))[:16]


def encoder_key(work: Work, identity: Identity, device: str) -> dict[str, object]:
    """Name all that decides what an encoder makes of pixels and prompts."""
    return {
        "weights": identity.weights_sha256 or uuid.uuid4().hex,
        "config": identity.config_sha256,
        "family": (work.family.name, work.family.version),
        "open_clip": version("open_clip_torch"),
        "code": EMBEDDING_VERSION,
        "precision": work.settings.precision,
        "space": work.settings.space,
        "device": device,
    }


def load_encoder(work: Work, device: str) -> Encoder:
    """Load the checkpoint so that it gives embeddings of the space asked for; InputError where it has no such space."""
    if work.settings.space == "output":
        with _no_collection():
            return work.family.load(work.checkpoint, device, work.settings.precision)
    if work.family.load_pre_projection is None:
        raise InputError(
            f"--space {work.settings.space} was asked for, and encoders of the family '{work.family.name}' have no "
            "embeddings before a projection; leave it out."
        )
    with _no_collection():
        return work.family.load_pre_projection(work.checkpoint, device, work.settings.precision)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Look for no garbage: among the million objects of an imported open_clip each search takes a third of a second.

    Those objects then count as old at once, instead of being searched as new ones twice before they do.
    """
    was_enabled, n_modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > n_modules and gc.get_freeze_count() == 0:  # what somebody froze stays so
            gc.freeze()
            gc.unfreeze()  # to where the oldest objects are
        if was_enabled:
            gc.enable()


def _digest(decisive: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
