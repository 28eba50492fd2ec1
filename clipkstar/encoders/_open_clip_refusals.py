"""What is wrong with a checkpoint that open_clip does not load, or loads into something it was not trained for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.errors import InputError

if TYPE_CHECKING:
    import torch


def unloadable(model: str, weights: Path, error: Exception) -> InputError:
    """Say in one sentence why open_clip could not fill the model with the weights."""
    name, reason = weights.name, str(error)
    if isinstance(error, ImportError) or "pip install" in reason or "unexpected keyword argument" in reason:
        return unbuildable(model, error)
    if "not implemented for 'Half'" in reason:  # open_clip fails to stretch half-precision positions to another size
        return InputError(
            f"'{name}' was trained with another image size or context length than '{model}' has; "
            "name the model it was trained as."
        )
    if "state_dict" in reason:
        return InputError(
            f"'{name}' holds weights of another architecture than '{model}' "
            f"({_first_difference(reason)}); name the model it was trained as."
        )
    if "weights_only" in reason or "Weights only load" in reason:
        return InputError(
            f"'{name}' is a pickle that wants to run code, which clipkstar never does; save the plain state_dict, "
            "best as .safetensors."
        )
    what = _line(reason) or type(error).__name__
    return InputError(f"'{name}' is no readable checkpoint, perhaps truncated ({what}); fetch or save it again.")


def unbuildable(model: str, error: Exception) -> InputError:
    """Say in one sentence why open_clip could not build the model that its config describes."""
    reason = str(error)
    if isinstance(error, ImportError) or "pip install" in reason:
        return InputError(f"'{model}' needs a package that is not installed ({_line(reason)}); install it.")
    if "unexpected keyword argument" in reason:
        return InputError(f"open_clip does not know every key of the model config ({_line(reason)}); correct it.")
    what = _line(reason) or type(error).__name__
    return InputError(f"open_clip cannot build '{model}' from its config ({what}); correct it.")


def check_positions(name: str, weights: Path, model: torch.nn.Module) -> None:
    """Raise InputError if the file's position embeddings are of another size than the model's.

    open_clip stretches them without a word, and the model then computes something it was not trained for.
    """
    there = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    try:
        shapes = _position_shapes(weights)
    except OSError as error:  # it was there a moment ago
        raise unloadable(name, weights, error) from error
    for key, shape in shapes.items():
        expected = there.get(key) or there.get(f"text.{key}", shape)  # open_clip moves a text tower's to "text."
        if expected != shape:
            raise InputError(
                f"'{weights.name}' has positions of shape {shape} in {key}, '{name}' has "
                f"{expected}: another image size or context length; name the model it was trained as."
            )


def _position_shapes(weights: Path) -> dict[str, tuple[int, ...]]:
    import torch
    from safetensors import safe_open

    if weights.suffix == ".safetensors":
        with safe_open(weights, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no dict
    else:
        content = torch.load(weights, map_location="cpu", weights_only=True)
        shapes = {name: tuple(value.shape) for name, value in content.get("state_dict", content).items()}
    return {
        name.removeprefix("module."): shape for name, shape in shapes.items() if name.endswith("positional_embedding")
    }


def _first_difference(reason: str) -> str:
    lines = [line.strip() for line in reason.splitlines()[1:]]
    return next((line[:160] for line in lines if line), reason[:160])


def _line(text: str) -> str:
    return next((line.strip()[:200] for line in text.splitlines() if line.strip()), "")
