"""What was computed once and can be computed again, by what decides it, never by name. A damaged entry is no entry."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clipkstar.caching.folder import cache_folder, writable_folder, write_whole
from clipkstar.caching.room import GB, bound_bytes, make_room
from clipkstar.notices import notice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

Kind = Literal["classes", "images", "indexes"]
"""classes: class embeddings. images: image embeddings. indexes: labels and hashes of streamed data sets."""

DIGEST = "sha256"


def recall(kind: Kind, key: str) -> Arrays | None:
    """Return the arrays that were kept under the key; None where there are none.

    A damaged file is told of by a notice and removed.
    """
    from safetensors import SafetensorError, safe_open

    path = _place(kind, key)
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
            is_whole = (file.metadata() or {}).get(DIGEST) == _digest(arrays)
    except OSError:
        return None
    except SafetensorError:
        is_whole = False
    with suppress(OSError):
        if is_whole:
            os.utime(path)  # what was used last goes last
        else:
            path.unlink()
    if is_whole:
        return arrays
    notice(f"the entry {key[:12]} of the {kind} in the cache is damaged; it is made again.")
    return None


def remember(kind: Kind, key: str, arrays: Arrays) -> None:
    """Keep arrays under the key for the next time; a cache folder that cannot be written only costs time.

    Image embeddings that have no room in the cache are told of by a notice. Raises InputError for a bad
    $CLIPKSTAR_CACHE_GB.
    """
    import numpy as np
    from safetensors.numpy import save

    ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}  # save takes memory as it lies
    content = save(ordered, metadata={DIGEST: _digest(ordered)})
    try:
        if kind == "images":
            writable_folder(kind)
            if not make_room(len(content)):
                notice(
                    f"image embeddings ({len(content) / GB:.3g} GB) have no room in the cache ({bound_bytes() / GB:g} "
                    "GB by $CLIPKSTAR_CACHE_GB, less where the disk is full) and are not kept."
                )
                return
        write_whole(_place(kind, key), content)
    except OSError as error:
        if kind == "images":
            notice(f"image embeddings cannot be kept in {cache_folder()} ({error.strerror or error}).")


def _place(kind: Kind, key: str) -> Path:
    return cache_folder() / kind / f"{key}.safetensors"


def _digest(arrays: Arrays) -> str:
    import numpy as np

    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(arrays[name].reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
