"""What a user's own factory makes, checked against what the Encoder Protocol asks for."""

from __future__ import annotations

import importlib
import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.checkpoint import Geometry
from clipkstar.encoders._in_memory import InMemoryEncoder
from clipkstar.errors import InputError

if TYPE_CHECKING:
    from clipkstar.encoder import Encoder

ATTRIBUTES = ("geometry", "has_text", "logit_scale", "logit_bias")
NEEDED = "an encoder as in clipkstar.encoder.Encoder, or a tuple (model, preprocess, tokenizer or None)"


def split(name: str) -> tuple[str, str]:
    """Return "package.module" and "factory" of package.module:factory; raises InputError if it is none."""
    module, colon, factory = name.partition(":")
    if not colon or not factory.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise InputError(f"'python:{name}' names no factory; write python:package.module:factory.")
    return module, factory


@lru_cache(maxsize=1)
def made(name: str) -> tuple[Encoder, str | None]:
    """Call the factory once per process; return its encoder and the digest of its weights, None = not told.

    What identifies a checkpoint and what loads it both need the model; the last one made is kept for that.
    """
    product = _called(name)
    if isinstance(product, tuple):
        return _in_memory(name, product), _weights_sha256(name, product[0])
    missing = _missing(product)
    if missing:
        raise InputError(f"'python:{name}' returned a {type(product).__name__} without {missing}; return {NEEDED}.")
    encoder: Encoder = product  # type: ignore[assignment]
    if not isinstance(encoder.geometry, Geometry | None):
        raise InputError(
            f"'python:{name}' returned an encoder whose geometry is a {type(encoder.geometry).__name__}; "
            "it needs clipkstar.checkpoint.Geometry or None."
        )
    return encoder, _weights_sha256(name, product)


def _missing(product: object) -> str:
    """Name the first part of the Protocol that an object lacks; prompts and preprocessing only where it needs them."""
    lacking = [attribute for attribute in ATTRIBUTES if not hasattr(product, attribute)]
    methods = ["encode_images"]
    if getattr(product, "has_text", True):
        methods.append("encode_texts")
    if getattr(product, "geometry", None) is None:
        methods.append("preprocess")
    return next(iter([*lacking, *(name for name in methods if not callable(getattr(product, name, None)))]), "")


def module_file(name: str) -> Path | None:
    """Source file of the module that holds the factory, once it was imported; None = it has none."""
    file = getattr(sys.modules.get(split(name)[0]), "__file__", None)
    return Path(file) if file else None


def _called(name: str) -> object:
    module_name, factory_name = split(name)
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.append(str(Path.cwd()))  # for good: the module may import its neighbours later
        importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # the module is the user's: whatever it raises is said in one sentence
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise InputError(
                f"there is no module '{error.name}' for 'python:{name}', neither installed nor in the current folder; "
                "correct the name or change the folder."
            ) from error
        raise InputError(f"the module of 'python:{name}' cannot be imported ({_reason(error)}); correct it.") from error
    if not hasattr(module, factory_name):
        raise InputError(f"the module '{module_name}' has no '{factory_name}'; name a function in it.")
    factory = getattr(module, factory_name)
    if not callable(factory):
        raise InputError(
            f"'python:{name}' is of type {type(factory).__name__}, which cannot be called; name a function without "
            f"arguments that returns {NEEDED}."
        )
    try:
        product: object = factory()
    except (Exception, SystemExit) as error:
        raise InputError(f"'python:{name}' failed when called ({_reason(error)}); correct it.") from error
    return product


def _in_memory(name: str, product: tuple[object, ...]) -> InMemoryEncoder:
    import torch

    kinds = ", ".join(type(part).__name__ for part in product)
    if len(product) != 3:
        raise InputError(f"'python:{name}' returned ({kinds}), {len(product)} things instead of 3; return {NEEDED}.")
    model, preprocess, tokenizer = product
    if not isinstance(model, torch.nn.Module) or not hasattr(model, "encode_image"):
        raise InputError(f"'python:{name}' returned ({kinds}), and its model has no encode_image; return {NEEDED}.")
    if not callable(preprocess) or not (tokenizer is None or callable(tokenizer)):
        raise InputError(f"'python:{name}' returned ({kinds}), not all of which can be called; return {NEEDED}.")
    return InMemoryEncoder(model=model, transform=preprocess, tokenize=tokenizer)


def _weights_sha256(name: str, product: object) -> str | None:
    digest = getattr(product, "weights_sha256", None)
    if digest is not None and not (isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)):
        raise InputError(f"'python:{name}' has the weights_sha256 {digest!r}; it needs 64 hexadecimal digits, or none.")
    return digest


def _reason(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
