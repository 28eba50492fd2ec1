"""What goes wrong between here and the hub, through the whole command and the real clients, against a stand-in.

Each kind of fault has a repository of its own, so that one process can meet them all.
"""

import errno
import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx2
import pytest
from colors import LABELS, NAMES, pictures_of
from hub_stand_in import Fault, hub_stand_in
from huggingface_hub import errors
from miniature_sets import client, write_set

from clipkstar.hub import with_retries
from clipkstar.hub_answers import explain
from clipkstar.task import HubDataset, RepositoryFile, Task

COMMANDS = """
import contextlib, io, json, os, sys, time
from pathlib import Path
waits = []
time.sleep = waits.append  # waits are noted, not waited
from clipkstar import cli, hub
def told(words):
    out, err = io.StringIO(), io.StringIO()
    sys.argv, code = ["clipkstar", *words], None
    waits.clear()
    started = time.perf_counter()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as error:
            code = error.code
    runs = Path(words[words.index("--runs") + 1])
    written = sorted(str(path.relative_to(runs)) for path in runs.rglob("run.json"))
    return {"code": code, "said": err.getvalue().splitlines(), "out": out.getvalue(), "written": written,
            "waits": list(waits), "seconds": time.perf_counter() - started}
"""
EACH = COMMANDS + "print(json.dumps({name: told(words) for name, words in json.loads(sys.argv[1]).items()}))"

SAMPLES = [
    {"cls": str(label).encode(), "png": content or b""}
    for label, content in zip(LABELS, pictures_of(LABELS), strict=True)
]
FAULTS = {
    "r401": Fault("*/org/r401*", status=401),
    "r403": Fault("*/org/r403*", status=403),
    "r404": Fault("*/org/r404*", status=404),
    "r429": Fault("*/org/r429*", status=429),
    "r500": Fault("*/org/r500*", status=500),
    "gated": Fault("*/org/gated*", status=403, code="GatedRepo"),
    "shard403": Fault("*/org/shard403/*/1.tar", status=403),
    "shard404": Fault("*/org/shard404/*/1.tar", status=404, code="EntryNotFound"),
    "shard500": Fault("*/org/shard500/*/1.tar", status=500, method="GET"),
    "broken": Fault("*/org/broken/*/1.tar", cut=0, method="GET"),
    "busy": Fault("*/org/busy/revision/*", status=429, times=2),
    "ill": Fault("*/org/ill/*/1.tar", status=500, times=2, method="GET"),
    "cut": Fault("*/org/cut/*/1.tar", cut=3000, times=2, method="GET"),
}


def _task(repository: str) -> Task:
    return Task(
        name=repository,
        summary="plain colours",
        dataset=HubDataset(path=f"org/{repository}", data_files="test/*.tar"),
        image_column=("webp", "png"),
        label_column="cls",
        class_names=RepositoryFile(path="classnames.txt"),
        templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
        n_images=len(LABELS),
        source="made for the tests",
        license="MIT",
    )


def _words(folder: Path, repository: str, *more: str) -> list[str]:
    """The words of a command on a task file of a repository; its runs lie apart."""
    file = folder / f"{repository}.py"
    file.write_text(f"from clipkstar.task import HubDataset, RepositoryFile, Task\n\nTASK = {_task(repository)!r}\n")
    place = folder / "runs" / "-".join([repository, *more]).replace("/", "_")
    return ["eval", "--model", "fake:colors", "--task", str(file), "--runs", str(place), *more]


@dataclass(frozen=True)
class Told:
    """What one command came to."""

    code: int | None
    said: list[str]
    out: str
    written: list[str]
    waits: list[float]
    seconds: float


def _run(commands: dict[str, list[str]], endpoint: str, home: Path, **more: str) -> dict[str, Told]:
    answers = client(EACH, endpoint, home, json.dumps(commands), **more)
    return {name: Told(**cast("dict[str, object]", told)) for name, told in answers.items()}  # type: ignore[arg-type]


