"""Class names × templates → prompts, each distinct one once."""

from __future__ import annotations

from collections.abc import Sequence

from clipkstar.errors import InputError

SLOTS = ("{c}", "{}")


def render(template: str, class_name: str) -> str:
    """Put the class name in the template's `{}` or `{c}`; braces inside the class name stay as they are."""
    for slot in SLOTS:
        if slot in template:
            return template.replace(slot, class_name)
    raise InputError(f"the template '{template}' has no {{}} for the class name; write it where the name goes.")


def distinct_prompts(class_names: Sequence[str], templates: Sequence[str]) -> tuple[list[str], list[list[int]]]:
    """Return the distinct prompts and, for each class, which of them are its own (one per template).

    Equal class names share their prompts, so that their embeddings are equal to the last bit and tie exactly.
    """
    if not templates or isinstance(templates, str) or not all(isinstance(template, str) for template in templates):
        raise InputError(
            f"the templates are {templates!r}; they need to be a tuple of strings, such as ('a photo of a {{}}.',)."
        )
    positions: dict[str, int] = {}
    by_class = [
        [positions.setdefault(render(template, name), len(positions)) for template in templates] for name in class_names
    ]
    return list(positions), by_class
