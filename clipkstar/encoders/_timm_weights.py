"""The weights of a timm model: found, downloaded, read without running code, and filled in without gaps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipkstar.encoders._downloads import fetched, first_file
from clipkstar.encoders._random_weights import seeded
from clipkstar.errors import InputError

if TYPE_CHECKING:
    import torch

    from clipkstar.checkpoint import Checkpoint

RANDOM = "random"
"""The value of --pretrained that asks for random weights; no other does."""
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""Weights in a timm repository, in the order in which timm takes them."""

PretrainedConfig = dict[str, Any]
"""timm's pretrained_cfg of a tag, whose keys differ from tag to tag."""


def timm_name(checkpoint: Checkpoint) -> str:
    """Architecture and tag as timm writes them; a file or random weights take the architecture's first tag."""
    given = checkpoint.source or checkpoint.pretrained == RANDOM
    return checkpoint.model if given else f"{checkpoint.model}.{checkpoint.pretrained}"


def pretrained_config(checkpoint: Checkpoint) -> PretrainedConfig:
    """What timm knows of the tag: where its weights are and what its pictures look like."""
    from timm.models import get_pretrained_cfg

    found = get_pretrained_cfg(timm_name(checkpoint), allow_unregistered=True)
    return dict(found.to_dict()) if found else {}


def weights_file(checkpoint: Checkpoint) -> Path:
    """Find the weights, downloading what is not cached; raises UnreachableError where that cannot be."""
    if checkpoint.source:
        return Path(checkpoint.source)
    config = pretrained_config(checkpoint)
    place = str(config.get("hf_hub_id") or config.get("url"))
    what = f"weights '{checkpoint.pretrained}' of '{checkpoint.model}' (from '{place}')"
    if not config.get("hf_hub_id"):
        return fetched(what, lambda: Path(_from_url(place)))
    repository, revision = hub_place(config)
    return first_file(repository, HUB_FILES, what=what, revision=revision)


def hub_place(config: PretrainedConfig) -> tuple[str, str | None]:
    """Return the repository that a tag's weights lie in, "" = in none, and its revision, None = the newest."""
    repository, _, revision = str(config.get("hf_hub_id") or "").partition("@")
    return repository, revision or None


def build(checkpoint: Checkpoint, weights: Path | None) -> torch.nn.Module:
    """Return the model without its classifier, filled with the weights; None = random ones, always the same.

    timm fills a model that was made without a classifier leniently and leaves what is missing at random; so it is made
    with the classifier of the weights, filled strictly, and stripped of it then.
    """
    import timm
    import torch

    if weights is None:
        with seeded():
            bare: torch.nn.Module = timm.create_model(checkpoint.model, pretrained=False, num_classes=0)
        return bare.eval()
    try:
        state = timm.models.load_state_dict(str(weights), weights_only=True)
        overlay: PretrainedConfig = {"state_dict": state, "custom_load": False}
        if checkpoint.source:
            overlay["num_classes"] = _classes_in(state, pretrained_config(checkpoint))
        filled = timm.create_model(timm_name(checkpoint), pretrained=True, pretrained_cfg_overlay=overlay)
        filled.reset_classifier(0)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # damaged files surface as many types: pickle, zip, safetensors, KeyError, RuntimeError
        raise _unloadable(checkpoint.model, weights, error) from error
    filled.pretrained_cfg.pop("state_dict", None)  # a second copy of the weights
    model: torch.nn.Module = filled.eval()
    return model


def _classes_in(state: dict[str, torch.Tensor], config: PretrainedConfig) -> int:
    """Classes of the classifier in the weights; 0 = they have none."""
    names = config.get("classifier") or ()
    first = names if isinstance(names, str) else next(iter(names), "")
    weight = state.get(f"{first}.weight")
    return 0 if weight is None else len(weight)


def _from_url(url: str) -> str:
    """Let timm fetch a file and check the hash that its address holds; timm knows nothing of offline mode."""
    from urllib.error import URLError

    from huggingface_hub import errors, is_offline_mode
    from timm.models._hub import download_cached_file, get_cache_dir

    name = url.rpartition("/")[2]
    if is_offline_mode() and not (Path(get_cache_dir()) / name).is_file():
        raise errors.OfflineModeIsEnabled(f"{name} is not cached")
    try:
        return str(download_cached_file(url, check_hash=True))
    except URLError as error:
        raise ConnectionError(str(error.reason)) from error


def _unloadable(model: str, weights: Path, error: Exception) -> InputError:
    """Say in one sentence why timm could not fill the model with the weights."""
    reason = str(error)
    if "state_dict" in reason:
        lines = [line.strip() for line in reason.splitlines()[1:]]
        first = next((line[:160] for line in lines if line), reason[:160])
        return InputError(
            f"'{weights.name}' holds weights of another architecture than '{model}' ({first}); "
            "name the model it was trained as."
        )
    if "weights_only" in reason or "Weights only load" in reason:
        return InputError(
            f"'{weights.name}' is a pickle that wants to run code, which clipkstar never does; save the plain "
            "state_dict, best as .safetensors."
        )
    what = " ".join(reason.split())[:200] or type(error).__name__
    return InputError(f"'{weights.name}' is no readable checkpoint, perhaps truncated ({what}); save it again.")
