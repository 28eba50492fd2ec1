"""The runs of several stores: what can be read, each once, and what cannot, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from clipkstar import store
from clipkstar.errors import InputError
from clipkstar.metric_versions import VersionKey, version_key
from clipkstar.run import FailedRun, Run

MOST_TOLD = 5
"""Troubles of one kind that are told one by one; of more only the number is."""

DEEPEST_RUN = 3
"""Folders between a store and the run.json of a run: task, checkpoint, run_id."""


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run and the folder it lies in, as found. told: the same for the reader, from the name of the store on."""

    run: Run
    folder: Path
    told: str


def read_stored(roots: Sequence[Path]) -> tuple[list[StoredRun], list[str]]:
    """Return every run that is whole, by what it is, and sentences on what failed, is damaged, or is there twice.

    roots: stores; the folder of a task, of a checkpoint or of a run within one will do. The order of roots and files
    makes no difference. Raises InputError for a root that is no folder, and where no run is left.
    """
    found: dict[Path, StoredRun] = {}
    damaged: set[str] = set()
    failures: set[str] = set()
    for place, root in sorted({_checked(root).resolve(): root for root in sorted(roots)}.items()):
        records = list(_folders(root, "run.json", DEEPEST_RUN))
        if len(roots) > 1 and not records:
            damaged.add(f"'{place.name}' has no run.")
        for relative in records:
            one = _stored(root / relative, told=str(place.name / relative))
            if isinstance(one, StoredRun):
                found.setdefault(place / relative, one)
            else:
                damaged.add(one)
        for relative in _folders(root, "failed.json", DEEPEST_RUN - 1):
            failures.add(_failure(root / relative / "failed.json", told=str(place.name / relative / "failed.json")))
    notices = [*shortened(damaged, "more runs cannot be read"), *shortened(failures, "more pairs failed")]
    if not found:
        raise no_run_left(roots, notices)
    once, n_repeated = _once(found.values())
    if n_repeated:
        notices.append(f"runs that are in several of the stores are taken once: {n_repeated}.")
    return once, notices


def no_run_left(roots: Sequence[Path], notices: Sequence[str]) -> InputError:
    """Return the error to raise where nothing can be reported; notices: why, the first is told."""
    named = " and ".join(f"'{root}'" for root in sorted(set(roots)))
    why = f": {notices[0]}" if notices else "; 'clipkstar sweep --runs FOLDER' makes some."
    return InputError(f"{named} {'has' if len(set(roots)) == 1 else 'have'} no run that can be read{why}")


def shortened(sentences: Iterable[str], rest: str) -> list[str]:
    """Return sentences by themselves, or the first few and how many more there are; rest: of what."""
    told = sorted(set(sentences))
    more = len(told) - MOST_TOLD
    return told if more <= 1 else [*told[:MOST_TOLD], f"{more} {rest}."]


def _checked(root: Path) -> Path:
    if not root.is_dir():
        what = "is no folder" if root.exists() else "does not exist"
        raise InputError(f"'{root}' {what}; name a folder of runs, such as that of --runs of a sweep.")
    return root


def _folders(root: Path, name: str, deepest: int) -> Iterator[Path]:
    """Yield the folders that hold a file of that name, relative to the root; hidden ones are none."""
    for depth in range(deepest + 1):
        for found in glob("*/" * depth + name, root_dir=root):  # noqa: PTH207 - half the time of pathlib's
            yield Path(found).parent


def _stored(folder: Path, *, told: str) -> StoredRun | str:
    """Return the run in a folder, or why there is none. Reports are passed on: what is told names nobody's machine."""
    try:
        run = store.read_run(folder)
    except InputError as error:
        return str(error).replace(str(folder), told)
    if run is None:
        return f"{told} lacks a whole table and is left out; repeat the run."
    return StoredRun(run=run, folder=folder, told=told)


def _failure(path: Path, *, told: str) -> str:
    import msgspec

    try:
        failed = msgspec.json.decode(path.read_bytes(), type=FailedRun)
    except (OSError, msgspec.DecodeError) as error:
        return f"{told} is no readable record of a failed run ({error})."
    return f"{failed.checkpoint} on {failed.task} failed: {failed.sentence}"


def _once(found: Iterable[StoredRun]) -> tuple[list[StoredRun], int]:
    """Return each run of each checkpoint once, by task, title and id, and how many there were too many.

    Of several the one with most scores is taken, of those the one whose metrics are newer. Equal work has the equal id
    whatever it is called, so that the title is needed to tell runs from each other.
    """
    best: dict[tuple[str, str, str], StoredRun] = {}
    n_repeated = 0
    for stored in sorted(found, key=lambda one: (len(one.run.scores), _versions(one.run), str(one.folder))):
        key = (stored.run.task.name, stored.run.checkpoint.title, stored.run.run_id)
        n_repeated += key in best
        best[key] = stored
    return [best[key] for key in sorted(best)], n_repeated


def _versions(run: Run) -> list[tuple[str, VersionKey]]:
    return [(name, version_key(version)) for name, version in sorted(run.metrics.items())]
