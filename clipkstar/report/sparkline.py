"""Where a model stands on each data set, small enough to stand in a row of a table."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDE_BAR, NARROW_BAR = 7, 3
"""Pixels for each data set: wide up to MOST_WIDE of them."""

MOST_WIDE = 12

HALF = 10
"""Height in pixels above and below the middle line."""


@dataclass(frozen=True, kw_only=True)
class Sparkline:
    """Bars from a middle line, one above and one below for each data set, as the `d` of two SVG paths.

    up: standing in accuracy. down: standing in Γ′. Longer is better in both, so that a model to which the claim applies
    looks like its own mirror image. width: of the picture. bar: width of a stroke.
    """

    up: str
    down: str
    width: int
    bar: int


def sparkline(ups: Sequence[float | None], downs: Sequence[float | None]) -> Sparkline:
    """Draw standings of 0 … 1, one pair for each data set; a missing one leaves its place empty."""
    step = WIDE_BAR if len(ups) <= MOST_WIDE else NARROW_BAR
    return Sparkline(up=_bars(ups, step, -1), down=_bars(downs, step, 1), width=step * len(ups), bar=step - 1)


def _bars(standings: Sequence[float | None], step: int, direction: int) -> str:
    # A standing of 0 keeps one pixel: it is a result, unlike an empty place.
    return "".join(
        f"M{place * step + step / 2:g},{HALF}v{direction * max(1, round(HALF * standing))}"
        for place, standing in enumerate(standings)
        if standing is not None
    )


def standings(values: Sequence[float | None], counted: Sequence[bool]) -> list[float | None]:
    """Return, for each value, the share of the other counted ones that are lower, ties by half; None = none to compare.

    values: higher is better. counted: which of them are compared with; the others get a standing among these.
    """
    others = sorted(value for value, counts in zip(values, counted, strict=True) if counts and value is not None)
    found: list[float | None] = []
    for value, counts in zip(values, counted, strict=True):
        if value is None or len(others) - counts == 0:
            found.append(None)
            continue
        lower, up_to = bisect_left(others, value), bisect_right(others, value)
        found.append((lower + (up_to - lower - counts) / 2) / (len(others) - counts))
    return found