@dataclass(frozen=True)
class Session:
    """Commands with the stand-in there, with it gone, and in offline mode, with one cache."""

    online: dict[str, Told]
    gone: dict[str, Told]
    offline: dict[str, Told]
    endpoint: str


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("hub")
    for name in (*FAULTS, "whole"):
        write_set(folder / "root/datasets/org" / name, SAMPLES, names=NAMES)
    commands = {name: _words(folder, name) for name in (*FAULTS, "whole", "nothing")}
    commands["revision"] = _words(folder, "whole", "--revision", "v9")
    with hub_stand_in(folder / "root") as hub:
        hub.faults += FAULTS.values()
        online = _run(commands, hub.endpoint, folder / "home")
    later = {name: _words(folder, name) for name in ("ill", "broken", "nothing")}
    gone = _run(later, hub.endpoint, folder / "home")
    return Session(
        online=online,
        gone=gone,
        offline=_run(later, hub.endpoint, folder / "home", HF_HUB_OFFLINE="1"),
        endpoint=hub.endpoint,
    )


BUNDLED = ", or use the bundled "
"""What the command adds to a sentence on data that cannot be reached."""


def _said(told: Told) -> str:
    assert (told.code, told.out, told.written) == (2, "", [])
    assert len(told.said) == 1
    return told.said[0].removeprefix("clipkstar: ").partition(BUNDLED)[0]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("r401", "the hub has no {what}, or it is private; correct the name, or log in with 'hf auth login'."),
        ("r403", "the hub refuses the {what} to this login (403); log in with 'hf auth login' as another."),
        ("r404", "the hub has no {what}, or it is private; correct the name, or log in with 'hf auth login'."),
        (
            "gated",
            "the hub keeps the {what} for those who asked for access; ask on its page, then log in with "
            "'hf auth login'.",
        ),
        ("shard403", "the hub refuses the {what} to this login (403); log in with 'hf auth login' as another."),
        ("shard404", "the hub has no file 'test/1.tar' for the {what}; correct the name."),
        ("nothing", "the hub has no {what}, or it is private; correct the name, or log in with 'hf auth login'."),
    ],
)
def test_what_the_hub_refuses_is_one_sentence_and_is_not_asked_again(
    name: str, sentence: str, session: Session
) -> None:
    told = session.online[name]
    assert _said(told) == sentence.format(what=f"data set 'org/{name}' of task '{name}'")
    assert told.waits == []


def test_a_revision_that_the_hub_lacks_is_one_sentence(session: Session) -> None:
    told = session.online["revision"]
    assert _said(told) == "the data set 'org/whole' of task 'whole' has no revision 'v9'; correct it."


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "r429",
            "the hub had too many requests from here (429) and does not give the {what}; wait a few minutes and repeat "
            "the command, or log in with 'hf auth login', which allows more",
        ),
        ("r500", "the hub has a fault of its own (500) and does not give the {what}; repeat the command later"),
        ("shard500", "the hub has a fault of its own (500) and does not give the {what}; repeat the command later"),
    ],
)
def test_what_may_be_better_later_is_asked_again_with_longer_waits_and_then_one_sentence(
    name: str, sentence: str, session: Session
) -> None:
    told = session.online[name]
    assert _said(told) == sentence.format(what=f"data set 'org/{name}' of task '{name}'")
    assert told.waits == [1.0, 2.0, 4.0]


def test_a_transfer_that_breaks_off_every_time_is_one_sentence(session: Session) -> None:
    assert _said(session.online["broken"]) == (
        "the transfer of the data set 'org/broken' of task 'broken' broke off (peer closed connection without sending "
        "complete message body (received 0 bytes, expected 20480)); repeat the command, what was fetched in full is "
        "kept"
    )


