"""Downloads with the ordinary clients of package registries, and what to say when that fails."""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

DEFAULT_WORK = Path("~/.cache/clipkstar/sources")


class SourceError(Exception):
    """A source cannot be had; the message is one sentence for the person who runs the script."""


def run(command: list[str], folder: Path) -> None:
    """Runs a fetching tool in `folder`; a missing tool or a failure is one sentence."""
    line = " ".join(command)
    if shutil.which(command[0]) is None:
        raise SourceError(f"{command[0]} is not installed, and {line!r} needs it; install it and run again.")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 (own commands)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise SourceError(f"{line!r} failed with exit code {done.returncode}: {last}")


def npm_text(work: Path, package: str, member: str) -> str:
    """One file of an npm package, which is fetched at most once into `work`."""
    folder = work / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    name, _, version = package.rpartition("@")
    archive = folder / f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
    if not archive.is_file():
        with tempfile.TemporaryDirectory() as temporary:
            run(["npm", "pack", package], Path(temporary))
            shutil.move(Path(temporary) / archive.name, archive)
    with tarfile.open(archive) as members:
        file = members.extractfile(f"package/{member}")
        if file is None:
            raise SourceError(f"{package} holds no {member}; the pinned version and this script no longer agree.")
        return file.read().decode("utf-8")
