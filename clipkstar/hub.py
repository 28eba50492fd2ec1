"""Downloading from the Hugging Face hub: what is cached is not asked for again, what may succeed later is retried."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from clipkstar.caching.file_hashes import file_sha256
from clipkstar.errors import InputError
from clipkstar.hub_answers import explain, may_be_better_later

RETRY_WAITS = (1.0, 2.0, 4.0)
"""Seconds before each further try after an answer that may be better later."""

RETRY_FOR = 20.0
"""Seconds after which nothing is tried again: huggingface_hub has then retried by itself."""

CONNECT_SECONDS = 5.0
"""How long the hub may take to be there at all."""

Found = TypeVar("Found")


@cache
def go_offline_if_unreachable() -> str:
    """Ask once per process whether the hub is there; if not, everything is taken from the cache from now on.

    Without it, huggingface_hub tries for about 20 seconds per file before it looks into the cache. Returns why there is
    no connection, "" = there is one.
    """
    import httpx2
    from huggingface_hub import constants, get_session

    if constants.is_offline_mode():
        return "offline mode is on"
    try:
        get_session().head(constants.ENDPOINT, timeout=CONNECT_SECONDS, follow_redirects=False)
    except (httpx2.HTTPError, httpx2.InvalidURL):
        constants.HF_HUB_OFFLINE = True
        return f"no connection to {constants.ENDPOINT}"
    return ""


def snapshot(
    repository: str,
    *,
    revision: str | None = None,
    patterns: Sequence[str] | None = None,
    needed_by: str = "",
) -> Path:
    """Download what is not cached of a data set's repository; returns its folder, named after the resolved commit.

    patterns: files or globs inside the repository; None = all of it. needed_by: for messages, such as "task 'digits'".
    Raises what `fetch` raises.
    """
    from huggingface_hub import snapshot_download

    what = f"data set '{repository}'" + _of(needed_by)
    allowed = None if patterns is None else list(patterns)
    return Path(
        fetch(
            what,
            lambda: snapshot_download(repository, repo_type="dataset", revision=revision, allow_patterns=allowed),
            revision=revision,
        )
    )


def list_files(repository: str, *, revision: str | None = None, needed_by: str = "") -> tuple[str, list[str]]:
    """Return the resolved commit and the files of a data set's repository; raises what `fetch` raises."""
    from huggingface_hub import HfApi

    what = f"data set '{repository}'" + _of(needed_by)
    info = fetch(what, lambda: HfApi().dataset_info(repository, revision=revision), revision=revision)
    return str(info.sha), [entry.rfilename for entry in info.siblings or []]


def fetch_file(repository: str, name: str, *, revision: str, folder: Path) -> Path:
    """Download one file of a data set's repository into a folder, past the cache; raises what `fetch` raises."""
    from huggingface_hub import hf_hub_download

    return Path(
        fetch(
            f"file '{name}' of the data set '{repository}'",
            lambda: hf_hub_download(repository, name, repo_type="dataset", revision=revision, local_dir=folder),
            revision=revision,
        )
    )


def fetch(what: str, download: Callable[[], Found], *, revision: str | None = None) -> Found:
    """Call something that downloads from the hub; failures of hub, net and disk become one sentence.

    what: follows "the" in that sentence. Raises InputError for what is not there, not allowed or has no room on the
    disk, UnreachableError for what another time may bring.
    """
    go_offline_if_unreachable()
    try:
        return with_retries(download)
    except Exception as error:
        raise explain(what, error, revision=revision) or error from error


def with_retries(download: Callable[[], Found]) -> Found:
    """Call until it succeeds, waiting longer each time, as long as the hub says that later may be better."""
    started = time.monotonic()
    for wait in RETRY_WAITS:
        try:
            return download()
        except Exception as error:
            if not may_be_better_later(error) or time.monotonic() - started > RETRY_FOR:
                raise
        time.sleep(wait)
    return download()


def check_cached(file: Path, what: str) -> None:
    """Raise InputError if a file of the hub's cache is not what was fetched.

    The hub names large files by the sha256 of their content, and the cache keeps them under that name. Small ones, and
    those of caches without links, cannot be told. what: follows "the".
    """
    # One link only: what the cache shares between repositories lies behind a second one, under another kind of hash.
    kept = file.parent / file.readlink() if file.is_symlink() else file
    is_sha256 = kept.parent.name == "blobs" and re.fullmatch("[0-9a-f]{64}", kept.name)
    if is_sha256 and file_sha256(kept) != kept.name:
        raise InputError(
            f"the {what} is damaged in the cache (its sha256 is not the one that the hub gave); delete "
            f"'{kept.resolve()}' and repeat the command with a connection."
        )


def _of(needed_by: str) -> str:
    return f" of {needed_by}" if needed_by else ""
