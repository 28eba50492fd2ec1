"""Files of weights: which names mean one, and the hash that names the weights in them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clipkstar import hub
from clipkstar.caching.file_hashes import file_sha256
from clipkstar.causes import first_line
from clipkstar.errors import InputError

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


def training_run(path: Path, stem: str) -> str:
    """Name the training run that a file of weights comes from, by its folder and its name without a number at its end.

    epoch_3 and epoch_12 are stages of one run; open_clip keeps them in <run>/checkpoints.
    """
    folder = path.resolve().parent
    if folder.name == "checkpoints":
        folder = folder.parent
    return f"{folder.name}/" + re.sub(r"[_-]?\d+$", "", stem)


def weights_sha256(weights: Path) -> str:
    """Hex digest of the weights; raises InputError if they are gone, or are not what the hub announced."""
    with _readable(weights):
        hub.check_cached(weights, f"file '{weights.name}'")
        return file_sha256(weights)


def sha256_of(file: Path) -> str:
    """Hex digest of another file of a model; raises InputError if it cannot be read."""
    with _readable(file):
        return file_sha256(file)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"the file '{file}' cannot be read ({error.strerror or first_line(error)}); restore it, or name another."
        ) from error
