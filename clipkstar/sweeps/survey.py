"""What is known of a sweep before a data set is opened, a model loaded, or anything downloaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar import store
from clipkstar.data.openings import known_opening
from clipkstar.environment import pick_device
from clipkstar.errors import InputError
from clipkstar.identities import known_identity
from clipkstar.recording import has_metrics
from clipkstar.run import Run
from clipkstar.selection import select_metrics
from clipkstar.sweeps.sweep import Ended, Member, Pair, Report, Sweep, members
from clipkstar.unit import Work, run_id

if TYPE_CHECKING:
    from clipkstar.checkpoint import Identity
    from clipkstar.data.openings import Opening
    from clipkstar.metric import Metric
    from clipkstar.store import Store


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A sweep with its names found.

    device: "cpu", "cuda" or "mps". members: by label. identities: by label, openings: by task name, as they were found
    the last time; None where that is not known or may have changed.
    """

    sweep: Sweep
    results: Store
    device: str
    metrics: Sequence[Metric]
    members: dict[str, Member]
    identities: dict[str, Identity | None]
    openings: dict[str, Opening | None]

    def work(self, label: str) -> Work:
        """What to do with a member."""
        member = self.members[label]
        return Work(
            family=member.family, checkpoint=member.checkpoint, metrics=self.metrics, settings=self.sweep.settings
        )

    def n_images(self, task_name: str) -> int | None:
        """Number of images to evaluate; None where it is not known before the data set is opened."""
        opening, limit = self.openings[task_name], self.sweep.limit
        if opening is not None:
            return opening.n_images
        whole = next(task.n_images for task in self.sweep.tasks if task.name == task_name)
        return min(limit, whole) if limit and whole else limit or whole


def survey(sweep: Sweep, results: Store, *, device: str | None = None) -> Survey:
    """Find the names of a sweep; raises InputError for those that nobody knows and for a device that is not there.

    device: "cpu", "cuda" or "mps" where the sweep does not compute on this machine.
    """
    found = members(sweep)
    return Survey(
        sweep=sweep,
        results=results,
        device=device or pick_device(sweep.settings.device),
        metrics=select_metrics(sweep.metrics),
        members={member.label: member for member in found},
        identities={member.label: known_identity(member.family, member.checkpoint) for member in found},
        openings={
            task.name: known_opening(
                task, limit=sweep.limit, revision=sweep.revision, prompts=sweep.prompts, stream=sweep.stream
            )
            for task in sweep.tasks
        },
    )


def pairs(found: Survey) -> Iterator[Pair]:
    """Every pair, data set by data set."""
    for task in found.sweep.tasks:
        for label in found.members:
            yield Pair(task=task.name, checkpoint=label)


def stored_run(found: Survey, pair: Pair) -> Run | None:
    """Return the run of a pair if it is known to be in the store; what is damaged there counts as not known."""
    member, opening = found.members[pair.checkpoint], found.openings[pair.task]
    identity = found.identities[pair.checkpoint]
    if opening is None or identity is None:
        return None
    place = store.folder(
        found.results,
        task=pair.task,
        checkpoint_title=member.checkpoint.title,
        run_id=run_id(found.work(pair.checkpoint), identity, found.device, opening.fingerprint),
    )
    try:
        return store.read_run(place)
    except InputError:  # said when the pair's turn comes
        return None


def skip_stored(found: Survey, report: Report) -> list[Pair]:
    """Report the pairs whose run is known to be in the store with all metrics; return the others."""
    left = []
    for pair in pairs(found):
        known = None if found.sweep.settings.force else stored_run(found, pair)
        if known is None or not has_metrics(known, found.metrics):
            left.append(pair)
        else:
            store.forget_failure(found.results, task=pair.task, checkpoint=pair.checkpoint)
            report(Ended(pair=pair, outcome="skipped", run=known))
    return left
