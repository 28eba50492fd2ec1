"""Which activation the weights of open_clip were trained with: since 2.29 a plain model name no longer tells."""

from __future__ import annotations

from clipkstar.checkpoint import Activation
from clipkstar.encoders._open_clip_known_names import model_config, tag_config
from clipkstar.errors import InputError


def told_by_tag(model: str, tag: str) -> Activation | None:
    """Return what the tag's own configuration asks for; None = the model's configuration contradicts its silence."""
    of_tag = tag_config(model, tag).get("quick_gelu")
    if of_tag is None and (model_config(model) or {}).get("quick_gelu"):
        return None
    return "quick_gelu" if of_tag else "gelu"


def activation_of_tag(model: str, tag: str, asked: Activation | None) -> Activation:
    """Return the activation to run; raises InputError if it cannot be told, or is told and another one is asked for."""
    told = told_by_tag(model, tag)
    if told is None and asked is None:
        raise InputError(
            f"it cannot be told whether the weights '{tag}' of '{model}' were trained with quick_gelu, as the model's "
            "configuration says, or with gelu, as the tag's has it; say which with --activation."
        )
    if told is not None and asked not in (None, told):
        raise InputError(
            f"the weights '{tag}' of '{model}' were trained with {told}, not {asked}; leave --activation out."
        )
    return told or asked or "gelu"


def activation_of_config(config: dict[str, object], asked: Activation | None) -> Activation:
    """Return what the user says, else what the model's configuration does: files come without a tag."""
    return asked or ("quick_gelu" if config.get("quick_gelu") else "gelu")
