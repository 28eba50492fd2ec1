"""What the Hugging Face hub's answers mean: one sentence with the cause and the next step."""

from __future__ import annotations

import os
from collections.abc import Sequence

from clipkstar.causes import causes, first_line, no_room
from clipkstar.errors import InputError, UnreachableError

RETRIED = (408, 429, 500, 502, 503, 504)
"""HTTP answers that may be better later."""


def may_be_better_later(error: BaseException) -> bool:
    """Whether trying again can help: the hub is busy or has a fault, or a transfer broke off."""
    chain = causes(error)
    return not no_room(chain) and (bool(_statuses(chain) & set(RETRIED)) or _broke_off(chain))


def explain(what: str, error: BaseException, *, revision: str | None = None) -> InputError | None:
    """Say why something of the hub is not here; None for an error that is not the hub's, the disk's or the net's.

    what: follows "the", such as "data set 'org/name'".
    """
    chain = causes(error)
    sentence = _of_disk(what, chain) or _of_refusal(what, chain, revision)
    if sentence:
        return InputError(sentence)
    sentence = _of_trouble(what, chain)
    return UnreachableError(sentence) if sentence else None


def _of_disk(what: str, chain: Sequence[BaseException]) -> str:
    if reason := no_room(chain):
        return (
            f"the disk has no room for the {what} ({reason}); free space, or let HF_HOME name a folder on another "
            "disk, then repeat the command, what was fetched in full is kept."
        )
    if any(isinstance(link, PermissionError) for link in chain):
        return f"the {what} cannot be written to the cache ({first_line(chain[-1])}); let HF_HOME name another folder."
    return ""


def _of_refusal(what: str, chain: Sequence[BaseException], revision: str | None) -> str:
    from huggingface_hub import errors

    statuses = _statuses(chain)
    if any(isinstance(link, errors.GatedRepoError) for link in chain):
        return (
            f"the hub keeps the {what} for those who asked for access; ask on its page, then log in with "
            "'hf auth login'."
        )
    if any(isinstance(link, errors.RevisionNotFoundError) for link in chain):
        return f"the {what} has no revision '{revision}'; correct it."
    if invalid := next((link for link in chain if isinstance(link, errors.HFValidationError)), None):
        return f"the hub can have no {what} ({first_line(invalid)}); correct the name."
    if missing := next((link for link in chain if isinstance(link, errors.RemoteEntryNotFoundError)), None):
        file = str(missing.response.url).rpartition("/resolve/")[2].partition("/")[2]
        return f"the hub has no file '{file}' for the {what}; correct the name."
    if 403 in statuses:
        return f"the hub refuses the {what} to this login (403); log in with 'hf auth login' as another."
    if 401 in statuses or 404 in statuses or any(isinstance(link, errors.RepositoryNotFoundError) for link in chain):
        return f"the hub has no {what}, or it is private; correct the name, or log in with 'hf auth login'."
    return ""


def _of_trouble(what: str, chain: Sequence[BaseException]) -> str:
    from huggingface_hub import errors

    missing = (errors.LocalEntryNotFoundError, ConnectionError, TimeoutError)
    statuses = sorted(_statuses(chain))
    if 429 in statuses:
        return (
            f"the hub had too many requests from here (429) and does not give the {what}; wait a few minutes and "
            "repeat the command, or log in with 'hf auth login', which allows more."
        )
    if statuses:
        return (
            f"the hub has a fault of its own ({statuses[-1]}) and does not give the {what}; repeat the command later."
        )
    if _broke_off(chain):
        return (
            f"the transfer of the {what} broke off ({first_line(chain[-1])}); repeat the command, what was fetched in "
            "full is kept."
        )
    if _is_network(chain) or any(isinstance(link, missing) for link in chain):
        return (
            f"the {what} cannot be reached ({_no_connection(chain)}), and the cache has no complete copy; connect, "
            "then repeat the command."
        )
    return ""


def _no_connection(chain: Sequence[BaseException]) -> str:
    from huggingface_hub import constants

    if os.environ.get("HF_HUB_OFFLINE"):
        return "offline mode is on"
    return f"no connection to {constants.ENDPOINT}" if constants.is_offline_mode() else first_line(chain[-1])


def _statuses(chain: Sequence[BaseException]) -> set[int]:
    """HTTP statuses of the answers behind an error."""
    found = (getattr(getattr(link, "response", None), "status_code", 0) for link in chain)
    return {int(status) for status in found if status}


def _is_network(chain: Sequence[BaseException]) -> bool:
    import httpx2

    return any(isinstance(link, httpx2.TransportError) for link in chain)


def _broke_off(chain: Sequence[BaseException]) -> bool:
    """Whether there was a connection that ended early, or a file that came shorter than it should be."""
    import httpx2

    broken = (httpx2.ReadError, httpx2.ReadTimeout, httpx2.RemoteProtocolError)
    return any(isinstance(link, broken) or "Consistency check failed" in str(link) for link in chain)
