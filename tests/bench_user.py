"""The commands of the benchmarks, as a user types them who has nothing in any cache."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

from tests.watched_process import Watched, watched

OURS = Path(sys.executable).with_name("clipkstar")

ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": ""}

MOST_DECODED = 2**20

COUNTER = f"""
    import itertools, mmap, os
    from PIL import ImageFile

    def begin():
        global marks, numbers
        with open(os.path.join(os.environ["DECODED_PICTURES"], str(os.getpid())), "wb+") as file:
            file.truncate({MOST_DECODED})
            marks, numbers = mmap.mmap(file.fileno(), {MOST_DECODED}), itertools.count()

    def counted(image):
        marks[next(numbers)] = 1
        return prepare(image)

    prepare = ImageFile.ImageFile.load_prepare
    ImageFile.ImageFile.load_prepare = counted
    begin()
    os.register_at_fork(after_in_child=begin)
"""
"""sitecustomize.py of a process: every picture that PIL decodes in it or in its forks sets a byte of a mapped file of
that process. A system call for each picture would let go of the interpreter's lock, which delays what is measured."""


@dataclass(frozen=True, kw_only=True)
class User:
    """Somebody with caches and a store of their own, in a folder that is empty at first.

    data: a folder where sets of pictures lie as webdataset shards. environment: more for their commands.
    """

    folder: Path
    data: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str | Path, **environment: str) -> Watched:
        """Run a command in the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        more = ENVIRONMENT | {"HF_HOME": f"{self.folder}/huggingface", "CLIPKSTAR_CACHE": f"{self.folder}/cache"}
        return watched(command, folder=self.folder, environment=more | self.environment | environment)

    def clipkstar(self, *words: str) -> Watched:
        """Run clipkstar; the pictures that it decodes are counted."""
        counter = self.folder / "counter" / "sitecustomize.py"
        counter.parent.mkdir(parents=True, exist_ok=True)
        counter.write_text(dedent(COUNTER))
        self._decoded.mkdir(exist_ok=True)
        return self.run(OURS, *words, PYTHONPATH=f"{counter.parent}:{self.data}", DECODED_PICTURES=f"{self._decoded}")

    def photos(self, name: str = "photos") -> tuple[str, str]:
        """The options that name a set of pictures."""
        return "--task", f"{self.data}/{name}/test/*.tar"

    @property
    def n_decoded(self) -> int:
        """Number of pictures that were decoded so far."""
        return sum(file.read_bytes().count(1) for file in self._decoded.iterdir())

    @property
    def _decoded(self) -> Path:
        return self.folder / "decoded"

    @property
    def records(self) -> list[dict[str, Any]]:
        """All run.json of the store."""
        return [json.loads(file.read_text()) for file in sorted(self.folder.glob("runs/*/*/*/run.json"))]


def seconds(*runs: Watched) -> float:
    """The shortest of a few runs: what disturbs a machine only adds to it."""
    return min(run.seconds for run in runs)
