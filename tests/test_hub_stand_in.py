"""The stand-in against the real clients. Each client is a subprocess: huggingface_hub reads HF_ENDPOINT on import."""

import io
import json
import os
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import cast

import pytest
from hub_stand_in import hub_stand_in
from PIL import Image

TEXTS = {"classnames.txt": "cat\ndog\n", "README.md": "two animals\n", "test/nshards.txt": "1\n"}
SNAPSHOT = """
import json, os
from huggingface_hub import snapshot_download
folder = snapshot_download("org/animals", repo_type="dataset", allow_patterns=["classnames.txt", "test/*"])
files = sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)
print(json.dumps([folder, files]))
"""


def _run_client(code: str, endpoint: str, home: Path, **extra: str) -> object:
    """What the client prints as JSON on its last line; only `home` is its cache, only `endpoint` its hub."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    hub = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=inherited | hub | extra, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return cast(object, json.loads(done.stdout.splitlines()[-1]))


def _write_tar(path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        for row, colour in enumerate(("red", "blue")):
            png = io.BytesIO()
            Image.new("RGB", (8, 6), colour).save(png, "PNG")
            for member, content in ((f"s{row}.cls", str(row).encode()), (f"s{row}.png", png.getvalue())):
                header = tarfile.TarInfo(member)
                header.size = len(content)
                tar.addfile(header, io.BytesIO(content))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One data set of two pictures and one model, as folders that a stand-in can serve."""
    animals, model = tmp_path / "root/datasets/org/animals", tmp_path / "root/models/org/model"
    (animals / "test").mkdir(parents=True)
    model.mkdir(parents=True)
    for path, text in TEXTS.items():
        (animals / path).write_text(text)
    _write_tar(animals / "test/0.tar")
    (model / "open_clip_pytorch_model.bin").write_bytes(b"weights")
    return tmp_path / "root"


def test_a_snapshot_is_downloaded_once_and_then_comes_from_the_cache(root: Path, tmp_path: Path) -> None:
    with hub_stand_in(root) as hub:
        first = _run_client(SNAPSHOT, hub.endpoint, tmp_path / "home")
        downloads = sorted(path for method, path in hub.requests if method == "GET" and "/resolve/" in path)
        again = _run_client(SNAPSHOT, hub.endpoint, tmp_path / "home")
        assert downloads == sorted(path for method, path in hub.requests if method == "GET" and "/resolve/" in path)
    n_requests = len(hub.requests)
    stopped = _run_client(SNAPSHOT, hub.endpoint, tmp_path / "home")
    offline = _run_client(SNAPSHOT, hub.endpoint, tmp_path / "home", HF_HUB_OFFLINE="1")

    folder, files = cast(tuple[str, list[str]], first)
    assert files == ["classnames.txt", "test/0.tar", "test/nshards.txt"]
    assert downloads == [f"/datasets/org/animals/resolve/{Path(folder).name}/{path}" for path in files]
    assert (Path(folder) / "classnames.txt").read_text() == TEXTS["classnames.txt"]
    assert first == again == stopped == offline
    assert len(hub.requests) == n_requests


def test_the_api_tells_the_sha_the_files_and_the_weights(root: Path, tmp_path: Path) -> None:
    code = """
import json, os
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
api, animals = HfApi(), dict(repo_id="org/animals", repo_type="dataset")
info, model = api.dataset_info("org/animals"), api.model_info("org/model")
weights = hf_hub_download("org/model", "open_clip_pytorch_model.bin")
paths = api.get_paths_info(**animals, paths=["README.md", "test", "no.txt"])
print(json.dumps({
    "main is the sha": os.path.basename(snapshot_download(**animals)) == info.sha,
    "the sha is known": os.path.basename(snapshot_download(**animals, revision=info.sha)) == info.sha,
    "every entry is of the sha": {e.last_commit.oid for e in api.list_repo_tree(**animals, expand=True)} == {info.sha},
    "weights": [os.path.basename(os.path.dirname(weights)) == model.sha, open(weights).read()],
    "siblings": [file.rfilename for file in info.siblings],
    "all": [entry.path for entry in api.list_repo_tree(**animals, recursive=True)],
    "top": [entry.path for entry in api.list_repo_tree(**animals)],
    "test": [entry.path for entry in api.list_repo_tree(**animals, path_in_repo="test")],
    "paths": [[entry.path, getattr(entry, "size", None)] for entry in paths],
}))
"""
    with hub_stand_in(root) as hub:
        told = _run_client(code, hub.endpoint, tmp_path / "home")
    top, test = ["README.md", "classnames.txt"], ["test/0.tar", "test/nshards.txt"]
    assert told == {
        "main is the sha": True,
        "the sha is known": True,
        "every entry is of the sha": True,
        "weights": [True, "weights"],
        "siblings": [*top, *test],
        "all": [*top, "test", *test],
        "top": [*top, "test"],
        "test": test,
        "paths": [["README.md", len(TEXTS["README.md"])], ["test", None]],
    }


