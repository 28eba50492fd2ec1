"""Names of checkpoints within a sentence."""

from collections.abc import Iterable

from clipkstar.errors import MOST_LISTED


def listed(titles: Iterable[str]) -> str:
    """Write names in order, each once, the first dozen of many."""
    names = sorted(set(titles))
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
