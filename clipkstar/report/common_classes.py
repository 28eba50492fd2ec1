"""Γ′ of several models as the mean over the same classes: those whose γ is defined for all that count.

A class that becomes perfect has no γ any more and drops out of a model's own mean, so that two such means may be over
different classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.run import Run

PREFIXES = ("", "cosine_")
"""Of the scores and columns of both distances."""

PATTERNS = ("fractured", "overlapped", "clustered")
"""Counts that sum up to the classes of at least two images."""

Gammas = Mapping[str, "NDArray[np.float64]"]
"""Prefix → γ of each class (n_classes,), NaN = undefined; a prefix that was not measured is absent."""


@dataclass(frozen=True, kw_only=True)
class CommonMeans:
    """For one distance.

    values: one for each run; None where it was not measured, or no class of the run has a γ, or none is left; of a run
        that does not count also where it lacks a γ that all that count have.
    n_left_out: classes that the means are not over.
    """

    values: tuple[float | None, ...]
    n_left_out: int


def need_tables(runs: Sequence[Run]) -> bool:
    """Whether the means over the common classes may differ from the runs' own, so that every γ must be known."""
    undefined = [f"{prefix}{name}" for prefix in PREFIXES for name in ("gamma_undefined", "singleton_classes")]
    return any(run.scores.get(name) for run in runs for name in undefined)


def read_gammas(runs: Sequence[Run], folders: Sequence[Path]) -> list[Gammas | InputError]:
    """Return the γ of each class from the class table of each run of one data set; nothing else of it is read.

    A table that cannot be read or is another run's gives the error that says so.
    """
    try:
        return list(_all_gammas(runs, folders))
    except InputError:  # of one at least
        return [_own_gammas(run, folder) for run, folder in zip(runs, folders, strict=True)]


def _own_gammas(run: Run, folder: Path) -> Gammas | InputError:
    try:
        return _all_gammas([run], [folder])[0]
    except InputError as error:
        return error


def _all_gammas(runs: Sequence[Run], folders: Sequence[Path]) -> list[Gammas]:
    """Read all tables at once, which is much faster than one by one; raises InputError that names the first."""
    import numpy as np
    import polars as pl

    measured = [prefix for prefix in PREFIXES if any(_is_measured(run, prefix) for run in runs)]
    columns = ["class", *(f"{prefix}gamma" for prefix in measured)]
    try:
        table = pl.read_parquet([folder / "classes.parquet" for folder in folders], columns=columns, glob=False)
        gammas = {prefix: table[f"{prefix}gamma"].cast(pl.Float64).to_numpy() for prefix in measured}
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"the class table of {folders[0]} cannot be read ({reason}); repeat the run with --force."
        ) from error
    n_classes = runs[0].task.n_classes
    if not np.array_equal(table["class"].to_numpy(), np.tile(np.arange(n_classes), len(runs))):
        raise InputError(f"the class table of {folders[0]} is not that of its run.json; repeat the run with --force.")
    of_runs = {prefix: values.reshape(len(runs), n_classes) for prefix, values in gammas.items()}
    return [{prefix: values[number] for prefix, values in of_runs.items()} for number in range(len(runs))]


def common_means(
    runs: Sequence[Run], gammas: Sequence[Gammas] | None, *, counted: Sequence[bool], prefix: str
) -> CommonMeans:
    """Return the mean γ of each run of one data set over the classes whose γ is defined for all runs that count.

    gammas: of each run; None where `need_tables` says that nothing is undefined: then the runs' own Γ′ is that mean. A
    run without any γ takes no class away from the others, having no mean anyway; nor does one that does not count.
    """
    import numpy as np

    own = [run.scores.get(f"{prefix}gamma_approx") for run in runs]
    measured = [number for number, run in enumerate(runs) if counted[number] and _is_measured(run, prefix)]
    there = [number for number in measured if own[number] is not None]
    if not there:
        return CommonMeans(values=(None,) * len(runs), n_left_out=runs[0].task.n_classes if measured else 0)
    if gammas is None:
        of_one = runs[there[0]]
        n_there = [of_one.scores.get(f"{prefix}{pattern}") for pattern in PATTERNS]
        n_classes = of_one.task.n_classes
        return CommonMeans(values=tuple(own), n_left_out=n_classes - int(sum(n or 0 for n in n_there)))
    common = np.all([~np.isnan(gammas[number][prefix]) for number in there], axis=0)
    return CommonMeans(
        values=tuple(_mean(of_run.get(prefix), common) for of_run in gammas), n_left_out=int((~common).sum())
    )


def _mean(gamma: NDArray[np.float64] | None, common: NDArray[np.bool_]) -> float | None:
    """Return the mean over the common classes; None where there is none, or one of them has no γ."""
    if gamma is None or not common.any():
        return None
    mean = float(gamma[common].mean())
    return None if mean != mean else mean


def _is_measured(run: Run, prefix: str) -> bool:
    return f"{prefix}gamma_approx" in run.scores
