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

COUNTER = """
    import os
    from PIL import ImageFile

    prepare = ImageFile.ImageFile.load_prepare
    file = os.open(os.environ["DECODED_PICTURES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def counted(image):
        os.write(file, b".")
        return prepare(image)

    ImageFile.ImageFile.load_prepare = counted
"""
"""sitecustomize.py of a process: every picture that PIL decodes in it or in its forks makes a file a byte longer."""


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
        return self.run(OURS, *words, PYTHONPATH=f"{counter.parent}:{self.data}", DECODED_PICTURES=f"{self._decoded}")

    def photos(self, name: str = "photos") -> tuple[str, str]:
        """The options that name a set of pictures."""
        return "--task", f"{self.data}/{name}/test/*.tar"

    @property
    def n_decoded(self) -> int:
        """Number of pictures that were decoded so far."""
        return self._decoded.stat().st_size

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