@pytest.mark.parametrize(("name", "waits"), [("busy", [1.0, 2.0]), ("ill", [1.0, 2.0]), ("cut", [1, 1])])
def test_what_is_better_later_gives_the_run_of_an_undisturbed_download(
    name: str, waits: list[float], session: Session
) -> None:
    told, whole = session.online[name], session.online["whole"]
    assert told.waits == waits
    assert told.code is whole.code is None
    assert [Path(path).parent.name for path in told.written] == [Path(path).parent.name for path in whole.written]
    assert len(told.written) == 1


@pytest.mark.parametrize("when", ["gone", "offline"])
def test_what_is_cached_in_full_needs_no_hub(when: str, session: Session) -> None:
    told = getattr(session, when)["ill"]
    assert told.written == session.online["ill"].written
    fallen_back = [f"clipkstar: no connection to {session.endpoint}; the data sets are those of the cache."]
    assert told.said[:-1] == (fallen_back if when == "gone" else [])
    assert "already done, nothing computed" in told.said[-1]
    assert told.waits == []


@pytest.mark.parametrize("name", ["broken", "nothing"])
@pytest.mark.parametrize("when", ["gone", "offline"])
def test_what_is_not_cached_in_full_is_one_sentence_at_once_when_the_hub_cannot_be_reached(
    when: str, name: str, session: Session
) -> None:
    told = getattr(session, when)[name]
    reason = "offline mode is on" if when == "offline" else f"no connection to {session.endpoint}"
    assert _said(told) == (
        f"the data set 'org/{name}' of task '{name}' cannot be reached ({reason}), and the cache has no complete copy; "
        "connect, then repeat the command"
    )
    assert told.waits == []


STALLED = """
import json, time
from clipkstar import hub
hub.CONNECT_SECONDS = 0.5
started = time.perf_counter()
reason = hub.go_offline_if_unreachable()
from huggingface_hub import is_offline_mode
print(json.dumps({"reason": reason, "offline": is_offline_mode(), "quick": time.perf_counter() - started < 5}))
"""


def test_a_hub_that_never_answers_is_given_up_soon(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with hub_stand_in(tmp_path / "root") as hub:
        hub.faults.append(Fault("*", stalled=20))
        told = client(STALLED, hub.endpoint, tmp_path)
    assert told == {"reason": f"no connection to {hub.endpoint}", "offline": True, "quick": True}


def test_nothing_is_tried_again_once_the_client_itself_has_tried_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 30))
    monkeypatch.setattr("clipkstar.hub.time.monotonic", lambda: float(next(clock)))
    calls = []

    def slow() -> None:
        calls.append(1)
        raise httpx2.ReadTimeout("nothing came")

    with pytest.raises(httpx2.ReadTimeout):
        with_retries(slow)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            PermissionError(13, "Permission denied", "/cache"),
            "the data set 'org/x' cannot be written to the cache ([Errno 13] Permission denied: '/cache'); let HF_HOME "
            "name another folder.",
        ),
        (
            OSError(errno.EDQUOT, "Disk quota exceeded"),
            "the disk has no room for the data set 'org/x' (Disk quota exceeded); free space, or let HF_HOME name a "
            "folder on another disk, then repeat the command, what was fetched in full is kept.",
        ),
        (
            errors.HFValidationError("Repo id must be one name"),
            "the hub can have no data set 'org/x' (Repo id must be one name); correct the name.",
        ),
        (
            OSError("Consistency check failed: file should be of size 9 but has size 3 (0.tar)."),
            "the transfer of the data set 'org/x' broke off (Consistency check failed: file should be of size 9 but "
            "has size 3 (0.tar).); repeat the command, what was fetched in full is kept.",
        ),
    ],
)
def test_other_failures_of_a_download_are_one_sentence(error: Exception, sentence: str) -> None:
    assert str(explain("data set 'org/x'", error)) == sentence


def test_a_fault_of_our_own_is_not_explained_away() -> None:
    assert explain("data set 'org/x'", KeyError("siblings")) is None
