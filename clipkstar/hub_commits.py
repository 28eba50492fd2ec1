"""Which commit of a hub's repository is the newest, and where the cache keeps it; nothing is downloaded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from clipkstar.hub import CONNECT_SECONDS, go_offline_if_unreachable
from clipkstar.hub_answers import explain

COMMIT = re.compile("[0-9a-f]{40}")
DEFAULT_REVISION = "main"

Kind = Literal["model", "dataset"]


def newest_commit(repository: str, kind: Kind, revision: str | None = None) -> str | None:
    """Return the commit that a revision names now: as the hub says, without a connection as the cache remembers.

    revision: commit, branch or tag; None = the hub's default. One request, none for a commit. None where neither tells.
    """
    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    if go_offline_if_unreachable():
        return _remembered(_cached(repository, kind) / "refs" / (revision or DEFAULT_REVISION))
    from huggingface_hub import HfApi

    try:
        found = HfApi().repo_info(repository, revision=revision, repo_type=kind, timeout=CONNECT_SECONDS).sha
    except Exception as error:
        if explain(f"repository '{repository}'", error) is None:
            raise
        return None
    return str(found)


def cached_snapshot(repository: str, commit: str) -> Path:
    """Folder in which the cache keeps the files of a data set's commit; it need not exist."""
    return _cached(repository, "dataset") / "snapshots" / commit


def refs_of(files: Iterable[Path], revision: str | None = None) -> list[Path]:
    """Return the files of the cache that say which commit `revision` was when these files were fetched.

    Only files inside a snapshot have one, and only of a revision that is no commit.
    """
    if revision is not None and COMMIT.fullmatch(revision):
        return []
    parents = [parent for file in files for parent in file.parents]
    repositories = {
        parent.parent.parent
        for parent in parents
        if COMMIT.fullmatch(parent.name) and parent.parent.name == "snapshots" and _kind_and_name(parent.parent.parent)
    }
    return sorted(repository / "refs" / (revision or DEFAULT_REVISION) for repository in repositories)


def is_newest(file: Path) -> bool:
    """Whether the hub still names the commit that one of `refs_of` says; any other file is, and so is all offline."""
    for refs in file.parents:
        of = _kind_and_name(refs.parent) if refs.name == "refs" else None
        if of is not None:
            newest = newest_commit(of[1], of[0], file.relative_to(refs).as_posix())
            return newest is not None and newest == _remembered(file)
    return True


def is_of_cache(file: Path) -> bool:
    """Whether a file lies in the hub's cache, which puts other files in the place of its own and never changes one."""
    parts = ("snapshots", "blobs", "refs")
    return any(folder.name in parts and _kind_and_name(folder.parent) is not None for folder in file.parents)


def _kind_and_name(folder: Path) -> tuple[Kind, str] | None:
    """Read the name that the cache gives a repository's folder, such as models--org--name."""
    kind, *parts = folder.name.split("--")
    if not parts or kind not in ("models", "datasets"):
        return None
    return "model" if kind == "models" else "dataset", "/".join(parts)


def _cached(repository: str, kind: Kind) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type=kind)


def _remembered(ref: Path) -> str | None:
    try:
        return ref.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
