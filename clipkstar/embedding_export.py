"""Embeddings of a task in one file, for use elsewhere: .safetensors, .npz or .parquet.

Arrays                          .safetensors, .npz   .parquet
(n_images, dim) float32         embeddings           column embedding
(n_images,) int64               labels, rows         columns label, row
(n_images,) int64, if known     subgroups            column subgroup
(n_classes, dim) float32        class_embeddings     in the record, base64 of little-endian float32
The record, an ExportRecord as JSON, is text under the key `clipkstar`: of the metadata of .safetensors and .parquet, an
array of one string in .npz. `clipkstar kstar FILE` reads all three.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipkstar.errors import InputError
from clipkstar.run import to_json
from clipkstar.store import try_to_write

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.embeddings import Embeddings

KEY = "clipkstar"
"""Where the record stands, which also tells a file of ours from another."""


@dataclass(frozen=True, kw_only=True)
class ExportRecord:
    """What stands beside the arrays.

    clipkstar: its version. about: where they come from, such as the task, the checkpoint and the fingerprint.
    class_names, logit_scale, logit_bias: as in Embeddings. class_embeddings: only where the file has no place for
    arrays but the rows'.
    """

    clipkstar: str
    about: Mapping[str, str]
    class_names: tuple[str, ...]
    logit_scale: float
    logit_bias: float | None
    class_embeddings: str | None = None


def check_place(path: Path) -> None:
    """Raise InputError if embeddings cannot go there; nothing is created. An earlier export is replaced."""
    if path.suffix.lower() not in WRITERS:
        raise InputError(f"the file '{path}' is of no known kind; embeddings need one of {', '.join(WRITERS)}.")
    if ":/" in str(path):
        raise InputError(f"'{path}' is an address; embeddings need a file of this machine.")
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; embeddings need a file.")
    if path.exists() and not _is_ours(path):
        raise InputError(f"the file '{path}' is no earlier output of embed; choose another or move it away.")
    try:
        try_to_write(path.parent)
    except OSError as error:
        raise InputError(f"the folder '{path.parent}' cannot be written; choose another.") from error


def write(path: Path, embeddings: Embeddings, about: Mapping[str, str]) -> None:
    """Write or replace a file of embeddings; it is never seen in part.

    about: what the record says of them. Raises InputError as `check_place`, and where the disk takes no more.
    """
    check_place(path)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[path.suffix.lower()](unfinished, embeddings, about)
        unfinished.replace(path)
    except OSError as error:
        raise InputError(f"the embeddings cannot be written to '{path}' ({error}); choose another place.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _record(embeddings: Embeddings, about: Mapping[str, str], class_embeddings: str | None = None) -> str:
    from importlib.metadata import version

    return to_json(
        ExportRecord(
            clipkstar=version("clipkstar"),
            about=dict(about),
            class_names=embeddings.class_names,
            logit_scale=embeddings.logit_scale,
            logit_bias=embeddings.logit_bias,
            class_embeddings=class_embeddings,
        ),
        indent=0,
    )


def _arrays(embeddings: Embeddings) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any] | None] = {
        "embeddings": embeddings.images,
        "labels": embeddings.labels,
        "rows": embeddings.rows,
        "subgroups": embeddings.subgroups,
        "class_embeddings": embeddings.classes,
    }
    return {name: array for name, array in found.items() if array is not None}


def _write_safetensors(path: Path, embeddings: Embeddings, about: Mapping[str, str]) -> None:
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(array) for name, array in _arrays(embeddings).items()}
    try:
        save_file(arrays, path, metadata={KEY: _record(embeddings, about)})
    except SafetensorError as error:  # also what a full disk raises
        raise OSError(str(error)) from error


def _write_npz(path: Path, embeddings: Embeddings, about: Mapping[str, str]) -> None:
    import numpy as np

    everything: dict[str, Any] = {**_arrays(embeddings), KEY: np.array(_record(embeddings, about))}
    with path.open("wb") as file:  # a path would get a second .npz
        np.savez(file, **everything)


def _write_parquet(path: Path, embeddings: Embeddings, about: Mapping[str, str]) -> None:
    import polars as pl

    classes = embeddings.classes
    encoded = None if classes is None else base64.b64encode(classes.astype("<f4").tobytes()).decode()
    dim = embeddings.images.shape[1]
    columns: dict[str, NDArray[np.int64]] = {"row": embeddings.rows, "label": embeddings.labels}
    if embeddings.subgroups is not None:
        columns["subgroup"] = embeddings.subgroups
    table = pl.DataFrame(
        {**columns, "embedding": embeddings.images},
        schema={**dict.fromkeys(columns, pl.Int64), "embedding": pl.Array(pl.Float32, dim)},
    )
    try:
        table.write_parquet(path, metadata={KEY: _record(embeddings, about, encoded)})
    except pl.exceptions.PolarsError as error:
        raise OSError(str(error)) from error


def _is_ours(path: Path) -> bool:
    """Whether a file carries a record; what cannot be read does not."""
    import zipfile

    import polars as pl
    from safetensors import SafetensorError, safe_open

    kind = path.suffix.lower()
    try:
        if kind == ".safetensors":
            with safe_open(path, framework="np") as tensors:
                return KEY in (tensors.metadata() or {})
        if kind == ".npz":
            with zipfile.ZipFile(path) as archive:
                return f"{KEY}.npy" in archive.namelist()
        return KEY in pl.read_parquet_metadata(path)
    except (OSError, ValueError, SafetensorError, zipfile.BadZipFile, pl.exceptions.PolarsError):
        return False


WRITERS: Mapping[str, Callable[[Path, Embeddings, Mapping[str, str]], None]] = {
    ".safetensors": _write_safetensors,
    ".parquet": _write_parquet,
    ".npz": _write_npz,
}
