"""Files of a data set as they lie on the disk: whether they are whole, and why `datasets` does not read them."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.causes import causes, first_line, no_room
from clipkstar.errors import InputError

if TYPE_CHECKING:
    from clipkstar.task import Task

UNREADABLE = (OSError, ValueError, LookupError, EOFError, tarfile.TarError)
"""What `datasets` raises, besides its own errors, for files that are not what their name says."""


def check_whole(task: Task, shard: Path) -> None:
    """Raise InputError for a tar that ends before its end mark; readers would take what is left for all there is."""
    if shard.suffix != ".tar":
        return
    size = shard.stat().st_size
    with shard.open("rb") as file:
        file.seek(max(0, size - 1024))
        tail = file.read()
    if size < 1024 or size % 512 or any(tail):
        raise InputError(
            f"task '{task.name}': the shard '{shard.name}' is cut off (a tar ends in 1,024 zero bytes, this one of "
            f"{size} bytes does not); fetch or make it again."
        )


def unreadable(task: Task, files: Sequence[Path], error: Exception) -> InputError:
    """Say in one sentence why `datasets` does not read a task's files."""
    chain = causes(error)
    if reason := no_room(chain):
        return InputError(
            f"the disk has no room for the table of task '{task.name}' ({reason}); free space, or let HF_HOME name a "
            "folder on another disk, then repeat the command."
        )
    if "corresponds to no data" in str(error):  # what `datasets` says of a file without rows
        return InputError(f"task '{task.name}' has no images at all; check its data_files and split.")
    for tar in (file for file in files if file.suffix == ".tar"):
        if spoiled := _spoiled(tar):
            return InputError(f"task '{task.name}': {spoiled}")
    cause: BaseException = error
    while cause.__cause__:  # `datasets` wraps what went wrong in a sentence that says only that it did
        cause = cause.__cause__
    reason = f"{type(cause).__name__}: {(str(cause).splitlines() or ['no reason given'])[0]}"
    return InputError(f"task '{task.name}' cannot read its data ({reason}); check its dataset and the files.")


def _spoiled(shard: Path) -> str:
    """Say what is wrong with the samples of a tar; "" = each has the same members as the one before it."""
    samples: dict[str, list[str]] = {}
    try:
        with tarfile.open(shard) as tar:
            for name in tar.getnames():
                folder, slash, file = name.rpartition("/")
                key, _, column = file.partition(".")
                samples.setdefault(folder + slash + key, []).append(column)
    except (OSError, EOFError, tarfile.TarError) as error:
        return f"the shard '{shard.name}' is no tar ({first_line(error)}); fetch or make it again."
    if not samples:
        return f"the shard '{shard.name}' holds no sample; fetch or make it again."
    for before, key in pairwise(samples):
        has, had = (", ".join(sorted(samples[sample])) for sample in (key, before))
        if has != had:
            return (
                f"in the shard '{shard.name}' the sample '{key}' has {has}, '{before}' has {had}; each needs an image "
                "and a label, so repair or remove it."
            )
    return ""
