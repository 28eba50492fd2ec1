"""The part of the Hugging Face hub's read API that the real clients use here, served from a folder on 127.0.0.1.

`root/models/ORG/NAME/…` and `root/datasets/ORG/NAME/…` are the repositories. Their commit sha is a hash of their
contents, so an edited file moves `main`; the revisions `main` and that sha are known, every other is not found.
HF_ENDPOINT is read when huggingface_hub is imported: clients belong in a subprocess that has it set.
A test may put faults into `HubStandIn.faults`, which then happen instead of the answer.
"""

import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".tar", ".safetensors", ".bin")
"""Files that are named after the sha256 of their content, as the hub does for what it stores apart from git."""

_ID = r"([^/]+/[^/]+|[^/]+)"
_API = re.compile(rf"/api/(models|datasets)/{_ID}(?:/(revision|tree|paths-info)/([^/]+)(?:/(.+))?)?")
_RESOLVE = re.compile(rf"/(?:(datasets)/)?{_ID}/resolve/([^/]+)/(.+)")


@dataclass
class Fault:
    """What happens to requests whose unquoted path fits a glob, the first `times` of them.

    status: the answer, with `code` as the hub's X-Error-Code. cut: bytes of the body after which the connection is
    closed. stalled: seconds before each answer. method: "" = all.
    """

    path: str
    status: int = 0
    code: str = ""
    cut: int | None = None
    stalled: float = 0.0
    times: int = 10**9
    method: str = ""


@dataclass(frozen=True)
class _Repository:
    sha: str
    files: dict[str, Path]  # path inside the repository -> file on disk


class _NotFoundError(Exception):
    def __init__(self, code: str, headers: dict[str, str] | None = None) -> None:
        self.headers = {"X-Error-Code": code, **(headers or {})}


