"""From a folder of runs to a baseline file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.regression.baseline_file import check_place, write_baseline
from clipkstar.regression.pairing import refuse_troubles, wanted_tasks
from clipkstar.regression.sides import read_side

if TYPE_CHECKING:
    from clipkstar.run import Evaluation


def save(runs: Path, out: Path, *, model: str | None = None, tasks: Sequence[str] = ()) -> tuple[Evaluation, ...]:
    """Write the runs of one checkpoint into a baseline file and return them.

    model: as in sides.read_side. tasks: names; none = all. Raises InputError where a run that is wanted failed or is
    damaged, so that no data set goes missing unseen.
    """
    check_place(out)
    side = read_side(runs, role="baseline", model=model, option="--model")
    wanted = wanted_tasks(side, tasks)
    refuse_troubles(side, tasks)
    chosen = [one.load() for one in side.offered if one.run.task.name in wanted]
    write_baseline(out, chosen)
    return tuple(chosen)
