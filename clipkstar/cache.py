"""What was computed once and can be computed again, by what decides it, never by name. A damaged entry is no entry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clipkstar.cache_folder import cache_folder, write_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

Kind = Literal["classes", "indexes"]
"""classes: class embeddings. indexes: labels and hashes of streamed data sets."""

DIGEST = "sha256"


def recall(kind: Kind, key: str) -> Arrays | None:
    """Return the arrays that were kept under the key; None where there are none or their file is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(_place(kind, key), framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
            digest = (file.metadata() or {}).get(DIGEST)
    except (OSError, SafetensorError):
        return None
    return arrays if digest == _digest(arrays) else None


def remember(kind: Kind, key: str, arrays: Arrays) -> None:
    """Keep arrays under the key for the next time; a cache folder that cannot be written only costs time."""
    from safetensors.numpy import save

    with suppress(OSError):
        write_whole(_place(kind, key), save(dict(arrays), metadata={DIGEST: _digest(arrays)}))


def _place(kind: Kind, key: str) -> Path:
    return cache_folder() / kind / f"{key}.safetensors"


def _digest(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return digest.hexdigest()
