"""Values of a policy in TOML, each checked, so that a wrong one is told in words of ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from clipkstar.errors import InputError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a policy. where: what it is called in an error, such as `the policy 'gate.toml' in [scores.top1]`."""

    where: str
    values: Mapping[str, object]
    name: str = ""


NUMBERS: Mapping[str, tuple[Callable[[float], bool], str]] = {
    "alpha": (lambda value: 0 < value < 0.5, "a number above 0 and below 0.5"),
    "power": (lambda value: 0 < value < 1, "a number above 0 and below 1"),
    "tolerance": (lambda value: value >= 0, "a number of 0 or more"),
    "effect": (lambda value: value > 0, "a number above 0"),
    "weight": (lambda value: value > 0, "a number above 0"),
}
"""Key → whether a finite number will do there, and what is needed, in words."""


def check_keys(table: Table, known: Sequence[str]) -> None:
    """Raise UnknownNameError for a key that means nothing."""
    for key in table.values:
        if key not in known:
            raise UnknownNameError(f"key of {table.where}", key, known)


def subtable(table: Table, key: str) -> Table:
    """Return the table under a key, an empty one where there is none."""
    found = table.values.get(key, {})
    name = f"{table.name}.{key}".removeprefix(".")
    if not isinstance(found, dict):
        raise InputError(f"{table.where} has {key} = {_written(found)}; it needs a table, [{name}].")
    where = table.where.removesuffix(f" in [{table.name}]")
    return Table(where=f"{where} in [{name}]", values=found, name=name)


def number(table: Table, key: str, default: float) -> float:
    """Return the number under a key of NUMBERS; raises InputError where it is none, or none that will do."""
    found = table.values.get(key, default)
    will_do, needed = NUMBERS[key]
    if not isinstance(found, int | float) or isinstance(found, bool) or not math.isfinite(found) or not will_do(found):
        raise InputError(f"{table.where} has {key} = {_written(found)}; it needs {needed}.")
    return float(found)


def words(table: Table, key: str) -> list[str]:
    """Return the words under a key; a single one needs no list."""
    found = table.values.get(key, [])
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        raise InputError(f"{table.where} has {key} = {_written(found)}; it needs a list of words.")
    return listed


def _written(value: object) -> str:
    """Write a value as TOML does, as far as it matters to find it."""
    return str(value).lower() if isinstance(value, bool) else repr(value)
