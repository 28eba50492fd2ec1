"""A pair that failed, written down."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar import store
from clipkstar.errors import InputError
from clipkstar.notices import notice
from clipkstar.run import SCHEMA, Environment, FailedRun

if TYPE_CHECKING:
    from clipkstar.store import Store
    from clipkstar.sweeps.sweep import Ended


def record_failure(results: Store, ended: Ended, *, environment: Environment) -> None:
    """Write failed.json of a pair; where the store takes nothing any more, that is said and no error."""
    failed = FailedRun(
        schema=SCHEMA,
        status="failed",
        task=ended.pair.task,
        checkpoint=ended.pair.checkpoint,
        sentence=_without_machine(ended.sentence),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment,
    )
    try:
        store.write_failure(results, failed)
    except InputError as unwritable:
        notice(f"the failure of {ended.pair.checkpoint} on {ended.pair.task} is told here only: {unwritable}")


def _without_machine(sentence: str) -> str:
    """Leave out where the working folder and the user's home lie: records name nobody's machine."""
    return sentence.replace(f"{Path.cwd()}/", "").replace(str(Path.home()), "~")
