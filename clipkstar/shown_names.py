"""Names of classes and models as charts and pages can show them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]")


def visible(text: str) -> str:
    """Put � for characters that neither HTML nor SVG may hold (control characters, halves of surrogate pairs).

    Nor what would turn the direction of the text after it.
    """
    return _CONTROL.sub("\ufffd", text)


def distinct_names(names: Iterable[str]) -> list[str]:
    """Return names that a chart can tell apart and draw: of equal ones, the second becomes `name (2)`."""
    distinct: dict[str, None] = {}
    for name in map(visible, names):
        own, n = name, 1
        while own in distinct:
            n += 1
            own = f"{name} ({n})"
        distinct[own] = None
    return list(distinct)
