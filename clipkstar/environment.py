"""The device to run on, and the versions of what decides a number."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.errors import InputError
from clipkstar.run import Environment

if TYPE_CHECKING:
    from clipkstar.encoder import Device


def pick_device(device: Device) -> str:
    """Return "cuda", "mps" or "cpu"; "auto" takes the first of them that is there. Raises InputError if it is not."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, available in there.items() if available)
    if not there[device]:
        raise InputError(f"--device {device} was asked for, and torch sees none here; use --device auto.")
    return device


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


@cache
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
