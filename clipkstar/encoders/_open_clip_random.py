"""open_clip models with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.encoders._open_clip_refusals import unbuildable
from clipkstar.encoders._random_weights import seeded

if TYPE_CHECKING:
    import torch

    from clipkstar.encoder import Precision
    from clipkstar.encoders._open_clip_files import Located


def build_random(located: Located, model: str, *, device: str, precision: Precision) -> torch.nn.Module:
    """Build the model with seeded random weights; the caller's random numbers go on as if nothing had been drawn.

    model: its name in errors.
    """
    import open_clip
    import torch

    try:
        with seeded():
            built: torch.nn.Module = open_clip.create_model(
                located.name,
                load_weights=False,
                pretrained_text=False,
                precision=precision,
                device=device,
                quick_gelu=located.quick_gelu,
            )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # open_clip, timm and transformers refuse a config with many types
        raise unbuildable(model, error) from error
    return built.eval()
