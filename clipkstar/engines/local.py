"""A sweep in this process: what is stored is skipped, what fails is recorded, the rest goes on.

Data sets are taken in blocks whose pixels fit the cache together, so that each picture is decoded once; within a block
every checkpoint is loaded once, those of one geometry after another.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clipkstar import store
from clipkstar.caching.pixel_cache import pixel_bytes
from clipkstar.caching.room import bound_bytes
from clipkstar.caching.room import entries as cache_entries
from clipkstar.causes import first_line
from clipkstar.checkpoint import Geometry
from clipkstar.data.rows import open_rows
from clipkstar.environment import describe
from clipkstar.errors import InputError, PictureError
from clipkstar.identities import identify, known_identity
from clipkstar.notices import notice
from clipkstar.once import ahead, once
from clipkstar.runner import evaluate_unit
from clipkstar.sweeps.claims import claimed
from clipkstar.sweeps.failures import record_failure
from clipkstar.sweeps.order import blocks, by_geometry, geometry_of
from clipkstar.sweeps.survey import Survey, skip_stored
from clipkstar.sweeps.sweep import Ended, Member, Pair, Report, Sweep, Working
from clipkstar.unit import Settings, Unit, Work, load_encoder

if TYPE_CHECKING:
    from clipkstar.checkpoint import Identity
    from clipkstar.data.rows import Rows
    from clipkstar.encoder import Encoder
    from clipkstar.task import Task


USUAL_GEOMETRY = Geometry(size=(224, 224))
"""For the room that pixels take, where no checkpoint tells its own."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What every step of one sweep needs.

    opened, identified: task name → its rows, label → identity; the work is done when it is first asked for.
    spoiled: task name → its first picture that does not decode, which no other checkpoint has to find again.
    """

    survey: Survey
    report: Report
    opened: Callable[[str], Rows]
    identified: Callable[[str], Identity]
    spoiled: dict[str, PictureError] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """How to evaluate."""
        return self.survey.sweep.settings


def run(found: Survey, report: Report) -> None:
    """Evaluate every pair of a sweep that is not in the store; each is reported once when it ended.

    Raises InputError for a store that cannot be written; what goes wrong with one pair is recorded and reported, and
    the others go on. An interrupt leaves finished runs.
    """
    store.check_writable(found.results)
    bound_bytes()  # a wrong $CLIPKSTAR_CACHE_GB is said before anything is computed
    by_name = {task.name: task for task in found.sweep.tasks}
    stage = Stage(
        survey=found,
        report=report,
        opened=once(lambda name: _open(found.sweep, by_name[name])),
        identified=once(lambda label: _identify(found.members[label])),
    )
    left = _take(stage, skip_stored(found, report), alone=False)
    _take(stage, left, alone=True)


def _open(sweep: Sweep, task: Task) -> Rows:
    rows = open_rows(task, limit=sweep.limit, revision=sweep.revision, prompts=sweep.prompts, stream=sweep.stream)
    for sentence in rows.notices:
        notice(sentence)
    return rows


def _identify(member: Member) -> Identity:
    """What is known will do: pictures are then decoded while the packages of the family are imported."""
    return known_identity(member.family, member.checkpoint) or identify(member.family, member.checkpoint)


def _take(stage: Stage, todo: Sequence[Pair], *, alone: bool) -> list[Pair]:
    """Evaluate pairs; return those that another sweep is at. alone: take those, too."""
    found, due = stage.survey, {pair.checkpoint for pair in todo}
    geometries = {
        label: geometry_of(member, found.identities[label]) for label, member in found.members.items() if label in due
    }
    left = []
    for block in _blocks(stage, todo, {geometry for geometry in geometries.values() if geometry is not None}):
        names = {task.name for task in block}
        turns = [
            [pair for pair in todo if pair.checkpoint == label and pair.task in names]
            for label in by_geometry(geometries)
        ]
        turns = [turn for turn in turns if turn]
        for turn, following in zip(turns, [*turns[1:], []], strict=True):
            left += _evaluate(stage, turn, following, alone=alone)
    return left


def _blocks(stage: Stage, todo: Sequence[Pair], geometries: Collection[Geometry]) -> list[list[Task]]:
    sweep, names = stage.survey.sweep, {pair.task for pair in todo}
    tasks = [task for task in sweep.tasks if task.name in names]
    if not stage.settings.keep_pixels:
        return [tasks] if tasks else []

    kept = sum(entries.n_bytes for entries in cache_entries() if entries.kind == "images")
    room = bound_bytes() - kept

    def n_bytes(task: Task) -> int:
        n_images = stage.survey.n_images(task.name)
        if n_images is None:  # it may take all there is
            return room
        return max(pixel_bytes(n_images, geometry) for geometry in geometries or [USUAL_GEOMETRY])

    return blocks(tasks, n_bytes, room)


def _evaluate(stage: Stage, turn: Sequence[Pair], following: Sequence[Pair], *, alone: bool) -> list[Pair]:
    """Evaluate one member on several tasks, loading it once at most; return the pairs that another sweep is at.

    following: the turn after this one; its weights are found, which may mean downloaded, in the meantime.
    """
    label, device = turn[0].checkpoint, stage.survey.device
    work = stage.survey.work(label)
    loaded = once(lambda _: _load(work, stage.identified(label), device))
    left = []
    for pair in turn:
        try:
            identity = stage.identified(label)
            if following and pair is turn[0]:
                _look_ahead(stage, following[0].checkpoint)
            unit = Unit(work=work, identity=identity, device=device, rows=_rows(stage, pair.task))
            with claimed(stage.survey.results, unit.run_id) as is_ours:
                if is_ours or alone:
                    _finish(stage, pair, unit, lambda: loaded(label))
                else:
                    left.append(pair)
        except (Exception, SystemExit) as error:  # a sweep survives whatever is wrong with one checkpoint or data set
            _fail(stage, pair, error)
            if isinstance(error, PictureError):
                stage.spoiled[pair.task] = error
            _forget_frames(error)
    return left


def _forget_frames(error: BaseException) -> None:
    """Let an error that is kept not keep what was at hand when it was raised, such as the encoder."""
    chain: BaseException | None = error
    while chain is not None:
        chain.__traceback__ = None
        chain = chain.__cause__ or chain.__context__


def _rows(stage: Stage, task_name: str) -> Rows:
    if task_name in stage.spoiled:
        raise stage.spoiled[task_name]
    return stage.opened(task_name)


def _look_ahead(stage: Stage, label: str) -> None:
    """Let the weights of a checkpoint be downloaded beside the work, where its family does that."""
    if stage.survey.members[label].family.downloads:
        ahead(stage.identified, label)


def _load(work: Work, identity: Identity, device: str) -> Encoder:
    """Load what was identified; files that changed since, here or on the hub, are another checkpoint."""
    encoder = load_encoder(work, device)
    if identity.files and identify(work.family, work.checkpoint) != identity:
        raise InputError(
            f"the files of {work.checkpoint.title} changed during the sweep; the same command evaluates them "
            "as they are now."
        )
    return encoder


def _finish(stage: Stage, pair: Pair, unit: Unit, load: Callable[[], Encoder]) -> None:
    started = time.perf_counter()
    store.check_writable(stage.survey.results)  # before hours of work that could not be kept
    outcome = evaluate_unit(
        unit,
        stage.survey.results,
        load,
        lambda _, done, total: stage.report(Working(pair=pair, done=done, total=total)),
    )
    store.forget_failure(stage.survey.results, task=pair.task, checkpoint=pair.checkpoint)
    evaluation, ran = outcome.evaluation, not outcome.skipped
    encoded = ran and evaluation.run.seconds.encode_images > 0  # else its embeddings were in the cache
    stage.report(
        Ended(
            pair=pair,
            outcome="ran" if ran else "skipped",
            run=evaluation.run,
            notices=evaluation.notices,
            pictures=unit.rows.n_images if encoded else 0,
            seconds=time.perf_counter() - started if ran else 0.0,
        )
    )


def _fail(stage: Stage, pair: Pair, error: BaseException) -> None:
    """Record and report a pair that failed; what nobody foresaw is shown with its traceback."""
    sentence = str(error)
    if not isinstance(error, InputError):
        sentence = f"{type(error).__name__}: {first_line(error)}"
        notice(f"{pair.checkpoint} on {pair.task} failed in a way that is not foreseen:\n" + _traceback(error))
    ended = Ended(pair=pair, outcome="failed", sentence=sentence)
    record_failure(stage.survey.results, ended, environment=describe(stage.survey.device))
    stage.report(ended)


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()
