"""The device to run on, and the versions of what decides a number."""

from __future__ import annotations

import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.errors import InputError
from clipkstar.run import Environment
from clipkstar.versions import version

if TYPE_CHECKING:
    from clipkstar.encoder import Device


DEVICE_FILES = Path("/dev")
ACCELERATORS = ("nvidia*", "nvhost*", "kfd", "dxg")
"""Files in which Linux shows GPUs to programs: NVIDIA's, those of its small boards, AMD's, and those of Windows in its
subsystem for Linux."""


def pick_device(device: Device) -> str:
    """Return "cuda", "mps" or "cpu"; "auto" takes the first of them that is there. Raises InputError if it is not.

    torch, which takes seconds to import, is asked only where there may be something else than a CPU.
    """
    if device == "cpu" or (device == "auto" and not _may_have_accelerator()):
        return "cpu"
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, available in there.items() if available)
    if not there[device]:
        raise InputError(f"--device {device} was asked for, and torch sees none here; use --device auto.")
    return device


def _may_have_accelerator() -> bool:
    if platform.system() != "Linux" or "torch" in sys.modules:
        return True
    return any(True for pattern in ACCELERATORS for _ in DEVICE_FILES.glob(pattern))


def describe(device: str) -> Environment:
    """Describe this process's environment; device: "cpu", "cuda" or "mps"."""
    return Environment(
        clipkstar=_version("clipkstar"),
        open_clip=_version("open_clip_torch"),
        torch=_version("torch"),
        datasets=_version("datasets"),
        faiss=_version("faiss-gpu", "faiss-cpu"),
        numpy=_version("numpy"),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        device=_device_name(device),
        commit=_commit(),
    )


def _version(*distributions: str) -> str:
    for distribution in distributions:
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return ""


def _device_name(device: str) -> str:
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return device


@cache
def _commit() -> str | None:
    """Commit of the checkout that clipkstar runs from; None for an installed copy."""
    checkout = Path(__file__).parent.parent
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed command
    except OSError:
        return None
    return answer.stdout.strip() or None
