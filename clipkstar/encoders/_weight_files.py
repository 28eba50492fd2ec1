"""Files of weights: which names mean one, and the hash that names the weights in them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from clipkstar import hub
from clipkstar.errors import InputError
from clipkstar.file_hashes import file_sha256

WEIGHT_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")


def names_a_file(pretrained: str, suffixes: Sequence[str] = WEIGHT_SUFFIXES) -> bool:
    """Whether a value of --pretrained means a file, that may be missing, and no tag."""
    return Path(pretrained).suffix in suffixes or os.sep in pretrained or Path(pretrained).is_file()


def existing_file(pretrained: str) -> Path:
    """Return the file; raises InputError if there is none."""
    path = Path(pretrained)
    if not path.is_file():
        raise InputError(f"there is no checkpoint file '{path}'; check the path.")
    return path


def training_run(stem: str) -> str:
    """Return a file's name without the number at its end: epoch_3 and epoch_12 are stages of one training run."""
    return re.sub(r"[_-]?\d+$", "", stem)


def weights_sha256(weights: Path) -> str:
    """Hex digest of the weights; raises InputError if a downloaded file is not what the hub announced."""
    hub.check_cached(weights, f"file '{weights.name}'")
    return file_sha256(weights)
