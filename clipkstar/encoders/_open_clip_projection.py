"""Image towers of open_clip without their last step, the projection to the space where the text embeddings lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.errors import InputError

if TYPE_CHECKING:
    import torch
    from open_clip.timm_model import TimmModel


def drop_projection(name: str, tower: torch.nn.Module) -> None:
    """Take the projection out of an image tower, in place; raises InputError if it has none of its own."""
    from open_clip.modified_resnet import ModifiedResNet
    from open_clip.timm_model import TimmModel
    from open_clip.transformer import VisionTransformer

    dropped = False
    if isinstance(tower, VisionTransformer) and tower.proj is not None:
        tower.proj = None
        dropped = True
    elif isinstance(tower, ModifiedResNet):
        _project_to_itself(tower.attnpool.c_proj)
        dropped = True
    elif isinstance(tower, TimmModel):
        dropped = _drop_from_timm(tower)
    if not dropped:
        raise InputError(
            f"the image tower of '{name}' ends without a projection, so it has no space before one; use --space output."
        )


def _project_to_itself(linear: torch.nn.Linear) -> None:
    """Make a linear layer return its input, exactly: the attention of a ResNet reads its weights, it is not called."""
    import torch

    weight = torch.eye(linear.in_features, dtype=linear.weight.dtype, device=linear.weight.device)
    linear.weight = torch.nn.Parameter(weight, requires_grad=False)
    linear.bias = torch.nn.Parameter(weight.new_zeros(linear.in_features), requires_grad=False)


def _drop_from_timm(tower: TimmModel) -> bool:
    """Drop open_clip's own projection or, where there is none, the classifier of timm that serves as one."""
    import torch

    for owner, layer in ((tower.head, "proj"), (tower.head, "mlp"), (getattr(tower.head, "pool", None), "proj")):
        if owner is not None and hasattr(owner, layer):
            setattr(owner, layer, torch.nn.Identity())
            return True
    if not isinstance(tower.trunk.get_classifier(), torch.nn.Linear):
        return False
    tower.trunk.reset_classifier(0)
    return True
