"""What a spreadsheet would make of the cells of a CSV file."""

from __future__ import annotations

from collections.abc import Iterable

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that spreadsheets compute. Source: https://owasp.org/www-community/attacks/CSV_Injection."""


def formula_notices(cells: Iterable[object]) -> list[str]:
    """Say which cells a spreadsheet would run. They are written as they are: programs look checkpoints up by them.

    cells: of the whole file with its header; only text counts.
    """
    names = sorted({cell for cell in cells if isinstance(cell, str) and cell.startswith(FORMULA)})
    if not names:
        return []
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return [
        f"the name {names[0]!r}{more} begins as a formula does, which a spreadsheet would compute; "
        "import the file there as text."
    ]
