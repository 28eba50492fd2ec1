"""Words in text files, one a line."""

from pathlib import Path

from clipkstar.errors import InputError


def read_lines(path: Path, noun: str) -> tuple[str, ...]:
    """Return the lines of a text file without the space around them, as the reference harnesses read them.

    A byte-order mark is no part of the first line. noun: what the lines are, for the message. Raises InputError for a
    file that cannot be read as UTF-8.
    """
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the {noun} cannot be read from '{path.name}' ({error}); check the file.") from error