def test_what_is_missing_raises_the_exceptions_of_the_hub(root: Path, tmp_path: Path) -> None:
    code = """
import json
from huggingface_hub import HfApi, errors, hf_hub_download, snapshot_download
api, names, animals = HfApi(), [], dict(repo_id="org/animals", repo_type="dataset")
for expected, call in [
    (errors.RepositoryNotFoundError, lambda: snapshot_download("org/plants", repo_type="dataset")),
    (errors.RepositoryNotFoundError, lambda: api.dataset_info("animals")),
    (errors.RepositoryNotFoundError, lambda: api.model_info("org/animals")),
    (errors.RevisionNotFoundError, lambda: snapshot_download(**animals, revision="v2")),
    (errors.RevisionNotFoundError, lambda: snapshot_download(**animals, revision="0" * 40)),
    (errors.RevisionNotFoundError, lambda: api.dataset_info("org/animals", revision="refs/convert/parquet")),
    (errors.EntryNotFoundError, lambda: hf_hub_download(**animals, filename="no.txt")),
    (errors.EntryNotFoundError, lambda: list(api.list_repo_tree(**animals, path_in_repo="train"))),
    (errors.EntryNotFoundError, lambda: hf_hub_download("org/model", "open_clip_model.safetensors")),
]:
    try:
        call()
        names.append([expected.__name__, None])
    except expected as error:
        names.append([expected.__name__, error.response.headers["X-Error-Code"]])
print(json.dumps(names))
"""
    with hub_stand_in(root) as hub:
        names = _run_client(code, hub.endpoint, tmp_path / "home")
    repository, revision = ["RepositoryNotFoundError", "RepoNotFound"], ["RevisionNotFoundError", "RevisionNotFound"]
    assert names == [repository] * 3 + [revision] * 3 + [["EntryNotFoundError", "EntryNotFound"]] * 3


def test_datasets_reads_a_repository_and_the_tar_of_a_snapshot(root: Path, tmp_path: Path) -> None:
    table = root / "datasets/org/table"
    table.mkdir()
    (table / "test.csv").write_text("name,legs\ncat,4\n")
    code = """
import json
from datasets import Image, load_dataset
from huggingface_hub import snapshot_download
folder = snapshot_download("org/animals", repo_type="dataset", allow_patterns=["test/*.tar"])
pictures = load_dataset("webdataset", data_files={"test": [folder + "/test/0.tar"]}, split="test")
undecoded = pictures.cast_column("png", Image(decode=False))
print(json.dumps([
    [[row["__key__"], row["cls"], row["png"].size, row["png"].getpixel((0, 0))] for row in pictures],
    [row["png"]["bytes"][1:4].decode() for row in undecoded],
    load_dataset("org/table", split="test")[0],
]))
"""
    with hub_stand_in(root) as hub:
        rows = _run_client(code, hub.endpoint, tmp_path / "home")
    pictures = [["s0", 0, [8, 6], [255, 0, 0]], ["s1", 1, [8, 6], [0, 0, 255]]]
    assert rows == [pictures, ["PNG", "PNG"], {"name": "cat", "legs": 4}]


def _get(url: str, byte_range: str | None = None) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(url, headers={"Range": f"bytes={byte_range}"} if byte_range else {})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


def test_a_part_of_a_file_is_served_by_its_range(root: Path) -> None:
    with hub_stand_in(root) as hub:
        url = f"{hub.endpoint}/org/model/resolve/main/open_clip_pytorch_model.bin"
        answers = {asked: _get(url, asked) for asked in (None, "0-2", "4-", "5-99", "7-")}
    told = {asked: (status, body, headers.get("Content-Range")) for asked, (status, body, headers) in answers.items()}
    assert told == {
        None: (200, b"weights", None),
        "0-2": (206, b"wei", "bytes 0-2/7"),
        "4-": (206, b"hts", "bytes 4-6/7"),
        "5-99": (206, b"ts", "bytes 5-6/7"),
        "7-": (416, b"", "bytes */7"),
    }


def test_an_edited_file_moves_main_to_another_sha(root: Path) -> None:
    with hub_stand_in(root) as hub:
        url = f"{hub.endpoint}/org/model/resolve/main/open_clip_pytorch_model.bin"
        before = _get(url)[2]
        (root / "models/org/model/open_clip_pytorch_model.bin").write_bytes(b"better weights")
        after = _get(url)[2]
        gone = _get(url.replace("main", before["X-Repo-Commit"]))
    assert before["X-Repo-Commit"] != after["X-Repo-Commit"]
    assert before["ETag"] != after["ETag"]
    assert (gone[0], gone[2]["X-Error-Code"]) == (404, "RevisionNotFound")


def test_the_port_is_closed_after_the_with_block(root: Path) -> None:
    with hub_stand_in(root) as hub:
        assert _get(f"{hub.endpoint}/api/models/org/model")[0] == 200
    with pytest.raises(urllib.error.URLError, match="Connection refused"):
        _get(f"{hub.endpoint}/api/models/org/model")
    assert hub.requests == [("GET", "/api/models/org/model")]
