"""From stores to a file for other programs: gather, write in the format, put it in its place whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipkstar.errors import InputError
from clipkstar.exports.clip_benchmark import as_long_csv, is_own_long_csv
from clipkstar.exports.files import check_place, write_whole
from clipkstar.exports.front_matter import is_card, with_results
from clipkstar.exports.gathering import Choice, gather
from clipkstar.exports.model_index import as_model_index
from clipkstar.exports.result import Exported, Result
from clipkstar.exports.wide_table import as_csv, as_parquet, is_own_csv, is_own_parquet

FormatName = Literal["model-index", "clip-benchmark", "csv", "parquet"]

Tell = Callable[[str], None]
"""Takes one sentence for the reader."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """One kind of file.

    write: results → content. is_own: whether a file may be changed. into: a file that is there, content → its new
    content; None = it is replaced. is_text: stdout takes it.
    """

    write: Callable[[Sequence[Result]], Exported]
    is_own: Callable[[Path], bool]
    into: Callable[[Path, bytes], bytes] | None = None
    is_text: bool = True


FORMATS: Mapping[FormatName, Format] = {
    "model-index": Format(write=as_model_index, is_own=is_card, into=with_results),
    "clip-benchmark": Format(write=as_long_csv, is_own=is_own_long_csv),
    "csv": Format(write=as_csv, is_own=is_own_csv),
    "parquet": Format(write=as_parquet, is_own=is_own_parquet, is_text=False),
}


def make_export(
    places: Sequence[Path], *, format_name: FormatName, out: Path | None, choice: Choice, tell: Tell
) -> str | None:
    """Write the results of some places to a file, or return its text where there is none.

    places, choice: as gathering.gather takes them. out: new, or an earlier export of that format, which is replaced;
    of a model card the model-index alone is.
    tell: gets every sentence on what is left out. Raises InputError where something cannot be used or the file cannot
    be written; then nothing is.
    """
    chosen = FORMATS[format_name]
    if out is not None:
        check_place(out, f"earlier export as {format_name}" if chosen.into is None else "model card", chosen.is_own)
    elif not chosen.is_text:
        raise InputError(f"{format_name} is no text for a terminal; name a file with --out.")
    results, notices = gather(places, choice)
    exported = chosen.write(results)
    if out is not None:
        write_whole(out, chosen.into(out, exported.content) if chosen.into and out.exists() else exported.content)
    for sentence in (*notices, *exported.notices):
        tell(sentence)
    return exported.content.decode() if out is None else None
