"""Where a check leaves its findings: files that were asked for, and what the service that runs it offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.errors import InputError
from clipkstar.regression.annotations import annotations as annotation_lines
from clipkstar.regression.junit import junit
from clipkstar.regression.summary import summary
from clipkstar.store import try_to_write
from clipkstar.whole_files import write_whole

if TYPE_CHECKING:
    from clipkstar.regression.record import Check

WRITERS: Mapping[str, Callable[[Check], str]] = {"--junit": junit, "--summary": summary}
"""Option → what its file holds."""


def check_places(files: Mapping[str, Path | None], *, inputs: Sequence[Path] = ()) -> None:
    """Raise InputError for a file that cannot be written, before anything is computed; nothing is created.

    files: option of WRITERS → its file, None = not wanted. inputs: what the check reads, which none may replace.
    """
    read = {path.resolve() for path in inputs}
    for option, path in _wanted(files):
        if path.resolve() in read:
            raise InputError(f"{option} names '{path}', which the check reads; give it a file of its own.")
        with _said(option, path):
            if path.exists() and not path.is_file():  # a device would be replaced by the file
                raise InputError(f"'{path}' is {'a folder' if path.is_dir() else 'no file'}; {option} needs a file.")
            try_to_write(path.parent)
    places = [path.resolve() for _, path in _wanted(files)]
    if len(set(places)) < len(places):
        raise InputError(f"--junit and --summary name the same file '{files['--junit']}'; give each its own.")


def write_files(check: Check, files: Mapping[str, Path | None]) -> None:
    """Write the files that were asked for, or replace them; none is ever seen in part."""
    for option, path in _wanted(files):
        write_to = partial(Path.write_text, data=WRITERS[option](check), encoding="utf-8")
        with _said(option, path):
            write_whole(path, write_to)


def tell_service(check: Check, surroundings: Mapping[str, str]) -> list[str]:
    """Append the summary to what GitHub shows of a step; return lines for its log and sentences on what did not work.

    surroundings: environment variables; without those that GitHub sets nothing is done.
    """
    said = []
    if place := surroundings.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(place).open("a", encoding="utf-8") as file:
                file.write(f"{summary(check)}\n")
        except OSError as error:
            said.append(f"clipkstar: GITHUB_STEP_SUMMARY, '{place}', cannot be written ({error.strerror}).")
    return [*said, *(annotation_lines(check) if surroundings.get("GITHUB_ACTIONS") == "true" else [])]


def _wanted(files: Mapping[str, Path | None]) -> Iterator[tuple[str, Path]]:
    for option, path in files.items():
        if path is not None:
            yield option, path


@contextmanager
def _said(option: str, path: Path) -> Iterator[None]:
    """Turn what the system says of a file into a sentence."""
    try:
        yield
    except OSError as error:
        raise InputError(f"'{path}' cannot be written ({error.strerror}); choose another with {option}.") from error
