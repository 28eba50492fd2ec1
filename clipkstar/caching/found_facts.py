"""Small facts that took long to find out, kept in the cache as JSON. A damaged one is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from clipkstar.caching.folder import cache_folder, write_whole

Kind = Literal["openings", "identities", "names"]
"""openings: what opened data sets held. identities: hashes of checkpoints. names: what open_clip knows by name."""


def recall_fact(kind: Kind, key: object) -> dict[str, object] | None:
    """Return what was kept under a key; None where there is nothing or its file is damaged.

    key: all that the fact depends on, as JSON has it.
    """
    try:
        digest, _, text = _place(kind, key).read_text(encoding="utf-8").partition("\n")
        if digest != _sha256(text):
            return None
        fact = json.loads(text)
    except (OSError, ValueError):
        return None
    return fact if isinstance(fact, dict) else None


def remember_fact(kind: Kind, key: object, fact: Mapping[str, object]) -> None:
    """Keep a fact for the next time; a cache folder that cannot be written only costs time."""
    text = json.dumps(fact)
    with suppress(OSError):
        write_whole(_place(kind, key), f"{_sha256(text)}\n{text}".encode())


def _place(kind: Kind, key: object) -> Path:
    return cache_folder() / kind / f"{_sha256(json.dumps(key, sort_keys=True))}.json"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
