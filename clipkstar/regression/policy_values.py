"""Values of a policy in TOML, each checked, so that a wrong one is told in words of ours."""

from __future__ import annotations

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
    "alpha": (lambda value: 1e-6 <= value < 0.5, "a number from 0.000001 to below 0.5"),
    "power": (lambda value: 0 < value < 1, "a number above 0 and below 1"),
    "tolerance": (lambda value: 0 <= value <= 1e6, "a number from 0 to 1,000,000"),
    "effect": (lambda value: 1e-6 <= value <= 1e6, "a number from 0.000001 to 1,000,000"),
    "weight": (lambda value: 1e-3 <= value <= 1e3, "a number from 0.001 to 1,000"),
}
"""Key → whether a number will do there, and what is needed, in words; beyond that the arithmetic loses its digits."""

LONGEST_TOLD = 60
"""Characters of a wrong value that an error shows."""


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
    if not isinstance(found, int | float) or isinstance(found, bool) or not will_do(found):
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
    try:
        text = str(value).lower() if isinstance(value, bool) else repr(value)
    except ValueError:  # Python writes out no whole number of more than 4,300 digits
        text = "a number of very many digits"
    return text if len(text) <= LONGEST_TOLD else f"{text[:LONGEST_TOLD]}…"
