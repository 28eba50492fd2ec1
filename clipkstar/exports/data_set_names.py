"""What data sets are called where only some of their runs are seen: in a card, in a table that is passed on.

Reports name a data set by what differs from the largest one of its task. Here a name says all that is unlike the
default, so that a run has the same name whatever else is exported with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from clipkstar.data_sets import HASH_LENGTH, Key, key_of

if TYPE_CHECKING:
    from clipkstar.run import Run


def data_set_names(runs: Sequence[Run]) -> dict[Key, str]:
    """Return a name for each data set of the runs: the task, in parentheses sample, prompts, precision and space.

    The defaults (all images, the task's own words, fp32, output) go unsaid. Where images or words of one name differ, a
    part of the fingerprint tells them apart.
    """
    names = {key_of(run): _name(run) for run in runs}
    taken = Counter(names.values())
    return {
        key: f"{name} ({key.fingerprint[:HASH_LENGTH]})" if taken[name] > 1 else name for key, name in names.items()
    }


def _name(run: Run) -> str:
    said = []
    if run.task.limit is not None:
        said.append(f"sample of {run.task.limit}")
    if run.protocol.prompt_set:
        said.append(f"prompts {run.protocol.prompt_set}")
    if run.protocol.precision != "fp32":
        said.append(run.protocol.precision)
    if run.protocol.space != "output":
        said.append(run.protocol.space)
    return f"{run.task.name} ({', '.join(said)})" if said else run.task.name
