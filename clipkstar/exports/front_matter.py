"""Front matter of a model card: YAML between two lines of dashes, before the prose; `model-index` is one key of it.

Every string is written so that readers of YAML 1.1 (PyYAML) and of YAML 1.2 (JavaScript's) take it for a string.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from clipkstar.errors import InputError

_Parts = tuple[str, str, str]
"""What stands before, in and after the YAML of a card."""

_Model = dict[str, Any]
"""A mapping as YAML gives it, such as that of a model with its results."""

MARK = "measured_by"
"""Argument of a data set in results of an export, which begins with one of SOURCES."""

SOURCES = ("clipkstar", "CLIP_benchmark")

KEY = "model-index"

SECTION = re.compile(rf"^{KEY}:[^\r\n]*(?:(?:\r?\n)+[ \t-][^\r\n]*)*", re.MULTILINE)
"""The key and what belongs to it, as YAML is mostly laid out: lines that are indented or begin with a dash."""

NUMBER_1_2 = re.compile(r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0o[0-7]+)\Z")
"""Numbers of YAML 1.2 that PyYAML takes for words, 1e3, 089, 0o7. Source: https://yaml.org/spec/1.2.2, section 10.3.2.
Its other numbers, booleans and nulls are some of YAML 1.1 as well, so that PyYAML quotes them by itself."""


def to_yaml(data: Mapping[str, object]) -> str:
    """Return the lines of a mapping, in its order."""
    import yaml

    text: str = yaml.dump(dict(data), Dumper=_reader_and_writer()[1], sort_keys=False, allow_unicode=True)
    return text


def is_card(path: Path) -> bool:
    """Whether a file has front matter; what cannot be read has not."""
    try:
        return _parts(path.read_bytes()) is not None
    except OSError:
        return False


def with_results(path: Path, made: bytes) -> bytes:
    """Return the card in a file with the model-index of `made`; all else stays byte for byte.

    Results that no export put there (by their MARK) stay beside the new ones. Raises InputError where the key is laid
    out so that it cannot be replaced alone.
    """
    card, new = _parts(path.read_bytes()), _parts(made)
    changed = _replaced(card, new) if card and new else None
    if changed is None:
        raise InputError(
            f"the {KEY} of '{path}' cannot be replaced without touching what stands around it; remove it there, or "
            "choose another file."
        )
    return changed.encode()


def _replaced(card: _Parts, new: _Parts) -> str | None:
    """Return a card with another's model-index; None where that reads back as anything but the same and the index."""
    import yaml

    head, old, tail = card
    try:
        before = _read(old)
        index = _merged(_read(new[1])[KEY], before.get(KEY) or [])
        line_end = "\r\n" if "\r\n" in head else "\n"
        section = to_yaml({KEY: index}).rstrip("\n").replace("\n", line_end)
        changed = SECTION.sub(lambda _: section, old, count=1) if KEY in before else f"{old}{line_end}{section}"
        is_safe = _read(changed) == before | {KEY: index}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError):
        return None
    return f"{head}{changed}{tail}" if is_safe else None


def _parts(content: bytes) -> _Parts | None:
    """Return what stands before, in and after the YAML of a card; None where there is no mapping."""
    import yaml
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    try:
        text = content.decode()
        start = len(text) - len(text.removeprefix("\ufeff"))
        found = REGEX_YAML_BLOCK.search(text[start:])
        if found is None:
            return None
        _read(found[2])
    except (TypeError, ValueError, yaml.YAMLError):  # ValueError: no UTF-8, or a date that is none
        return None
    return text[:start] + found[1], found[2], text[start + found.end(2) :]


def _merged(made: list[_Model], earlier: list[_Model]) -> list[_Model]:
    """Return new models with their results, and of earlier ones the results of others."""
    index = {model["name"]: model["results"] for model in made}
    for model in earlier:
        for result in model["results"]:
            if not str((result["dataset"].get("args") or {}).get(MARK, "")).startswith(SOURCES):
                index.setdefault(model["name"], []).append(result)
    return [{"name": name, "results": results} for name, results in index.items()]


def _read(text: str) -> _Model:
    """Return the mapping in a block of YAML, empty for nothing; raises TypeError where there is something else."""
    import yaml

    found = yaml.load(text, Loader=_reader_and_writer()[0])  # noqa: S506 - a safe one
    if not isinstance(found, dict | None):
        raise TypeError(f"{type(found)} is no mapping")
    return found or {}


@cache
def _reader_and_writer() -> tuple[type, type]:
    """PyYAML's, taking the numbers of YAML 1.2 for numbers; the writer quotes words that would be read so."""
    import yaml

    reader, writer = (type("Knowing", (base,), {}) for base in (yaml.SafeLoader, yaml.SafeDumper))
    first = [*"-+.0123456789"]
    yaml.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER_1_2, first, Loader=reader, Dumper=writer)
    return reader, writer
