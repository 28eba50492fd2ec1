"""From the names that a user types to a checkpoint of open_clip, without a download."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clipkstar.checkpoint import Checkpoint
from clipkstar.encoder import Request
from clipkstar.encoders._open_clip_activations import activation_of_config, activation_of_tag
from clipkstar.encoders._open_clip_files import CONFIG_FILE, RANDOM, configured, scheme_of
from clipkstar.encoders._open_clip_known_names import built_in_models, pairs, tag_config, tags_of
from clipkstar.encoders._random_weights import random_notice
from clipkstar.encoders._weight_files import WEIGHT_SUFFIXES, existing_file, names_a_file, training_run
from clipkstar.errors import InputError, UnknownNameError

ASSUMED = {
    "resize_mode": "resize mode {}",
    "interpolation": "{} interpolation",
    "mean": "the mean of OpenAI",
    "std": "the std of OpenAI",
}
"""Parts of a preprocess_cfg → how open_clip's own value for them is called."""

TAG_ALIASES = {"laion2b": "laion2b_s"}
"""Short names people type → beginning of the tag of the fully trained weights (laion2b_s34b_b79k, not laion2b_e16)."""


def resolve(request: Request) -> Checkpoint:
    """Find the model and the tag, file or folder meant; raises InputError with the nearest names. Downloads nothing."""
    checkpoint = _resolve(request)
    if request.activation is None:
        return checkpoint
    notice = f"{request.activation} is the activation, as asked."
    return replace(checkpoint, activation=request.activation, notice=f"{checkpoint.notice} {notice}".strip())


def _resolve(request: Request) -> Checkpoint:
    scheme = scheme_of(request.model)
    if scheme:
        return _resolve_scheme(request, scheme)
    if request.config_file is None and request.model not in built_in_models():
        raise UnknownNameError("model", request.model, built_in_models(), lister="clipkstar models")
    if request.pretrained == "random":
        return _resolve_random(request)
    if request.pretrained and names_a_file(request.pretrained):
        return _resolve_file(request, existing_file(request.pretrained))
    if request.config_file:
        raise InputError(
            f"'{request.config_file}' describes an architecture of your own, which has no tags; "
            "give --pretrained the checkpoint file."
        )
    return _resolve_tag(request)


def _resolve_scheme(request: Request, scheme: str) -> Checkpoint:
    if request.pretrained or request.config_file:
        raise InputError(f"a {scheme} model brings its own weights; leave --pretrained and --model-config out.")
    place = request.model.removeprefix(scheme)
    if scheme == "local-dir:":
        if not (Path(place) / CONFIG_FILE).is_file():
            raise InputError(f"'{place}' has no {CONFIG_FILE}, which {scheme} needs; check the path.")
        model = Path(place).resolve().name
    elif place.count("/") != 1:
        raise InputError(f"'{request.model}' names no hub repository; write hf-hub:org/name.")
    else:
        model = place
    tag = scheme.removesuffix(":")
    return Checkpoint(family="open_clip", model=model, pretrained=tag, lineage=f"{tag}/{model}", source=request.model)


def _resolve_random(request: Request) -> Checkpoint:
    return Checkpoint(
        family="open_clip",
        model=request.model,
        pretrained="random",
        lineage=f"random/{request.model}",
        source=RANDOM,
        config_file=request.config_file,
        notice=random_notice(request.model),
    )


def _resolve_file(request: Request, path: Path) -> Checkpoint:
    if path.suffix not in WEIGHT_SUFFIXES:
        raise InputError(f"'{path.name}' has no known checkpoint suffix; it needs one of {', '.join(WEIGHT_SUFFIXES)}.")
    found = Checkpoint(
        family="open_clip",
        model=request.model,
        pretrained=path.stem,
        lineage=f"{request.model}/{training_run(path, path.stem)}",
        source=str(path),
        config_file=request.config_file,
        activation=request.activation,
    )
    return replace(found, notice=_taken_for_granted(found, path.name))


def _taken_for_granted(checkpoint: Checkpoint, file: str) -> str:
    """Say what neither the file of weights nor the user tells of the training; "" = the user tells all of it."""
    config = configured(checkpoint)
    taken = []
    if checkpoint.activation is None and not (checkpoint.config_file and "quick_gelu" in config.model_config):
        taken.append(f"the activation {activation_of_config(config.model_config, None)}")
    for key, words in ASSUMED.items():
        if config.overlay.get(key) is None:
            taken.append(words.format(config.preprocess[key]))
    if not taken:
        return ""
    return (
        f"'{file}' does not say how it was trained: taken are {', '.join(taken)}; --activation and a --model-config "
        "with quick_gelu and preprocess_cfg say otherwise."
    )


def _resolve_tag(request: Request) -> Checkpoint:
    tags = tags_of(request.model)
    if not tags:
        raise InputError(f"open_clip has no weights for '{request.model}'; give --pretrained a checkpoint file.")
    if not request.pretrained:
        raise InputError(f"'{request.model}' needs --pretrained: {', '.join(tags)}, or a checkpoint file.")
    tag = match_tag(request.model, request.pretrained, tags)
    activation_of_tag(request.model, tag, request.activation)
    notice = "" if tag == request.pretrained else f"'{request.pretrained}' is taken to mean '{tag}'."
    return replace(checkpoint_of_tag(request.model, tag), notice=notice)


def match_tag(model: str, wanted: str, tags: Sequence[str]) -> str:
    """Return the tag meant: the exact one, else an alias, else the only one that begins so; raises InputError."""
    cleaned = wanted.lower().replace("-", "_")
    if cleaned in tags:
        return cleaned
    for start in (TAG_ALIASES.get(cleaned), cleaned):
        candidates = [tag for tag in tags if start and tag.startswith(start)]
        if len(candidates) == 1:
            return candidates[0]
    begins = [tag for tag in tags if tag.startswith(cleaned)]
    if begins:
        raise InputError(f"'{wanted}' may mean {' or '.join(begins)} of '{model}'; write one of them out.")
    raise UnknownNameError(f"'{model}' tag", wanted, tags, lister=f"clipkstar models {model}")


def checkpoint_of_tag(model: str, tag: str) -> Checkpoint:
    """Return the checkpoint of a (model, tag) pair that open_clip knows."""
    weights = tag_config(model, tag)
    return Checkpoint(
        family="open_clip",
        model=model,
        pretrained=tag,
        lineage=f"{model}/{re.sub(r'_e[0-9]+$', '', tag)}",
        summary=str(weights.get("hf_hub") or weights.get("url")).rstrip("/"),
    )


def checkpoints() -> tuple[Checkpoint, ...]:
    """Every (model, tag) pair that open_clip knows."""
    return tuple(checkpoint_of_tag(model, tag) for model, tag in pairs())
