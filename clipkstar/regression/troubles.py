"""What a folder of runs lacks of a checkpoint: pairs that failed, and runs that are damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from clipkstar import store
from clipkstar.errors import InputError
from clipkstar.run import FailedRun
from clipkstar.stored_runs import DEEPEST_RUN


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A run that is not there or cannot be used.

    task, checkpoint: as recorded with a failure; the names of the folders of a damaged run. sentence: why, without a
    full stop.
    """

    task: str
    checkpoint: str
    sentence: str

    def is_of(self, title: str) -> bool:
        """Whether it is that checkpoint's; of several of one title a sweep records the file behind each, too."""
        return self.checkpoint in (title, store.safe_name(title)) or self.checkpoint.startswith(f"{title} of ")

    @property
    def names(self) -> tuple[str, ...]:
        """What its checkpoint may be called: title, model, or model and pretrained tag."""
        title = self.checkpoint.partition(" of ")[0]
        model, _, pretrained = title.partition("--")[2].rpartition("--")
        return title, model, f"{model} {pretrained}", f"{model}/{pretrained}"

    def is_on(self, task_name: str) -> bool:
        """Whether it is a run on that task."""
        return self.task in (task_name, store.safe_name(task_name))


def find_troubles(root: Path, *, whole: Sequence[Path]) -> list[Trouble]:
    """Return what failed or is damaged below a folder of runs; whole: the folders of runs that were read."""
    known = {folder.resolve() for folder in whole}
    return [*_failures(root), *_damages(root, known)]


def _failures(root: Path) -> Iterator[Trouble]:
    import msgspec

    for path in _found(root, "failed.json", DEEPEST_RUN - 1):
        try:
            failed = msgspec.json.decode(path.read_bytes(), type=FailedRun)
        except (OSError, msgspec.DecodeError) as error:
            why = f"its failed.json cannot be read ({error})"
            yield Trouble(task=path.parents[1].name, checkpoint=path.parent.name, sentence=why)
        else:
            why = f"it failed: {failed.sentence.rstrip('.')}"
            yield Trouble(task=failed.task, checkpoint=failed.checkpoint, sentence=why)


def _damages(root: Path, known: set[Path]) -> Iterator[Trouble]:
    """Yield the runs that are there and were not read; a copy of one that was is whole."""
    for record in _found(root, "run.json", DEEPEST_RUN):
        if record.parent in known:
            continue
        if sentence := _damage(record.parent):
            yield Trouble(task=record.parents[2].name, checkpoint=record.parents[1].name, sentence=sentence)


def _found(root: Path, name: str, deepest: int) -> Iterator[Path]:
    """Yield the files of that name in a store or a folder of one, by their true place."""
    for depth in range(deepest + 1):
        for found in sorted(glob("*/" * depth + name, root_dir=root)):  # noqa: PTH207 - hidden folders are none
            yield (root / found).resolve()


def _damage(folder: Path) -> str:
    """Say why the run in a folder cannot be used; "" = it can."""
    try:
        run = store.read_run(folder)
    except InputError as error:
        return str(error).replace(str(folder), folder.name).rstrip(".")
    return f"{folder.name} lacks a whole table" if run is None else ""
