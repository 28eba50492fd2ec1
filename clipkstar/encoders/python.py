"""A user's own encoder, python:package.module:factory; naming one runs the code of whoever wrote it.

The factory is called without arguments and returns an encoder as in clipkstar.encoder.Encoder, or what
open_clip.create_model_and_transforms and get_tokenizer give: a tuple (model, preprocess, tokenizer or None). A
`weights_sha256` of 64 hexadecimal digits on the encoder or the model names its weights; without it, work with it is
never taken for finished. It is called once per process.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from clipkstar.caching.file_hashes import file_sha256
from clipkstar.checkpoint import Checkpoint, Identity
from clipkstar.encoder import Family, Precision, Request
from clipkstar.encoders._from_factory import made, module_file, split
from clipkstar.encoders._in_memory import InMemoryEncoder, precision_of
from clipkstar.errors import InputError

if TYPE_CHECKING:
    from clipkstar.encoder import Encoder


def resolve(request: Request) -> Checkpoint:
    """Check the name; nothing is imported yet."""
    split(request.model)
    if request.pretrained or request.config_file or request.activation:
        raise InputError(
            f"'python:{request.model}' brings its own weights and config; "
            "leave --pretrained, --model-config and --activation out."
        )
    name = request.model
    return Checkpoint(family="python", model=name, pretrained="factory", lineage=f"python/{name}", source=name)


def identify(checkpoint: Checkpoint) -> Identity:
    """Call the factory; the weights are as it names them, the config is the source of its module."""
    encoder, weights_sha256 = made(checkpoint.source)
    file = module_file(checkpoint.source)
    source = file_sha256(file) if file and file.is_file() else ""
    return Identity(
        weights_sha256=weights_sha256,
        config_sha256=hashlib.sha256(f"{checkpoint.source} {encoder.geometry} {source}".encode()).hexdigest(),
        geometry=encoder.geometry,
    )


def load(checkpoint: Checkpoint, device: str, precision: Precision) -> Encoder:
    """Return what the factory made, a tuple's model moved to the device; an encoder chooses its own device.

    Raises InputError for another precision than the model's own: an encoder says it as `precision`, else it is fp32.
    """
    encoder, _ = made(checkpoint.source)
    if isinstance(encoder, InMemoryEncoder):
        own = precision_of(encoder.model)
        encoder.model.to(device)
    else:
        own = getattr(encoder, "precision", "fp32")
    if own != precision:
        raise InputError(
            f"'python:{checkpoint.model}' computes in {own}, and --precision is {precision}; "
            f"use --precision {own}, or convert the model in the factory."
        )
    return encoder


FAMILY = Family(
    name="python",
    version="1",
    summary="an encoder of your own, python:package.module:factory; runs that module's code",
    resolve=resolve,
    identify=identify,
    load=load,
    checkpoints=lambda: (),
    downloads=False,
)
