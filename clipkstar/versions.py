"""Versions of installed packages, each looked up once: reading one takes milliseconds."""

from functools import cache
from importlib import metadata


@cache
def version(package: str) -> str:
    """Return the version of an installed package; raises importlib.metadata.PackageNotFoundError."""
    return metadata.version(package)
