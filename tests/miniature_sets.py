"""Data sets in miniature in the layout of the repositories on the hub, and clients of a hub stand-in that read them."""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

TEMPLATES = "zeroshot_classification_templates.txt"


def write_set(
    folder: Path, samples: Sequence[Mapping[str, bytes]], *, names: Sequence[str], per_shard: int = 5
) -> Path:
    """Write `folder/test/0.tar …` and the text files. samples: suffix → content of each, such as cls and png."""
    (folder / "test").mkdir(parents=True)
    starts = range(0, len(samples), per_shard)
    for shard, start in enumerate(starts):
        with tarfile.open(folder / "test" / f"{shard}.tar", "w") as tar:
            for row, members in enumerate(samples[start : start + per_shard], start):
                for suffix, content in members.items():
                    header = tarfile.TarInfo(f"s{row:07}.{suffix}")
                    header.size = len(content)
                    tar.addfile(header, io.BytesIO(content))
    (folder / "test" / "nshards.txt").write_text(f"{len(starts)}")
    (folder / "classnames.txt").write_text("\n".join(names))
    (folder / TEMPLATES).write_text("a photo of a {c}.\na drawing of a {c}.")
    (folder / "dataset_type.txt").write_text("classification")
    return folder


def environment(endpoint: str, home: Path, **more: str) -> dict[str, str]:
    """The variables of a client: only `home` holds its caches, only `endpoint` is its hub."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "CLIPKSTAR_"))}
    own = {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home / "hf"),
        "CLIPKSTAR_CACHE": str(home / "clipkstar"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "NO_PROXY": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
    }
    return inherited | own | more


def client(code: str, endpoint: str, home: Path, *arguments: str, **more: str) -> dict[str, object]:
    """Run Python code in a process of its own, since huggingface_hub reads HF_ENDPOINT on import.

    Returns the object that it prints as JSON on its last line.
    """
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        command, env=environment(endpoint, home, **more), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return cast("dict[str, object]", json.loads(done.stdout.splitlines()[-1]))
