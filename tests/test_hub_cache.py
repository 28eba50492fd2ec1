"""What a disk that fills, a kill and a damaged file leave in the caches, none of it ever taken for whole."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from colors import encoded
from hub_stand_in import Fault, HubStandIn, hub_stand_in
from miniature_sets import client, environment, write_set
from PIL import Image

OPEN = """
import builtins, errno, json, os, resource, sys
from pathlib import Path
from clipkstar.data.rows import open_rows
from clipkstar.task import HubDataset, Task
def opened(repository="org/noise", **options):
    dataset = HubDataset(path=repository, data_files="test/*.tar")
    names = {"image_column": "png", "label_column": "cls", "class_names": ("a", "b")}
    try:
        rows = open_rows(Task(name="noise", summary="", dataset=dataset, **names), **options)
        return {"fingerprint": rows.fingerprint, "labels": rows.labels.tolist(), "revision": rows.revision}
    except Exception as error:
        return {"error": type(error).__name__, "sentence": str(error)}
"""
TELL = "\nprint(json.dumps(opened()))"

WITHOUT_ROOM = """
class Full:
    def __init__(self, file):
        self.file, self.room = file, 10_000
    def write(self, content):
        self.room -= len(content)
        if self.room < 0:
            self.file.write(content[:self.room])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(content)
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.file.close()
    def __getattr__(self, name):
        return getattr(self.file, name)
opens = Path.open
def open_full(path, *more, **named):
    file = opens(path, *more, **named)
    return Full(file) if path.suffix == ".incomplete" else file
def fill_disk():
    Path.open = open_full
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
def tried(fill, repository, **options):
    fill()
    full = opened(repository, **options)
    Path.open = opens
    limit(resource.RLIM_INFINITY)
    unfinished = [path.name for path in Path(os.environ["HF_HOME"]).rglob("*.incomplete") if path.is_file()]
    return {"full": full, "unfinished": unfinished, "again": opened(repository, **options)}
print(json.dumps({
    "shard full": tried(fill_disk, "org/noise1"),
    "shard limit": tried(lambda: limit(20_000), "org/noise2"),
    "stream full": tried(fill_disk, "org/noise3", stream=True),
    "stream limit": tried(lambda: limit(20_000), "org/noise4", stream=True),
    "table limit": tried(lambda: limit(100_000), "org/noise5"),
}))
"""
KILLED_WHILE_THE_TABLE_IS_WRITTEN = """
from datasets.arrow_writer import ArrowWriter
ArrowWriter.finalize = lambda *_: os._exit(9)
opened()
"""
LABELS = [0, 1, 1, 0, 1, 0, 0, 1, 0, 1]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of pictures that no format can press, about 60 kB each."""
    root = tmp_path_factory.mktemp("root")
    noise = np.random.default_rng(0).integers(0, 256, (len(LABELS), 64, 64, 3), dtype=np.uint8)
    samples = [
        {"cls": str(label).encode(), "png": encoded(Image.fromarray(pixels))}
        for label, pixels in zip(LABELS, noise, strict=True)
    ]
    write_set(root / "datasets/org/noise", samples, names=("a", "b"))
    return root


@pytest.fixture(scope="module")
def undisturbed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    with hub_stand_in(root) as hub:
        told = client(OPEN + TELL, hub.endpoint, tmp_path_factory.mktemp("home"))
    assert told["labels"] == LABELS
    return told


def _sentence(told: dict[str, object]) -> str:
    assert told["error"] == "InputError", told
    return cast("str", told["sentence"])


@pytest.fixture(scope="module")
def without_room(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, object]]]:
    """What a client is told on a disk without room and, with room again, at its next try; each has its own copy."""
    for number in range(1, 6):
        shutil.copytree(root / "datasets/org/noise", root / f"datasets/org/noise{number}")
    with hub_stand_in(root) as hub:
        told = client(OPEN + WITHOUT_ROOM, hub.endpoint, tmp_path_factory.mktemp("home"))
    return cast("dict[str, dict[str, dict[str, object]]]", told)


