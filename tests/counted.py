"""The family `fake` with checkpoint files and several geometries, which writes down what is done with it.

A checkpoint is a file; its embeddings are those of `fake:colors`, times a factor that its bytes decide. Under
quick_gelu green pictures count as blue, so that the wrong embeddings cannot be taken for the right ones.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from colors import colors_task

from clipkstar import pixels
from clipkstar.checkpoint import Checkpoint, Geometry, Identity, Listing
from clipkstar.encoder import Family, Request
from clipkstar.encoders import fake
from clipkstar.encoders.fake import ColorEncoder
from clipkstar.errors import InputError
from clipkstar.task import Task

SIDES = {"small": 4, "large": 6}
"""Model → side of its pixels."""


@dataclass(frozen=True, kw_only=True)
class CountedEncoder(ColorEncoder):
    """Writes down each batch."""

    done: list[str]
    title: str
    factor: float
    swaps: bool

    def encode_images(self, pixels: Any) -> Any:
        self.done.append(f"encode {self.title}")
        colors = super().encode_images(pixels) * self.factor
        return colors[:, [0, 2, 1]] if self.swaps else colors


@dataclass(frozen=True, kw_only=True)
class Counted:
    """done: identify, load and encode with the checkpoint's tag; decode for each picture; in their order."""

    done: list[str] = field(default_factory=list)

    @property
    def family(self) -> Family:
        return replace(
            fake.FAMILY,
            resolve=resolve,
            identify=self.identify,
            load=self.load,
            load_pre_projection=self.load,
            describe=lambda checkpoint, _: _listing(checkpoint),
        )

    def identify(self, checkpoint: Checkpoint) -> Identity:
        self.done.append(f"identify {checkpoint.pretrained}")
        file = Path(checkpoint.source)
        if not file.is_file():
            raise InputError(f"the file '{file.name}' is gone; restore it.")
        return Identity(
            weights_sha256=sha256(file.read_bytes()).hexdigest(),
            config_sha256=sha256(f"{checkpoint.model} {checkpoint.activation}".encode()).hexdigest(),
            geometry=_listing(checkpoint).geometry,
            files=(str(file),),
        )

    def load(self, checkpoint: Checkpoint, *_: str) -> CountedEncoder:
        self.done.append(f"load {checkpoint.pretrained}")
        return CountedEncoder(
            done=self.done,
            title=checkpoint.pretrained,
            geometry=_listing(checkpoint).geometry,
            factor=1 + Path(checkpoint.source).read_bytes()[0] / 256,
            swaps=checkpoint.activation == "quick_gelu",
        )

    def of(self, *verbs: str) -> list[str]:
        """Everything done of some kinds."""
        return [each for each in self.done if each.split()[0] in verbs]


def resolve(request: Request) -> Checkpoint:
    """Take a file for a checkpoint of that name."""
    file = Path(request.pretrained or "")
    if not file.is_file():
        raise InputError(f"there is no checkpoint file '{file}'; check the path.")
    return Checkpoint(
        family="fake",
        model=request.model,
        pretrained=file.stem,
        lineage=f"fake/{request.model}",
        source=str(file),
        activation=request.activation,
    )


def _listing(checkpoint: Checkpoint) -> Listing:
    side = SIDES[checkpoint.model]
    return Listing(
        activation=None,
        geometry=Geometry(size=(side, side)),
        context_length=77,
        tokenizer="none",
        parameters=None,
        cached=True,
    )


def install(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Counted:
    """Make the counted family the one named fake, with a cache of its own, and count decoded pictures, too."""
    counted = Counted()
    decode = pixels.decode

    def counting(*arguments: Any, **options: Any) -> Any:
        counted.done.append(f"decode {options['where']}")
        return decode(*arguments, **options)

    monkeypatch.setattr(fake, "FAMILY", counted.family)
    monkeypatch.setattr(pixels, "decode", counting)
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(cache))
    return counted


def weights(folder: Path, *names: str) -> list[str]:
    """Write checkpoint files with different bytes; they look as old as those of a finished training."""
    return [str(settled(folder / f"{name}.pt", name.encode())) for name in names]


def settled(file: Path, content: bytes | None = None) -> Path:
    """Make a file look like one that nobody is writing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if content is not None:
        file.write_bytes(content)
    os.utime(file, (time.time() - 60,) * 2)
    return file


def settled_task(folder: Path, name: str, **spoiled: Any) -> Task:
    """A task of 12 plain colours, whose file looks old."""
    folder.mkdir(parents=True, exist_ok=True)
    task = colors_task(folder, name=name, **spoiled)
    settled(folder / f"{name}.parquet")
    return task


def requests(model: str, files: Sequence[str], **more: Any) -> tuple[Request, ...]:
    """A request for each file."""
    return tuple(Request(model=f"fake:{model}", pretrained=file, **more) for file in files)
