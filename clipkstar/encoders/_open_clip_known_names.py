"""What open_clip knows by name, remembered for its version: importing it takes seconds, naming a checkpoint none.

A process that has imported open_clip asks it, since configs may have been added there.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, cast

from clipkstar.caching.found_facts import recall_fact, remember_fact

REGISTRY_VERSION = "1"
"""Raised when what is remembered of open_clip changes."""

OWN = "clipkstar--"
"""How the names begin that configs of the user get in open_clip."""

Config = dict[str, Any]
"""A section of open_clip's JSON, whose keys differ from model to model."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """models: name → config of those that come with open_clip. tags: model → tag → its configuration, in open_clip's
    order. preprocess: what its evaluation transform does unless a config says otherwise.
    """

    models: Mapping[str, Config]
    tags: Mapping[str, Mapping[str, Config]]
    preprocess: Config


def built_in_models() -> list[str]:
    """Names of the models that come with open_clip."""
    if (known := _known()) is not None:
        return list(known.models)
    import open_clip

    return [name for name in open_clip.list_models() if not name.startswith(OWN)]


def model_config(name: str) -> Config | None:
    """Config of a model that open_clip knows; None = it knows none of that name, or one without its three parts."""
    if (known := _known()) is not None:
        return known.models.get(name)
    import open_clip

    config: Config | None = open_clip.get_model_config(name)
    return config


def tags_of(model: str) -> list[str]:
    """Tags of a model's weights, in open_clip's order."""
    if (known := _known()) is not None:
        return list(known.tags.get(model, ()))
    import open_clip

    tags: list[str] = open_clip.list_pretrained_tags_by_model(model)
    return tags


def tag_config(model: str, tag: str) -> Config:
    """Configuration that open_clip has of a tag; empty = it does not know the tag."""
    if (known := _known()) is not None:
        return known.tags.get(model, {}).get(tag.lower().replace("-", "_"), {})
    import open_clip

    config: Config = open_clip.get_pretrained_cfg(model, tag)
    return config


def pairs() -> list[tuple[str, str]]:
    """Every (model, tag) pair that open_clip knows."""
    if (known := _known()) is not None:
        return [(model, tag) for model, tags in known.tags.items() for tag in tags]
    import open_clip

    found: list[tuple[str, str]] = open_clip.list_pretrained()
    return found


def default_preprocess() -> Config:
    """What open_clip's evaluation transform does unless a config says otherwise."""
    if (known := _known()) is not None:
        return known.preprocess
    from open_clip.transform import PreprocessCfg

    return asdict(PreprocessCfg())


def _known() -> Registry | None:
    """Return what is remembered; None = ask open_clip, which is imported then."""
    if "open_clip" in sys.modules:
        return None
    recalled = _recalled(version("open_clip_torch"))
    if recalled is None:
        _remember(version("open_clip_torch"))
    return recalled


@cache
def _recalled(of_version: str) -> Registry | None:
    fact = recall_fact("names", [REGISTRY_VERSION, of_version])
    if fact is None:
        return None
    return Registry(
        models=cast("Mapping[str, Config]", fact["models"]),
        tags=cast("Mapping[str, Mapping[str, Config]]", fact["tags"]),
        preprocess=cast("Config", fact["preprocess"]),
    )


def _remember(of_version: str) -> None:
    import open_clip  # noqa: F401 - from here on it is asked

    tags: dict[str, dict[str, Config]] = {}
    for model, tag in pairs():
        tags.setdefault(model, {})[tag] = tag_config(model, tag)
    models = {name: model_config(name) for name in built_in_models()}
    registry = {"models": models, "tags": tags, "preprocess": default_preprocess()}
    remember_fact("names", [REGISTRY_VERSION, of_version], registry)
