"""A disk that is full after a few bytes, and one that cannot be written to."""

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(folder: Path, n_bytes: int) -> Iterator[None]:
    """Mount a tmpfs of that size on a new folder; where nobody may mount one, no file may be larger meanwhile."""
    folder.mkdir()
    if _as_root("mount", "-t", "tmpfs", "-o", f"size={n_bytes},mode=777", "tmpfs", str(folder)):
        try:
            yield
        finally:
            assert _as_root("umount", "--lazy", str(folder))
        return
    with small_files(n_bytes):
        yield


@contextmanager
def small_files(n_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond that size meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write into a folder meanwhile: mounted read-only, else without the right to."""
    if _as_root("mount", "--bind", str(folder), str(folder)):
        try:
            assert _as_root("mount", "-o", "remount,bind,ro", str(folder))
            yield
        finally:
            assert _as_root("umount", "--lazy", str(folder))
        return
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o500)
    try:
        yield
    finally:
        for path in folders:
            path.chmod(0o700)


def _as_root(*command: str) -> bool:
    for prefix in ([], ["sudo", "-n"]):
        try:
            if subprocess.run([*prefix, *command], capture_output=True).returncode == 0:
                return True
        except FileNotFoundError:
            continue
    return False
