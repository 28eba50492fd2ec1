"""How numbers and names are written for readers."""

from __future__ import annotations

NONE = "–"
"""Stands for a number that is undefined."""

MINUS = "−"


def number(value: float | None, digits: int = 2) -> str:
    """Write a number with a true minus sign and without a negative zero; – where it is undefined."""
    if value is None or value != value:
        return NONE
    written = f"{value:.{digits}f}"
    if float(written) == 0:
        written = written.lstrip("-")
    return written.replace("-", MINUS)


def percent(value: float | None) -> str:
    """Write a share of 0 … 1 in per cent with one decimal, without the sign."""
    return number(None if value is None else 100 * value, 1)


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """Write `low to high`; nothing where there is no interval."""
    return "" if low is None or high is None else f"{number(low, digits)} to {number(high, digits)}"


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """Write `value [low to high]`."""
    between = interval(low, high)
    return f"{number(value)} [{between}]" if between else number(value)


def p_value(value: float | None) -> str:
    """Write a p-value with three decimals; what is smaller than they can say as < 0.001."""
    return "< 0.001" if value is not None and value < 0.001 else number(value, 3)


def counted(n: int, noun: str, plural: str = "") -> str:
    """Write `1 model`, `2 models`; plural: where it is not the noun with an s."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
