"""From what the user named to results: folders of runs, and files of CLIP_benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from clipkstar.errors import InputError, UnknownNameError
from clipkstar.exports.clip_benchmark_results import KINDS, clip_benchmark_results
from clipkstar.exports.result import Result
from clipkstar.exports.run_results import run_results
from clipkstar.exports.titles import listed
from clipkstar.run import Run
from clipkstar.stored_runs import read_stored


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which results are wanted. model: a model, MODEL/PRETRAINED, a title, or a pattern; None, () = all."""

    model: str | None = None
    tasks: tuple[str, ...] = ()


def gather(places: Sequence[Path], choice: Choice) -> tuple[list[Result], list[str]]:
    """Return the results of several places, those of runs first, and what was left out, in sentences.

    places: folders of runs as read_stored takes them, and files that clip_benchmark_results reads. Raises InputError as
    these do, for a pattern that no checkpoint matches, and for a task that nothing was evaluated on.
    """
    files = sorted({place for place in places if place.suffix.lower() in KINDS and not place.is_dir()})
    folders = [place for place in places if place not in files]
    stored, notices = read_stored(folders) if folders else ([], [])
    published: dict[tuple[str, str, str], Result] = {}
    for file in files:
        found, told = clip_benchmark_results(file)
        notices += told
        for result in found:
            key = (result.data_set, result.checkpoint, result.prompt_set)
            if published.setdefault(key, result) != result:
                raise InputError(
                    f"'{file.name}' has another result of {result.model} {result.pretrained} on {result.data_set} than "
                    "a file before it; leave one out."
                )
    runs = [one.run for one in stored]
    chosen = _chosen(choice, [*map(_names_of_run, runs), *map(_names_of_result, published.values())])
    results, told = run_results([run for run in runs if _names_of_run(run) in chosen])
    results += [published[key] for key in sorted(published) if _names_of_result(published[key]) in chosen]
    if not results:
        raise _nothing_left(files, choice)
    return results, [*notices, *told]


@dataclass(frozen=True, kw_only=True)
class _Names:
    """What a result is chosen by."""

    task: str
    model: str
    pretrained: str
    title: str


def _names_of_run(run: Run) -> _Names:
    checkpoint = run.checkpoint
    return _Names(task=run.task.name, model=checkpoint.model, pretrained=checkpoint.pretrained, title=checkpoint.title)


def _names_of_result(result: Result) -> _Names:
    return _Names(task=result.task, model=result.model, pretrained=result.pretrained, title=result.checkpoint)


def _own(names: _Names) -> tuple[str, ...]:
    return names.model, f"{names.model}/{names.pretrained}", f"{names.model} {names.pretrained}", names.title


def _chosen(choice: Choice, every: Sequence[_Names]) -> set[_Names]:
    """Return what is wanted; raises InputError for a task or a pattern that means nothing. An exact name wins."""
    for task in choice.tasks:
        if all(names.task != task for names in every):
            raise UnknownNameError("evaluated task", task, {names.task for names in every})
    pattern = choice.model
    if pattern is None:
        fitting = [*every]
    else:
        exact = [names for names in every if pattern in _own(names)]
        fitting = exact or [names for names in every if any(fnmatchcase(name, pattern) for name in _own(names))]
    if every and not fitting:
        titles = listed(names.title for names in every)
        raise InputError(f"no checkpoint of these results matches '{pattern}'; there are {titles}.")
    return {names for names in fitting if not choice.tasks or names.task in choice.tasks}


def _nothing_left(files: Sequence[Path], choice: Choice) -> InputError:
    if choice.model is not None and choice.tasks:
        return InputError(
            f"nothing that matches '{choice.model}' was evaluated on {' or '.join(choice.tasks)}; choose others with "
            "--model and --task."
        )
    return InputError(f"{' and '.join(repr(str(file)) for file in files)} has no zero-shot result to export.")
