"""The words of a task: its class names and prompts, its own or those that the user gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clipkstar.data.class_name_files import class_names_of
from clipkstar.data.prompt_set_files import read_prompt_set
from clipkstar.data.text_lines import read_lines
from clipkstar.errors import InputError, UnknownNameError
from clipkstar.prompts import Prompts, prompts_by_name, prompts_of
from clipkstar.task import OpenClipList, PromptSet, RepositoryFile, Task, Words


@dataclass(frozen=True, kw_only=True)
class PromptChoice:
    """What the user gave instead of a task's own words; None = the task's own.

    class_names: text file, one name a line in label order, or a mapping (clipkstar.data.class_name_files).
    templates: text file, one a line.
    prompts: name of a prompt set of the task; a JSON file {class name: [prompt, …]}; a JSON file of a list of prompt
        sets, then with `:name` behind the file where it holds several.
    """

    class_names: Path | None = None
    templates: Path | None = None
    prompts: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wording:
    """The words that a task is evaluated with.

    class_names: in label order. templates: as in Task; () where prompts are written out for each class.
    prompts: for each class its prompts. prompt_set: name of the chosen set or files, "" = the task's own words.
    """

    class_names: tuple[str, ...]
    templates: tuple[str, ...]
    prompts: Prompts
    prompt_set: str = ""


def word(task: Task, choice: PromptChoice, *, label_names: Sequence[str], folder: Path | None) -> Wording:
    """Return a task's words as chosen.

    label_names: names of the data set's own label column, () = it has none. folder: where the files of the task's
    repository lie; None for local data. Raises InputError for class names that are missing, blank, or no strings, for
    templates without a place for the name, and for files that cannot be read.
    """
    chosen = _as_chosen(task, choice, label_names, folder)
    if not chosen.prompt_set:
        return chosen
    try:
        own = _as_chosen(task, PromptChoice(), label_names, folder)
    except InputError:  # the reason to give others
        return chosen
    return own if replace(chosen, prompt_set="") == own else chosen


def _as_chosen(task: Task, choice: PromptChoice, label_names: Sequence[str], folder: Path | None) -> Wording:
    if choice.prompts is not None and choice.templates is not None:
        raise InputError("--prompts and --templates were both given; leave one out.")
    chosen = None if choice.prompts is None else _prompt_set(task, choice.prompts)
    if choice.class_names is not None:
        class_names = class_names_of(choice.class_names, label_names)
    elif chosen is not None and chosen.class_names is not None:
        class_names = chosen.class_names
    else:
        class_names = _own_class_names(task, label_names, folder)
    _check_class_names(task, class_names, label_names)
    files = [path.stem for path in (choice.class_names, choice.templates) if path is not None]
    name = "+".join([chosen.name, *files] if chosen else files)
    if chosen is not None and chosen.by_class:
        prompts = prompts_by_name(class_names, chosen.by_class)
        return Wording(class_names=class_names, templates=(), prompts=prompts, prompt_set=name)
    if choice.templates is not None:
        templates = read_lines(choice.templates, "templates")
    else:
        templates = (chosen.templates if chosen else ()) or _read(task, task.templates, folder)
    prompts = prompts_of(class_names, templates)
    return Wording(class_names=class_names, templates=templates, prompts=prompts, prompt_set=name)


def repository_files(task: Task) -> list[str]:
    """Files of the task's repository that hold its words."""
    return [words.path for words in (task.class_names, task.templates) if isinstance(words, RepositoryFile)]


def files_of(task: Task, choice: PromptChoice) -> list[Path]:
    """Files of the user that the words of a choice are read from."""
    chosen = [choice.class_names, choice.templates]
    if choice.prompts is not None and choice.prompts not in {known.name for known in task.prompt_sets}:
        chosen.append(_prompt_file(choice.prompts)[0])
    return [path for path in chosen if path is not None]


def _own_class_names(task: Task, label_names: Sequence[str], folder: Path | None) -> tuple[str, ...]:
    names = tuple(label_names) if task.class_names is None else _read(task, task.class_names, folder)
    if not names:
        raise InputError(
            f"task '{task.name}' has no class names and its label column has none; give class_names, or "
            "--class-names FILE."
        )
    return names


def _check_class_names(task: Task, names: tuple[str, ...], label_names: Sequence[str]) -> None:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"task '{task.name}' has the class names {task.class_names!r}; they need to be a tuple of strings, such as "
            "('cat', 'dog')."
        )
    blank = [index for index, name in enumerate(names) if not name.strip()]
    if blank:
        raise InputError(f"task '{task.name}' has a blank class name for label {blank[0]}; each class needs a name.")
    own = len(task.class_names) if isinstance(task.class_names, tuple) else None
    expected = task.n_classes or own or len(label_names) or len(names)
    if len(names) != expected:
        raise InputError(
            f"task '{task.name}' should have {expected} classes, there are {len(names)} class names; "
            "this is another list or copy of the data."
        )


def _read(task: Task, words: Words, folder: Path | None) -> tuple[str, ...]:
    if isinstance(words, OpenClipList):
        return _open_clip_list(words.name)
    if isinstance(words, RepositoryFile):
        if folder is None:
            raise InputError(f"task '{task.name}' takes its words from a repository but reads local files; name them.")
        if not (folder / words.path).is_file():
            raise InputError(
                f"the repository of task '{task.name}' has no '{words.path}'; give --class-names FILE and --templates "
                "FILE for what it lacks."
            )
        return read_lines(folder / words.path, "words")
    return words


def _open_clip_list(name: str) -> tuple[str, ...]:
    """Names as open_clip has them; its templates are functions, which are asked for the place of the name."""
    from open_clip import zero_shot_metadata

    return tuple(entry("{c}") if callable(entry) else str(entry) for entry in getattr(zero_shot_metadata, name))


def _prompt_set(task: Task, wanted: str) -> PromptSet:
    """Find a prompt set by its name in the task, or in a JSON file."""
    named = {known.name: known for known in task.prompt_sets}
    if wanted in named:
        return named[wanted]
    path, name = _prompt_file(wanted)
    if path.is_file():
        return read_prompt_set(path, name)
    if path.suffix == ".json":
        raise InputError(f"there is no file of prompts '{path}'; check the path.")
    raise UnknownNameError("prompt set", wanted, named)


def _prompt_file(wanted: str) -> tuple[Path, str | None]:
    """Split FILE:NAME into the file and the name of a prompt set in it; None = none is named."""
    path = Path(wanted)
    if path.is_file() or ":" not in wanted:
        return path, None
    before, _, name = wanted.rpartition(":")
    return Path(before), name
