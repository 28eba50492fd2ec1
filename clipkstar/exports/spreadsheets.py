"""What a spreadsheet would make of names in a CSV file."""

from __future__ import annotations

from collections.abc import Iterable

from clipkstar.exports.result import Result

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that spreadsheets compute. Source: https://owasp.org/www-community/attacks/CSV_Injection."""


def formula_notices(results: Iterable[Result]) -> list[str]:
    """Say which names a spreadsheet would run. They are written as they are: programs look checkpoints up by them."""
    names = sorted(
        {
            name
            for result in results
            for name in (result.data_set, result.model, result.pretrained, result.lineage, result.dataset)
            if name and name.startswith(FORMULA)
        }
    )
    if not names:
        return []
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return [
        f"the name {names[0]!r}{more} begins as a formula does, which a spreadsheet would compute; "
        "import the file there as text."
    ]
