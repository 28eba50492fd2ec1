"""Where the weights of an open_clip checkpoint are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.encoders._downloads import first_file
from clipkstar.encoders._open_clip_files import RANDOM, alternatives, from_hub, scheme_of
from clipkstar.encoders._open_clip_known_names import tag_config
from clipkstar.errors import InputError

if TYPE_CHECKING:
    from clipkstar.checkpoint import Checkpoint


def weights_of(checkpoint: Checkpoint) -> Path | None:
    """Find the weights, downloading what open_clip would download; None = they are random.

    Raises UnreachableError where they are neither cached nor reachable.
    """
    scheme = scheme_of(checkpoint.source)
    place = checkpoint.source.removeprefix(scheme or "")
    if scheme == "local-dir:":
        return _weights_in(Path(place))
    if scheme:
        return from_hub(place, None)
    if checkpoint.source:
        return None if checkpoint.source == RANDOM else Path(checkpoint.source)
    return _weights_of_tag(checkpoint.model, checkpoint.pretrained)


def cached_weights(checkpoint: Checkpoint) -> Path | None:
    """Find the weights of a tag where a download would have put them; asks no network."""
    from huggingface_hub import try_to_load_from_cache

    place: str = tag_config(checkpoint.model, checkpoint.pretrained).get("hf_hub", "")
    repository, _, filename = place.rpartition("/")
    for name in alternatives(filename or None):
        found = try_to_load_from_cache(repository, name) if repository else None
        if isinstance(found, str):
            return Path(found)
    return None


def _weights_of_tag(name: str, tag: str) -> Path:
    config = tag_config(name, tag)
    place: str = config.get("hf_hub", "")
    repository, _, filename = place.rpartition("/")
    if not repository:  # none in open_clip 3.3.0, which would also take a half-written file of such a one for whole
        raise InputError(
            f"the weights '{tag}' of '{name}' lie outside the hub; fetch {config.get('url')} and give the file as "
            "--pretrained."
        )
    return first_file(repository, alternatives(filename or None), what=f"weights '{tag}' of '{name}' (from '{place}')")


def _weights_in(folder: Path) -> Path:
    first = folder / "open_clip_model.safetensors"  # which open_clip prefers to all others
    if first.is_file():
        return first
    from open_clip.factory import _find_checkpoint_in_dir

    found = _find_checkpoint_in_dir(folder)
    if not found:
        raise InputError(f"'{folder}' holds no weights; it needs an open_clip_model.safetensors.")
    return Path(found)
