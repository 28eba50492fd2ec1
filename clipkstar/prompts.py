"""Class names × templates → prompts, each distinct one once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipkstar.errors import InputError

SLOTS = ("{c}", "{}")

Prompts = tuple[tuple[str, ...], ...]
"""For each class, in label order, its prompts."""


def render(template: str, class_name: str) -> str:
    """Put the class name in the template's `{}` or `{c}`; braces inside the class name stay as they are."""
    for slot in SLOTS:
        if slot in template:
            return template.replace(slot, class_name)
    raise InputError(f"the template '{template}' has no {{}} for the class name; write it where the name goes.")


def prompts_of(class_names: Sequence[str], templates: Sequence[str]) -> Prompts:
    """Return every template filled with each class name; raises InputError for templates that cannot be."""
    if not templates or isinstance(templates, str) or not all(isinstance(template, str) for template in templates):
        raise InputError(
            f"the templates are {templates!r}; they need to be a tuple of strings, such as ('a photo of a {{}}.',)."
        )
    return tuple(tuple(render(template, name) for template in templates) for name in class_names)


def prompts_by_name(class_names: Sequence[str], by_class: Mapping[str, Sequence[str]]) -> Prompts:
    """Return the prompts written out for each class name; raises InputError where one is missing or empty."""
    for name in class_names:
        texts = by_class.get(name)
        if texts is None:
            raise InputError(
                f"the prompts have no class '{name}'; they need one of each of {len(class_names)} class names."
            )
        if isinstance(texts, str) or not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise InputError(f"the prompts of class '{name}' are {texts!r}; they need to be a list of sentences.")
    unknown = [name for name in by_class if name not in class_names]
    if unknown:
        raise InputError(f"the prompts have the class '{unknown[0]}', which the task has not; remove or correct it.")
    return tuple(tuple(by_class[name]) for name in class_names)


def distinct_prompts(prompts: Prompts) -> tuple[list[str], list[list[int]]]:
    """Return the distinct prompts and, for each class, which of them are its own.

    Equal class names share their prompts, so that their embeddings are equal to the last bit and tie exactly.
    """
    positions: dict[str, int] = {}
    by_class = [[positions.setdefault(text, len(positions)) for text in texts] for texts in prompts]
    return list(positions), by_class