@pytest.mark.parametrize(
    ("case", "what", "reason"),
    [
        ("shard full", "data set 'org/noise1' of task 'noise'", "No space left on device"),
        ("shard limit", "data set 'org/noise2' of task 'noise'", "File too large"),
        ("stream full", "file 'test/0.tar' of the data set 'org/noise3'", "No space left on device"),
        ("stream limit", "file 'test/0.tar' of the data set 'org/noise4'", "File too large"),
    ],
)
def test_a_disk_that_fills_during_a_download_is_one_sentence_and_the_next_try_is_right(
    case: str,
    what: str,
    reason: str,
    without_room: dict[str, dict[str, dict[str, object]]],
    undisturbed: dict[str, object],
) -> None:
    told = without_room[case]
    assert _sentence(told["full"]) == (
        f"the disk has no room for the {what} ({reason}); free space, or let HF_HOME name a folder on another disk, "
        "then repeat the command, what was fetched in full is kept."
    )
    assert told["unfinished"] == []
    assert told["again"] == undisturbed


def test_a_disk_that_fills_while_the_table_is_written_is_one_sentence_and_the_next_try_is_right(
    without_room: dict[str, dict[str, dict[str, object]]], undisturbed: dict[str, object]
) -> None:
    told = without_room["table limit"]
    assert _sentence(told["full"]) == (
        "the disk has no room for the table of task 'noise' (File too large); free space, or let HF_HOME name a folder "
        "on another disk, then repeat the command."
    )
    assert told["again"] == undisturbed


def _kill_while_downloading(hub: HubStandIn, home: Path) -> None:
    hub.faults.append(Fault("*/1.tar", stalled=60, times=1, method="GET"))
    running = subprocess.Popen([sys.executable, "-c", OPEN + TELL], env=environment(hub.endpoint, home))
    while not any(method == "GET" and path.endswith("1.tar") for method, path in hub.requests):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL


def test_a_download_that_was_killed_is_never_taken_for_whole_and_goes_on(
    root: Path, undisturbed: dict[str, object], tmp_path: Path
) -> None:
    with hub_stand_in(root) as hub:
        _kill_while_downloading(hub, tmp_path)
        offline = client(OPEN + TELL, hub.endpoint, tmp_path, HF_HUB_OFFLINE="1")
        n_requests = len(hub.requests)
        again = client(OPEN + TELL, hub.endpoint, tmp_path)
    assert offline == {
        "error": "UnreachableError",
        "sentence": "the data set 'org/noise' of task 'noise' cannot be reached (offline mode is on), and the cache "
        "has no complete copy; connect, then repeat the command.",
    }
    assert again == undisturbed
    fetched = [path for method, path in hub.requests[n_requests:] if method == "GET" and "/resolve/" in path]
    assert [path.rpartition("/")[2] for path in fetched] == ["1.tar"]


def test_a_table_that_was_killed_half_written_is_written_again(
    root: Path, undisturbed: dict[str, object], tmp_path: Path
) -> None:
    with hub_stand_in(root) as hub:
        killed = [sys.executable, "-c", OPEN + KILLED_WHILE_THE_TABLE_IS_WRITTEN]
        assert subprocess.run(killed, env=environment(hub.endpoint, tmp_path), check=False).returncode == 9
    assert list((tmp_path / "hf" / "datasets").rglob("*.arrow"))
    assert client(OPEN + TELL, hub.endpoint, tmp_path) == undisturbed


def test_a_damaged_shard_in_the_cache_is_found_and_the_advice_helps(
    root: Path, undisturbed: dict[str, object], tmp_path: Path
) -> None:
    with hub_stand_in(root) as hub:
        client(OPEN + TELL, hub.endpoint, tmp_path)
        shard = next((tmp_path / "hf" / "hub").rglob("1.tar"))
        kept = shard.resolve()
        content = bytearray(kept.read_bytes())
        content[len(content) // 2] ^= 1
        kept.chmod(0o644)
        kept.write_bytes(content)
        damaged = client(OPEN + TELL, hub.endpoint, tmp_path)
        kept.unlink()
        again = client(OPEN + TELL, hub.endpoint, tmp_path)
    assert _sentence(damaged) == (
        "the file '1.tar' of task 'noise' is damaged in the cache (its sha256 is not the one that the hub gave); "
        f"delete '{kept}' and repeat the command with a connection."
    )
    assert again == undisturbed


def test_a_damaged_table_in_the_cache_is_made_again(root: Path, undisturbed: dict[str, object], tmp_path: Path) -> None:
    with hub_stand_in(root) as hub:
        client(OPEN + TELL, hub.endpoint, tmp_path)
    table = next((tmp_path / "hf" / "datasets").rglob("*.arrow"))
    os.truncate(table, table.stat().st_size // 2)
    assert client(OPEN + TELL, hub.endpoint, tmp_path) == undisturbed
