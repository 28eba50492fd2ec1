"""From patterns of models and tags, as typed or in a plan, to the checkpoints meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.checkpoint import Activation
from clipkstar.data.source import natural_order
from clipkstar.discovery import FAMILIES, find
from clipkstar.encoder import Request
from clipkstar.encoders._weight_files import names_a_file
from clipkstar.errors import InputError, UnknownNameError
from clipkstar.selection import OPEN_CLIP_SCHEMES, select_checkpoint

if TYPE_CHECKING:
    from clipkstar.checkpoint import Checkpoint

BARE_FAMILIES = ("zoo", "open_clip")
"""Families whose models need no prefix."""


@dataclass(frozen=True, kw_only=True)
class CheckpointPatterns:
    """Models × tags or files, with * ? [] as in file names.

    model: names with their family prefix. pretrained: tags, or files; () = all tags of each model.
    model_config, activation: as in Request, for all of them.
    """

    model: tuple[str, ...]
    pretrained: tuple[str, ...] = ()
    model_config: str | None = None
    activation: Activation | None = None


def expand(patterns: CheckpointPatterns) -> list[Request]:
    """Return one request for each checkpoint meant, in the order of the patterns, each once; nothing is downloaded.

    Of several models and several tags those combinations are meant that there are. Raises InputError for a model or
    tag that means no checkpoint, with the nearest names where it is no pattern.
    """
    found: list[Request] = []
    used: set[str | None] = set()
    unknown: dict[str | None, UnknownNameError] = {}
    for model in patterns.model:
        for pretrained in patterns.pretrained or (None,):
            try:
                requests = [_with_config(request, patterns) for request in _requests(model, pretrained)]
            except UnknownNameError as error:
                unknown |= {model: error, pretrained: error}
                continue
            found += [request for request in requests if request not in found]
            used |= {model, pretrained} if requests else set()
    for option, given in (("--model", patterns.model), ("--pretrained", patterns.pretrained)):
        for pattern in given:
            if pattern not in used:
                raise unknown.get(pattern) or InputError(_nothing(option, pattern, patterns))
    return found


def distinct(requests: Iterable[Request]) -> tuple[Request, ...]:
    """Return the first request of each checkpoint: laion2b and laion2b_s34b_b79k mean one."""
    by_checkpoint: dict[tuple[str, Checkpoint], Request] = {}
    for request in requests:
        family, checkpoint = select_checkpoint(request)
        by_checkpoint.setdefault((family.name, replace(checkpoint, notice="")), request)
    return tuple(by_checkpoint.values())


def _with_config(request: Request, patterns: CheckpointPatterns) -> Request:
    whole = replace(request, config_file=patterns.model_config, activation=patterns.activation)
    select_checkpoint(whole)  # whatever is wrong with it is said before anything is computed
    return whole


def _nothing(option: str, pattern: str, patterns: CheckpointPatterns) -> str:
    others = patterns.pretrained if option == "--model" else patterns.model
    beside = f" together with {' or '.join(map(repr, others))}" if others else ""
    return f"{option} '{pattern}' means no checkpoint{beside}; 'clipkstar models' lists models and tags."


def _requests(model: str, pretrained: str | None) -> Iterator[Request]:
    """Requests of one pattern of models and one of tags or files; none where nothing fits."""
    if pretrained is not None and names_a_file(pretrained):
        if has_magic(model):
            raise InputError(f"--pretrained '{pretrained}' means files, so --model needs one name, not '{model}'.")
        for file in _files(pretrained):
            yield Request(model=model, pretrained=file)
        return
    known = _known(model)
    fitting = [each for each in known if fnmatchcase(each.pretrained, pretrained or "*")]
    for checkpoint in fitting:
        yield Request(model=_prefix(model) + checkpoint.model, pretrained=checkpoint.pretrained)
    # What no list has is left to its family: hf-hub:org/name, beginnings of tags, random weights.
    if not fitting and not has_magic(model) and not has_magic(pretrained or ""):
        yield Request(model=model, pretrained=pretrained)


def _files(pattern: str) -> list[str]:
    if not has_magic(pattern) or Path(pattern).is_file():
        return [pattern]
    matches = glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob refuses some patterns, and looks into hidden folders
    found = [file for file in matches if Path(file).is_file()]
    if not found:
        raise InputError(f"--pretrained '{pattern}' means no file; check the path.")
    return sorted(found, key=natural_order)


def _known(model: str) -> list[Checkpoint]:
    """Checkpoints in the lists of families whose model fits a pattern; those of the first family for a plain name."""
    if re.match(rf"({'|'.join(OPEN_CLIP_SCHEMES)}):", model):
        return []
    prefix = _prefix(model)
    found: list[Checkpoint] = []
    for name in [prefix.removesuffix(":")] if prefix else BARE_FAMILIES:
        listed = find(FAMILIES, name)[0].checkpoints()
        found += [each for each in listed if fnmatchcase(each.model, model.removeprefix(prefix))]
        if found and not has_magic(model):
            break
    return found


def _prefix(model: str) -> str:
    family, colon, _ = model.partition(":")
    return f"{family}:" if colon and family not in OPEN_CLIP_SCHEMES else ""
