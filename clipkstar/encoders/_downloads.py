"""Files of models from the hub, for every family: found in the cache or fetched, else one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from clipkstar import hub
from clipkstar.errors import UnreachableError

Found = TypeVar("Found")


def first_file(repository: str, names: Sequence[str], *, what: str, revision: str | None = None) -> Path:
    """Find the first of several files that a model repository has; raises what `fetched` raises.

    A file whose absence the hub did not confirm is not replaced by the next one, unless that is cached.
    """
    from huggingface_hub import errors, hf_hub_download

    def download() -> str:
        failures: list[errors.EntryNotFoundError] = []
        unconfirmed: list[errors.EntryNotFoundError] = []
        for name in names:
            try:
                return hf_hub_download(repository, name, revision=revision, local_files_only=bool(unconfirmed))
            except errors.LocalEntryNotFoundError as error:
                unconfirmed.append(error)
            except errors.EntryNotFoundError as error:
                failures.append(error)
        raise [*unconfirmed, *failures][0]

    return Path(fetched(what, download, revision=revision))


def snapshot(repository: str, patterns: Sequence[str], *, what: str, revision: str | None = None) -> Path:
    """Download what is not cached of a model repository's files; returns their folder; raises what `fetched` raises."""
    from huggingface_hub import snapshot_download

    def download() -> str:
        return snapshot_download(repository, revision=revision, allow_patterns=list(patterns))

    return Path(fetched(what, download, revision=revision))


def fetched(what: str, download: Callable[[], Found], *, revision: str | None = None) -> Found:
    """Return what a download gives, retried where that can help.

    what: follows "the" in a sentence. Raises InputError for what is not there or not allowed, UnreachableError for what
    is neither cached nor reachable.
    """
    try:
        return hub.fetch(what, download, revision=revision)
    except UnreachableError as error:
        raise UnreachableError(
            f"{str(error).rstrip('.')}, or use the bundled models, which need no network ('clipkstar models tiny-*')."
        ) from error
