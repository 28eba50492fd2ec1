"""Markdown that no name can break."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from clipkstar.shown_names import visible


def section(title: str, text: str) -> str:
    """Write a section of the second level."""
    return f"## {escaped(title)}\n\n{text}"


def folded(title: str, text: str) -> str:
    """Write a part that a click on its title opens, where HTML in Markdown is shown."""
    return f"<details>\n<summary>{_html(title)}</summary>\n\n{text}\n\n</details>"


def listed(lines: Iterable[str]) -> str:
    """Write one item a line."""
    return "\n".join(f"- {escaped(line)}" for line in lines)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: Collection[str]) -> str:
    """Write a table; columns that are not named in `left` hold numbers, which stand at the right."""
    rule = [":---" if name in left else "---:" for name in head]
    written = [[escaped(cell) for cell in row] for row in (head, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (written[0], rule, *written[1:]))


def escaped(text: str) -> str:
    """Escape what Markdown or HTML would take for its own; an underscore within a word stays as it is."""
    plain = _html(text.replace("\\", "\\\\"))
    return re.sub(r"[*`\[\]~|]|(?<!\w)_|_(?!\w)", r"\\\g<0>", plain)


def _html(text: str) -> str:
    return visible(text).replace("&", "&amp;").replace("<", "&lt;")