class HubStandIn(ThreadingHTTPServer):
    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.requests: list[tuple[str, str]] = []  # (method, unquoted path without its query), in order of arrival
        self.faults: list[Fault] = []
        self.lock = threading.Lock()

    def fault(self, method: str, path: str) -> Fault | None:
        """Return the fault that is due, and count it."""
        with self.lock:
            self.requests.append((method, path))
            for fault in self.faults:
                if fault.times > 0 and fault.method in ("", method) and fnmatch(path, fault.path):
                    fault.times -= 1
                    return fault
        return None

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that left before the end."""


@contextlib.contextmanager
def hub_stand_in(root: Path) -> Iterator[HubStandIn]:
    """Serve the repositories below `root` until the with-block ends; the port is closed after it."""
    with HubStandIn(root) as hub:
        threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield hub
        finally:
            hub.shutdown()


@cache
def _digest(file: Path, size: int, mtime_ns: int, is_large: bool) -> str:
    """The sha256, or the git blob id; `mtime_ns` only tells the cache that a file was edited."""
    with file.open("rb") as stream:
        start = hashlib.sha256 if is_large else lambda: hashlib.sha1(f"blob {size}\0".encode())
        return hashlib.file_digest(stream, start).hexdigest()


def _oid(file: Path) -> str:
    return _digest(file, file.stat().st_size, file.stat().st_mtime_ns, False)


def _etag(file: Path) -> str:
    return _digest(file, file.stat().st_size, file.stat().st_mtime_ns, file.suffix in LARGE)


def _repository(root: Path, kind: str, name: str, revision: str) -> _Repository:
    folders = {f"{folder.parent.name}/{folder.name}": folder for folder in (root / kind).glob("*/*") if folder.is_dir()}
    if name not in folders:
        raise _NotFoundError("RepoNotFound")
    paths = sorted(path for path in folders[name].rglob("*") if path.is_file())
    files = {path.relative_to(folders[name]).as_posix(): path for path in paths}
    sha = hashlib.sha1("".join(f"{path}\0{_oid(file)}\n" for path, file in files.items()).encode()).hexdigest()
    if revision not in ("main", sha):
        raise _NotFoundError("RevisionNotFound")
    return _Repository(sha=sha, files=files)


def _entries(repository: _Repository, query: dict[str, list[str]]) -> dict[str, dict[str, object]]:
    """Every folder and file of the repository by its path, as the tree and paths-info answers write them."""
    commit = {"id": repository.sha, "title": "stand-in", "date": "2024-01-01T00:00:00.000Z"}
    extra = {"lastCommit": commit} if "true" in query.get("expand", []) else {}
    entries: dict[str, dict[str, object]] = {}
    for path, file in repository.files.items():
        for folder in map(str, reversed(PurePosixPath(path).parents[:-1])):
            oid = hashlib.sha1(folder.encode()).hexdigest()
            entries[folder] = {"type": "directory", "oid": oid, "size": 0, "path": folder, **extra}
        size = file.stat().st_size
        entries[path] = {"type": "file", "oid": _oid(file), "size": size, "path": path, **extra}
        if file.suffix in LARGE:
            entries[path]["lfs"] = {"oid": _etag(file), "size": size, "pointerSize": 130}
    return entries


def _tree(repository: _Repository, folder: str, query: dict[str, list[str]]) -> list[dict[str, object]]:
    entries, depth = _entries(repository, query), None if "true" in query.get("recursive", []) else 1
    if folder and entries.get(folder, {}).get("type") != "directory":
        raise _NotFoundError("EntryNotFound")
    return [entries[path] for path in entries if PurePosixPath(folder) in PurePosixPath(path).parents[:depth]]


class _Handler(BaseHTTPRequestHandler):
    fault: Fault | None = None
    server: HubStandIn  # HTTP/1.0: one request per connection, so no open connection outlives the with-block

    def _answer(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        url = urlsplit(self.path)
        self.fault = self.server.fault(self.command, unquote(url.path))
        if self.fault:
            time.sleep(self.fault.stalled)
            if self.fault.status:
                self._send(self.fault.status, {"X-Error-Code": self.fault.code} if self.fault.code else {})
                return
        try:
            if match := _API.fullmatch(url.path):
                self._answer_api([unquote(part or "") for part in match.groups()], parse_qs(url.query) | form)
            elif match := _RESOLVE.fullmatch(url.path):
                self._answer_file([unquote(part or "") for part in match.groups()])
            else:
                self._send(404, {})
        except _NotFoundError as error:
            self._send(404, error.headers)

    do_GET = do_HEAD = do_POST = _answer  # noqa: N815 (the names that http.server looks up)

    def _answer_api(self, parts: list[str], query: dict[str, list[str]]) -> None:
        kind, name, verb, revision, path = parts
        repository = _repository(self.server.root, kind, name, revision or "main")
        answer: object = {"id": name, "sha": repository.sha, "siblings": [{"rfilename": p} for p in repository.files]}
        if verb == "tree":
            answer = _tree(repository, path, query)
        elif verb == "paths-info":
            answer = [entry for path, entry in _entries(repository, query).items() if path in query.get("paths", [])]
        self._send(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def _answer_file(self, parts: list[str]) -> None:
        kind, name, revision, path = parts
        repository = _repository(self.server.root, kind or "models", name, revision)
        if path not in repository.files:
            raise _NotFoundError("EntryNotFound", {"X-Repo-Commit": repository.sha})
        part = body = repository.files[path].read_bytes()
        headers = {"ETag": f'"{_etag(repository.files[path])}"', "X-Repo-Commit": repository.sha}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked:
            start, part = int(asked[1]), body[int(asked[1]) : int(asked[2]) + 1 if asked[2] else None]
            span = f"{start}-{start + len(part) - 1}" if part else "*"
            headers["Content-Range"] = f"bytes {span}/{len(body)}"
        self._send((206 if part else 416) if asked else 200, headers, part)

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # a client that streams may leave before the end
            self.wfile.write(b"" if self.command == "HEAD" else body[: self.fault.cut if self.fault else None])

    def log_message(self, *_: object) -> None: ...  # no access log in the output of the tests
