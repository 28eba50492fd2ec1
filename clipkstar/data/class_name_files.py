"""Class names in a file: a list in label order, or a mapping from what the data call a class."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from clipkstar.errors import InputError

WORDNET_ID = re.compile(r"n\d{8}")
"""What folders of the ImageNet family are called."""

MAPPING_LINE = re.compile(rf"([^\t]+)\t+([^\t]+)|({WORDNET_ID.pattern})\s+(.+)")
"""`name in the data<tab>class name`, or a WordNet id and the class name. No class name holds a tab."""


def class_names_of(file: Path, label_names: Sequence[str]) -> tuple[str, ...]:
    """Return the class names of a file in label order.

    label_names: what the data call their classes, such as subfolders, in label order; () = nothing.
    A JSON object and a text file whose first line is a MAPPING_LINE map label names to class names; any other text file
    and a JSON list are in label order already. Raises InputError for a file that cannot be read, and for a mapping that
    lacks a label name or has one more.
    """
    found = read_class_names(file)
    if isinstance(found, tuple):
        return found
    if not label_names:
        raise InputError(
            f"'{file.name}' maps names to class names, but the data have label numbers only; give one class name a "
            "line, in label order."
        )
    missing = [name for name in label_names if name not in found]
    if missing:
        raise InputError(
            f"'{file.name}' has no class name for '{missing[0]}' ({len(missing)} of {len(label_names)} classes of the "
            "data lack one); add it."
        )
    unknown = [name for name in found if name not in label_names]
    if unknown:
        raise InputError(
            f"'{file.name}' has a class name for '{unknown[0]}', which is no class of the data ({len(unknown)} of "
            f"{len(found)} are none); remove it."
        )
    return tuple(found[name] for name in label_names)


def read_class_names(file: Path) -> tuple[str, ...] | Mapping[str, str]:
    """Return what a file holds: class names in label order, or a mapping from names in the data to class names."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        found = json.loads(text, object_pairs_hook=_Pairs) if file.suffix.lower() == ".json" else text.splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"the class names cannot be read from '{file.name}' ({error}); check the file.") from error
    pairs = found if isinstance(found, _Pairs) else _pairs_of_lines(file, found)
    if pairs is None:
        return _list_of(file, found)
    keys = [key for key, _ in pairs]
    if not all(isinstance(name, str) for _, name in pairs):
        raise InputError(
            f"'{file.name}' maps '{keys[0]}' to {pairs[0][1]!r}; it needs {{name in the data: class name}}."
        )
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise InputError(f"'{file.name}' has two class names for '{twice[0]}'; remove one.")
    return dict(pairs)


class _Pairs(list[tuple[str, str]]):
    """A JSON object with its keys as often as they stand there."""


def _pairs_of_lines(file: Path, lines: object) -> list[tuple[str, str]] | None:
    """Return the pairs of a text file that maps, None of one that lists."""
    if not isinstance(lines, list) or not lines or file.suffix.lower() == ".json":
        return None
    matches = [MAPPING_LINE.fullmatch(line.strip()) for line in lines]
    if matches[0] is None:
        return None
    pairs = []
    for number, (line, match) in enumerate(zip(lines, matches, strict=True), start=1):
        if match is None:
            raise InputError(
                f"line {number} of '{file.name}' is '{line}'; after a first line with a name in the data and a class "
                "name each line needs both, with a tab between them."
            )
        pairs.append((match[1] or match[3], match[2] or match[4]))
    return pairs


def _list_of(file: Path, found: object) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise InputError(
            f"'{file.name}' holds no class names; it needs a list of names in label order, or {{name in the data: "
            "class name}."
        )
    return tuple(found)
