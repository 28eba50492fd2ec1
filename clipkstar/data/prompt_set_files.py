"""Prompt sets in a JSON file: prompts written out for each class, or several named sets."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import cast

from clipkstar.errors import InputError, UnknownNameError
from clipkstar.task import PromptSet

KEYS = ("name", "class_names", "templates", "by_class")


def read_prompt_set(path: Path, name: str | None) -> PromptSet:
    """Return the prompt set of a file.

    {class name: [prompt, …]} is one set, named after the file; a list of objects with KEYS holds several, of which
    `name` chooses one (None = there is one only). Raises InputError for anything else, for keys that are not known or
    occur twice, and for a set that says nothing.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_unique)
    except (OSError, ValueError) as error:
        raise InputError(f"the prompts cannot be read from '{path.name}' ({error}); check the file.") from error
    if isinstance(found, dict):
        return PromptSet(name=path.stem, by_class=_by_class(path, found))
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise InputError(
            f"'{path.name}' holds no prompts; it needs {{class name: [prompt, …]}}, or a list of objects with "
            f"{', '.join(KEYS)}."
        )
    sets = [_set_of(path, entry) for entry in found]
    named = {known.name: known for known in sets}
    if len(named) < len(sets):
        twice = next(key for key, count in Counter(known.name for known in sets).items() if count > 1)
        raise InputError(f"'{path.name}' has two prompt sets named '{twice}'; rename one.")
    if name is None and len(sets) == 1:
        return sets[0]
    if name is None:
        raise InputError(f"'{path.name}' holds the prompt sets {', '.join(named)}; write --prompts {path.name}:NAME.")
    if name not in named:
        raise UnknownNameError("prompt set", name, named)
    return named[name]


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; ValueError where a key occurs twice."""
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if twice:
        raise ValueError(f"'{twice[0]}' occurs twice")
    return dict(pairs)


def _set_of(path: Path, entry: dict[str, object]) -> PromptSet:
    unknown = [key for key in entry if key not in KEYS]
    if unknown:
        raise InputError(
            f"a prompt set in '{path.name}' has '{unknown[0]}', it may have {', '.join(KEYS)}; correct it."
        )
    name, by_class = entry.get("name"), entry.get("by_class", {})
    if not isinstance(name, str) or not name:
        raise InputError(f"a prompt set in '{path.name}' has no name; give it one.")
    if not entry.keys() - {"name"}:
        raise InputError(
            f"the prompt set '{name}' in '{path.name}' says nothing; it needs one of {', '.join(KEYS[1:])}."
        )
    if not isinstance(by_class, dict):
        raise InputError(f"the prompt set '{name}' in '{path.name}' needs {{class name: [prompt, …]}} as by_class.")
    return PromptSet(
        name=name,
        class_names=_texts(path, name, entry["class_names"]) if "class_names" in entry else None,
        templates=_texts(path, name, entry.get("templates", [])),
        by_class=_by_class(path, by_class),
    )


def _by_class(path: Path, given: dict[str, object]) -> dict[str, tuple[str, ...]]:
    return {name: _texts(path, name, texts) for name, texts in given.items()}


def _texts(path: Path, name: str, given: object) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise InputError(f"'{path.name}' has {given!r} for '{name}'; it needs a list of sentences.")
    return tuple(cast("list[str]", given))
