"""The bundled tiny models: open_clip models in open_clip's own folder format, so they load as any checkpoint does."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from clipkstar.checkpoint import Checkpoint
from clipkstar.encoder import Family, Request
from clipkstar.encoders import open_clip
from clipkstar.errors import InputError, UnknownNameError

FOLDER = Path(str(files("clipkstar.zoo")))


def checkpoints() -> tuple[Checkpoint, ...]:
    """Every bundled checkpoint: a folder clipkstar/zoo/<model>/<pretrained>."""
    return tuple(
        Checkpoint(
            family="zoo",
            model=config.parent.parent.name,
            pretrained=config.parent.name,
            lineage=f"zoo/{config.parent.parent.name}",
            source=f"local-dir:{config.parent}",
            summary="bundled; the end of its training" if config.parent.name == "final" else "bundled; an early stage",
        )
        for config in sorted(FOLDER.glob("*/*/open_clip_config.json"))
    )


def resolve(request: Request) -> Checkpoint:
    """Find the bundled checkpoint of exactly that model and tag."""
    of_model = {known.pretrained: known for known in checkpoints() if known.model == request.model}
    if not of_model:
        raise UnknownNameError("model", request.model, {known.model for known in checkpoints()})
    for given, option in ((request.config_file, "--model-config"), (request.activation, "--activation")):
        if given:
            raise InputError(f"'{request.model}' is bundled with its config; leave {option} out.")
    if not request.pretrained:
        raise InputError(f"'{request.model}' needs --pretrained: {', '.join(of_model)}.")
    if request.pretrained not in of_model:
        raise UnknownNameError(f"'{request.model}' tag", request.pretrained, of_model)
    return of_model[request.pretrained]


FAMILY = Family(
    name="zoo",
    version=open_clip.FAMILY.version,
    summary="tiny models bundled with clipkstar, for trying things out without a network",
    resolve=resolve,
    identify=open_clip.identify,
    load=open_clip.load,
    checkpoints=checkpoints,
    load_pre_projection=open_clip.load_pre_projection,
    describe=open_clip.FAMILY.describe,
)
