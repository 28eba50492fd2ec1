"""Anyone's embeddings and labels, from files. Nothing is ever unpickled."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from clipkstar.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.generic]

Part = Literal["embeddings", "labels"]

COLUMNS: dict[Part, str] = {"embeddings": "embedding", "labels": "label"}
"""How a table names what an archive of arrays calls by the part itself."""

CANONICAL_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
"""Text that is an integer and comes back as it was; 01 and +1 are names. (18 digits always fit into 64 bits.)"""


@dataclass(frozen=True, kw_only=True)
class LabelledEmbeddings:
    """Embeddings and labels as the files have them; that they fit together is for `clipkstar.kstar` to say.

    embeddings: numbers, (n_images, dim) if the file is right; those of a .npy file stay on disk, memory-mapped.
    labels: integers or strings, (n_images,) if the file is right. notices: sentences for the reader.
    """

    embeddings: Array
    labels: Array
    notices: tuple[str, ...] = ()


def read_labelled(embeddings_file: Path, labels_file: Path | None = None) -> LabelledEmbeddings:
    """Read embeddings, and their labels from a file of their own or else from the embeddings file.

    Raises InputError for a file that is missing, of an unknown kind, damaged, or without what it should hold.
    """
    embeddings = read_embeddings(embeddings_file)
    carried = _carries_labels(embeddings_file)
    if labels_file is not None:
        labels = read_labels(labels_file)
        notice = f"'{embeddings_file}' has labels too; those of '{labels_file}' are used."
        return LabelledEmbeddings(embeddings=embeddings, labels=labels, notices=(notice,) if carried else ())
    if not carried:
        raise InputError(f"'{embeddings_file}' has no labels; give them with --labels ({_or(LABEL_READERS)}).")
    return LabelledEmbeddings(embeddings=embeddings, labels=_read(embeddings_file, "labels", EMBEDDING_READERS))


def read_embeddings(file: Path) -> Array:
    """Read .npy (memory-mapped, read-only), `embeddings` of .npz or .safetensors, or column `embedding` of .parquet.

    Every number type is kept, but those that numpy lacks (bfloat16, float8) become float32, exactly.
    """
    return _read(file, "embeddings", EMBEDDING_READERS)


def read_labels(file: Path) -> Array:
    """Read .npy, a .txt of one label a line, or column `label` of .csv or .parquet.

    What text files hold is integers if every label is one as Python writes it, else strings.
    """
    return _read(file, "labels", LABEL_READERS)


def _read(file: Path, part: Part, readers: Mapping[str, Callable[[Path, Part], Array]]) -> Array:
    if not file.is_file():
        raise InputError(f"there is no {part} file '{file}'; check the path.")
    if file.suffix.lower() not in readers:
        raise InputError(f"the {part} file '{file}' is of no known kind; it needs to be {_or(readers)}.")
    return readers[file.suffix.lower()](file, part)


def _carries_labels(file: Path) -> bool:
    """Whether an embeddings file that could be read has labels beside the embeddings."""
    kind = file.suffix.lower()
    if kind == ".npz":
        return "labels" in _names_in_npz(file)
    if kind == ".safetensors":
        return "labels" in _names_in_safetensors(file)
    return kind == ".parquet" and COLUMNS["labels"] in _columns_of(file)


@contextmanager
def _readable(file: Path, part: Part, *kinds: type[BaseException]) -> Iterator[None]:
    """Turn what a library says about a damaged file into one sentence."""
    from tokenize import TokenError  # of numpy's parser of the header

    damages: tuple[type[BaseException], ...] = (OSError, EOFError, ValueError, TokenError, *kinds)
    try:
        yield
    except damages as error:
        reason = " ".join(str(error).split()).rstrip(".")
        if re.search("Python objects|Object arrays", reason):  # numpy's two refusals of pickled arrays
            raise InputError(
                f"the {part} of '{file}' are Python objects, which are never unpickled; "
                "save them as numbers or strings."
            ) from error
        raise InputError(f"the {part} of '{file}' cannot be read ({reason}); save them again.") from error


def _read_npy(file: Path, part: Part) -> Array:
    import numpy as np

    with _readable(file, part):
        return np.lib.format.open_memmap(file, mode="r")


def _read_npz(file: Path, part: Part) -> Array:
    import zipfile
    import zlib

    import numpy as np

    with _readable(file, part, zipfile.BadZipFile, zlib.error, RuntimeError):
        _require(part, _names_in_npz(file), file, part, "arrays")
        with zipfile.ZipFile(file) as archive, archive.open(f"{part}.npy") as stream:
            array: Array = np.lib.format.read_array(stream, allow_pickle=False)
            return array


def _names_in_npz(file: Path) -> list[str]:
    import zipfile

    with zipfile.ZipFile(file) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _read_safetensors(file: Path, part: Part) -> Array:
    from safetensors import SafetensorError, safe_open

    with _readable(file, part, SafetensorError, TypeError, AttributeError):  # the last two: types numpy has not
        _require(part, _names_in_safetensors(file), file, part, "arrays")
        with safe_open(file, framework="np") as tensors:
            stored: str = tensors.get_slice(part).get_dtype()
            if not stored.startswith(("BF", "F8")):
                array: Array = tensors.get_tensor(part)
                return array
        with safe_open(file, framework="pt") as tensors:
            widened: Array = tensors.get_tensor(part).float().numpy()
            return widened


def _names_in_safetensors(file: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(file, framework="np") as tensors:
        return list(tensors.keys())


def _read_parquet(file: Path, part: Part) -> Array:
    import polars as pl

    column = COLUMNS[part]
    with _readable(file, part, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        _require(column, _columns_of(file), file, part, "columns")
        values = pl.read_parquet(file, columns=[column], glob=False)[column]
    return _table_of(values, file) if part == "embeddings" else _labels_of(values, file)


def _columns_of(file: Path) -> list[str]:
    import polars as pl

    return pl.scan_parquet(file, glob=False).collect_schema().names()


def _table_of(rows: pl.Series, file: Path) -> Array:
    """Return a column of lists of numbers as an array (n_images, dim)."""
    import polars as pl

    inner = rows.dtype.inner if isinstance(rows.dtype, pl.List | pl.Array) else None
    if not isinstance(inner, pl.DataType) or not inner.is_numeric():
        raise InputError(
            f"the column '{rows.name}' of '{file}' is of type {rows.dtype}; it needs a list of numbers in each row."
        )
    lists = rows.cast(pl.List(inner)) if isinstance(rows.dtype, pl.Array) else rows
    unfit = lists.is_null() | lists.list.eval(pl.element().is_null()).list.any()
    if unfit.any():
        raise InputError(f"the embedding of row {unfit.arg_max()} of '{file}' is or holds a null; leave such rows out.")
    lengths = lists.list.len().to_list() or [0]
    row = next((row for row, length in enumerate(lengths) if length != lengths[0]), None)
    if row is not None:
        raise InputError(
            f"the embedding of row {row} of '{file}' has {lengths[row]} numbers and that of row 0 has {lengths[0]}; "
            "all need as many."
        )
    return lists.list.to_array(lengths[0]).to_numpy()


def _labels_of(values: pl.Series, file: Path) -> Array:
    """Return a column of labels as integers or strings; any other type as it is."""
    import polars as pl

    _require_all(values, file)
    if isinstance(values.dtype, pl.String | pl.Categorical | pl.Enum):
        return _strings(values.cast(pl.String).to_list())
    return values.to_numpy()


def _read_csv(file: Path, part: Part) -> Array:
    import polars as pl

    with _readable(file, part, pl.exceptions.PolarsError):
        table = pl.read_csv(file, infer_schema=False, glob=False)
        _require(COLUMNS[part], table.columns, file, part, "columns")
    labels = table[COLUMNS[part]].replace("", None)
    _require_all(labels, file)
    return _integers_or_strings(labels.to_list())


def _read_txt(file: Path, part: Part) -> Array:
    with _readable(file, part):
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")]
    if "" in lines:
        raise InputError(f"line {lines.index('') + 1} of '{file}' is blank; every image needs a label.")
    return _integers_or_strings(lines)


def _integers_or_strings(labels: list[str]) -> Array:
    import numpy as np

    if all(CANONICAL_INTEGER.fullmatch(label) for label in labels):
        return np.array(labels, dtype=str).astype(np.int64)
    return _strings(labels)


def _strings(labels: list[str]) -> Array:
    import numpy as np

    return np.array(labels, dtype=str)


def _require_all(labels: pl.Series, file: Path) -> None:
    if labels.null_count():
        raise InputError(f"row {labels.is_null().arg_max()} of '{file}' has no label; every image needs one.")


def _require(name: str, there: Sequence[str], file: Path, part: Part, noun: str) -> None:
    if name not in there:
        named = ", ".join(f"'{other}'" for other in there) or "none"
        raise InputError(f"'{file}' has the {noun} {named}; the {part} need to be '{name}'.")


def _or(kinds: Mapping[str, object]) -> str:
    *others, last = kinds
    return f"{', '.join(others)} or {last}"


EMBEDDING_READERS = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
    ".parquet": _read_parquet,
}
LABEL_READERS = {".npy": _read_npy, ".txt": _read_txt, ".csv": _read_csv, ".parquet": _read_parquet}
