"""What decides a checkpoint's embeddings, known again without importing its family's packages or reading its files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING, cast

from clipkstar.caching.file_states import file_states
from clipkstar.caching.found_facts import recall_fact, remember_fact
from clipkstar.checkpoint import Geometry, Identity
from clipkstar.hub_commits import is_newest, is_of_cache
from clipkstar.versions import version

if TYPE_CHECKING:
    from clipkstar.checkpoint import Checkpoint
    from clipkstar.encoder import Family

IDENTITY_VERSION = "1"
"""Raised when what is remembered of an identity changes."""

PACKAGES = ("clipkstar", "open_clip_torch", "timm", "transformers")
"""Their code makes configs of names, and hashes of configs."""


def identify(family: Family, checkpoint: Checkpoint) -> Identity:
    """Ask the family, which hashes weights and config and downloads what is not cached; remember its answer.

    What is to be loaded is identified so: a load takes the files as they are now. Raises InputError for what is
    damaged or gone, UnreachableError for what is neither cached nor reachable.
    """
    started = time.time()
    identity = family.identify(checkpoint)
    if identity.files:
        with suppress(OSError):
            _remember(identity, _key(family, checkpoint), started)
    return identity


def known_identity(family: Family, checkpoint: Checkpoint) -> Identity | None:
    """Return what `identify` found, as long as the files are what they were; None = it has to be asked.

    Nothing is downloaded and no model's package imported; of a repository of the hub one request asks whether its
    newest commit is still that of the files.
    """
    fact = recall_fact("identities", _key(family, checkpoint))
    if fact is None:
        return None
    identity = _identity(fact)
    try:
        unchanged = file_states(map(Path, identity.files)).digest == fact["states"]
    except OSError:
        return None
    return identity if unchanged and all(is_newest(Path(file)) for file in identity.files) else None


def _remember(identity: Identity, key: list[object], started: float) -> None:
    files = [Path(file) for file in identity.files]
    if file_states(file for file in files if not is_of_cache(file)).settled_before(started):
        remember_fact("identities", key, asdict(identity) | {"states": file_states(files).digest})


def _key(family: Family, checkpoint: Checkpoint) -> list[object]:
    """All that an identity depends on beside files; not how the user came to name the checkpoint."""
    named = {name: value for name, value in asdict(checkpoint).items() if name not in ("summary", "notice")}
    return [IDENTITY_VERSION, family.name, family.version, named, [_version(package) for package in PACKAGES]]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _identity(fact: Mapping[str, object]) -> Identity:
    geometry = cast("dict[str, object] | None", fact["geometry"])
    return Identity(
        weights_sha256=cast("str | None", fact["weights_sha256"]),
        config_sha256=str(fact["config_sha256"]),
        geometry=None if geometry is None else _geometry(geometry),
        activation=str(fact["activation"]),
        files=tuple(cast("list[str]", fact["files"])),
    )


def _geometry(found: dict[str, object]) -> Geometry:
    height, width = cast("list[int]", found["size"])
    return Geometry(**cast("dict[str, str]", found) | {"size": (height, width)})  # type: ignore[arg-type]
