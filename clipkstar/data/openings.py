"""What the last opening of a task found, known again without opening it as long as its files are what they were."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from clipkstar.caching.file_states import FileStates, file_states
from clipkstar.caching.found_facts import recall_fact, remember_fact
from clipkstar.data.image_folder import everything_in
from clipkstar.data.tables import local_files
from clipkstar.data.words import PromptChoice, files_of, repository_files
from clipkstar.hub_commits import cached_snapshot, newest_commit
from clipkstar.versions import version

if TYPE_CHECKING:
    from clipkstar.task import Task

OPENING_VERSION = "1"
"""Raised when clipkstar's own reading of data sets changes what is found."""

PACKAGES = ("clipkstar", "datasets", "open_clip_torch", "pillow")
"""Their code reads the data, holds lists of class names and templates, and tells which files are pictures."""

UNTOLD = (OSError, ValueError, LookupError)
"""What is raised for files that are not there and for globs that are none."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What an opened task holds, as in clipkstar.data.rows.Rows; n_images: of the sample where there is a limit."""

    fingerprint: str
    images_digest: str
    n_images: int
    n_classes: int
    revision: str | None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """All that decides what an opening finds, but for the files; as `open_rows` takes it."""

    task: Task
    limit: int | None
    revision: str | None
    prompts: PromptChoice
    stream: bool


def known_opening(
    task: Task,
    *,
    limit: int | None = None,
    revision: str | None = None,
    prompts: PromptChoice | None = None,
    stream: bool = False,
) -> Opening | None:
    """Return what `open_rows` found when it was last asked the same; None = the task has to be opened.

    That is so where a file is not what it was (by path, size, time of change and inode), where a glob or a folder has
    other files, and where the hub names another commit, which is one request. No data set is read, and none downloaded.
    """
    asked = Asked(task=task, limit=limit, revision=revision, prompts=prompts or PromptChoice(), stream=stream)
    try:
        commit = _commit(asked)
        if commit is None and not task.dataset.is_local:
            return None
        fact = recall_fact("openings", _key(asked, commit, _own_states(asked), _fetched(asked, commit)))
        if fact is None or file_states(map(Path, cast("list[str]", fact["named_files"]))).digest != fact["named"]:
            return None
    except UNTOLD:
        return None
    return Opening(
        fingerprint=str(fact["fingerprint"]),
        images_digest=str(fact["images_digest"]),
        n_images=cast("int", fact["n_images"]),
        n_classes=cast("int", fact["n_classes"]),
        revision=cast("str | None", fact["revision"]),
    )


def states_before(asked: Asked) -> FileStates | None:
    """Ask about the files of this machine, before they are read; None where that fails, which the reader will say."""
    try:
        return _own_states(asked)
    except UNTOLD:
        return None


def _own_states(asked: Asked) -> FileStates:
    """Ask the file system about the local files of a task and the user's files of words; raises UNTOLD."""
    dataset = asked.task.dataset
    files = files_of(asked.task, asked.prompts)
    if dataset.path == "imagefolder":
        files += everything_in(Path(dataset.data_files or ""))
    elif dataset.is_local:
        files += local_files(dataset)
    return file_states(files)


def remember_opening(asked: Asked, opening: Opening, *, before: FileStates | None, named: Sequence[Path]) -> None:
    """Keep what an opening found, unless a file changed meanwhile or so lately that a change might not be seen.

    before: `states_before` of the opening. named: Source.named_files.
    """
    with suppress(*UNTOLD):
        now, of_named = _own_states(asked), file_states(named)
        moment = time.time()
        if before != now or not now.settled_before(moment) or not of_named.settled_before(moment):
            return
        fact = asdict(opening) | {"named_files": [str(path) for path in named], "named": of_named.digest}
        remember_fact("openings", _key(asked, opening.revision, now, _fetched(asked, opening.revision)), fact)


def _commit(asked: Asked) -> str | None:
    dataset = asked.task.dataset
    return None if dataset.is_local else newest_commit(dataset.path, "dataset", asked.revision or dataset.revision)


def _fetched(asked: Asked, commit: str | None) -> FileStates:
    """Ask the file system about the files of a commit in the hub's cache, which never changes one that it has."""
    dataset = asked.task.dataset
    if commit is None:
        return file_states([])
    folder = cached_snapshot(dataset.path, commit)
    files = [folder / name for name in repository_files(asked.task)]
    if not asked.stream:
        files += sorted(folder.glob(dataset.data_files or "**/*"))
    return file_states(file for file in files if file.is_file())


def _key(asked: Asked, commit: str | None, own: FileStates, fetched: FileStates) -> list[object]:
    versions = [version(package) for package in PACKAGES]
    asked_for = [repr(asked.task), asked.limit, asked.revision, repr(asked.prompts), asked.stream]
    return [OPENING_VERSION, versions, asked_for, commit, own.digest, fetched.digest]
