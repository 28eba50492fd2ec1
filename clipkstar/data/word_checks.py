"""What is wrong or odd about a task's words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clipkstar.data.class_name_files import WORDNET_ID
from clipkstar.data.words import PromptChoice, Wording, word
from clipkstar.errors import InputError
from clipkstar.prompts import distinct_prompts, render
from clipkstar.task import Task

ANY_NAME = "x"
"""Stands in for a class name where only the template is looked at; free of all that makes a prompt odd."""


@dataclass(frozen=True, kw_only=True)
class WordFindings:
    """What was found about a task's words; None and () where a problem kept it from being found.

    class_names: in label order. repeated_names: those of several classes. odd_names, odd_templates: sentences.
    n_prompts: of all classes; n_distinct_prompts: how many of these differ. problems: what keeps the task from being
    evaluated.
    """

    class_names: tuple[str, ...] = ()
    repeated_names: tuple[str, ...] = ()
    odd_names: tuple[str, ...] = ()
    odd_templates: tuple[str, ...] = ()
    n_prompts: int | None = None
    n_distinct_prompts: int | None = None
    problems: tuple[str, ...] = ()


def check_words(task: Task, *, label_names: Sequence[str], folder: Path | None) -> WordFindings:
    """Look at class names, templates and prompt sets, each for itself, so that one fault hides no other.

    label_names, folder: as in `clipkstar.data.words.word`.
    """
    problems: list[str] = []

    def trial(variant: Task, choice: PromptChoice | None = None) -> Wording | None:
        try:
            return word(variant, choice or PromptChoice(), label_names=label_names, folder=folder)
        except InputError as error:
            problems.append(str(error))
            return None

    named = trial(replace(task, templates=("{}",), n_classes=None))
    filled = trial(replace(task, class_names=(ANY_NAME,), n_classes=None))
    whole = trial(task)
    for prompt_set in task.prompt_sets:
        trial(task, PromptChoice(prompts=prompt_set.name))
    names = named.class_names if named else _unfit_names(task, label_names)
    return WordFindings(
        class_names=names,
        repeated_names=tuple(name for name, count in Counter(names).items() if count > 1),
        odd_names=tuple(sentence for name in dict.fromkeys(names) if (sentence := _odd_name(name))),
        odd_templates=_odd_templates(filled.templates if filled else ()),
        n_prompts=sum(map(len, whole.prompts)) if whole else None,
        n_distinct_prompts=len(distinct_prompts(whole.prompts)[0]) if whole else None,
        problems=tuple(dict.fromkeys(problems)),
    )


def _unfit_names(task: Task, label_names: Sequence[str]) -> tuple[str, ...]:
    """Return class names that `word` refuses, where they are at hand as strings."""
    names = tuple(label_names) if task.class_names is None else task.class_names
    return names if isinstance(names, tuple) and all(isinstance(name, str) for name in names) else ()


def _odd_name(name: str) -> str | None:
    if name != " ".join(name.split()):
        return f"the class name '{name}' has blanks at an end or several in a row."
    if "_" in name:
        return f"the class name '{name}' has underscores, which no text tower read in captions."
    if name.isdigit():
        return f"the class name '{name}' is a number only; a word says more to a text tower."
    if WORDNET_ID.fullmatch(name):
        return f"the class name '{name}' is a WordNet id, which no text tower can read."
    return None


def _odd_templates(templates: tuple[str, ...]) -> tuple[str, ...]:
    twice = [template for template, count in Counter(templates).items() if count > 1]
    odd = [sentence for template in dict.fromkeys(templates) if (sentence := _odd_template(template))]
    return (*odd, *(f"the template '{template}' stands there several times." for template in twice))


def _odd_template(template: str) -> str | None:
    prompt = render(template, ANY_NAME)
    if re.search(r"[{}]", prompt):
        return f"the template '{template}' gives prompts with braces, such as '{prompt}'."
    if prompt != " ".join(prompt.split()):
        return f"the template '{template}' gives prompts with blanks at an end or several in a row."
    return None
