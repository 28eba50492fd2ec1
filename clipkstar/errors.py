"""What can go wrong, as types.

ClipkstarError
└── InputError             the caller's input cannot be used: one sentence, exit code 2, nothing written
    ├── UnknownNameError   nobody knows a task, model, tag, metric, suite of that name
    ├── UnreachableError   a repository is neither cached nor reachable
    └── PictureError       a picture of a data set does not decode

Anything else that leaves the package is our own fault and prints as a traceback (exit code 3).
"""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_LISTED = 12
"""Known names that an error lists in full; of more it names the nearest ones only."""


class ClipkstarError(Exception):
    """Base of every error that clipkstar raises on purpose."""


class InputError(ClipkstarError):
    """The caller's input cannot be used; the message is one sentence that says who, what, and what to do."""


class UnknownNameError(InputError):
    """Nobody knows the name; the message has the nearest known ones.

    noun: what it should name. name: what was asked for. known: every name there is. lister: the command that lists
    them, "" = none.
    """

    def __init__(self, noun: str, name: str, known: Iterable[str], *, lister: str = "") -> None:
        self.noun, self.name, self.known, self.lister = noun, name, sorted(known), lister
        nearest = get_close_matches(name, self.known, n=3, cutoff=0.5)
        if nearest:
            hint = f"did you mean {' or '.join(repr(near) for near in nearest)}?"
        elif len(self.known) <= MOST_LISTED:
            hint = f"known are {', '.join(self.known) or 'none'}."
        else:
            hint = f"there are {len(self.known)} of them" + (f", see '{lister}'." if lister else ".")
        super().__init__(f"there is no {noun} '{name}'; {hint}")


class UnreachableError(InputError):
    """A model or data repository is needed, is not cached, and cannot be reached."""


class PictureError(InputError):
    """A picture of a data set does not decode; no encoder can be evaluated on that data set."""
