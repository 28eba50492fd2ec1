"""What a person sees of a sweep while it runs, by a clock that the test moves."""

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from colors import colors_task
from rich.console import Console

from clipkstar import sweep_view
from clipkstar.data.rows import open_rows
from clipkstar.encoder import Request
from clipkstar.encoders.fake import FAMILY
from clipkstar.measure import Findings
from clipkstar.notices import notice
from clipkstar.recording import record
from clipkstar.run import Run, Seconds
from clipkstar.sweep_view import Seen, note, view, watching
from clipkstar.sweeps.forecast import Forecast, PairForecast
from clipkstar.sweeps.sweep import Ended, Pair, Working
from clipkstar.unit import Settings, Unit, Work

A, B, C = (Pair(task="digits", checkpoint=name) for name in "abc")


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(sweep_view, "time", SimpleNamespace(monotonic=found))
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A record with the scores that are shown first."""
    import polars as pl

    checkpoint = FAMILY.resolve(Request(model="colors"))
    work = Work(family=FAMILY, checkpoint=checkpoint, metrics=[], settings=Settings(device="cpu"))
    rows = open_rows(colors_task(tmp_path_factory.mktemp("colors")))
    scores = {"top1": 0.5, "nn1_accuracy": 0.75, "kstar_mean": 0.25, "gamma_approx": -1.5}
    found = Findings(scores=scores, intervals={}, images=pl.DataFrame(), classes=pl.DataFrame(), notices=())
    seconds = Seconds(open=0, pixels=0, encode_images=0, encode_texts=0, metrics=0, total=0)
    return record(Unit(work=work, identity=FAMILY.identify(checkpoint), device="cpu", rows=rows), [], found, seconds)


SCORES = "top1 % 50.0, 1-NN % 75.0, k*/n 0.250, Γ′ -1.50"


def seen(left: dict[Pair, int | None] | None = None, n_pairs: int = 3) -> Seen:
    return Seen(n_pairs=n_pairs, started=Clock().now, left={A: 100, B: 100, C: 100} if left is None else left)


def drawn(state: Seen) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=150, force_terminal=False).print(view(state))
    return [" ".join(line.split()) for line in text.getvalue().splitlines()]


def bar_of(line: str) -> str:
    return "".join(character for character in line if character in "━╸╺")


def test_before_anything_happened_there_is_no_rate_and_no_time(clock: Clock) -> None:
    state = seen()
    clock.now += 50
    assert (state.n_ended, state.pictures_per_second, state.seconds_left) == (0, None, None)
    (line,) = drawn(state)
    words = line.replace(bar_of(line), "").split()
    assert " ".join(words) == "0 of 3 pairs 0 ran, 0 skipped, 0 failed"


def test_rate_and_time_left_come_from_pictures_evaluated_so_far(clock: Clock, run: Run) -> None:
    state = seen()
    clock.now += 10
    note(state, Working(pair=A, done=50, total=100))
    assert state.pictures_per_second == 5.0
    assert state.seconds_left == (300 - 50) / 5
    clock.now += 10
    note(state, Ended(pair=A, outcome="ran", run=run, pictures=100, seconds=20.0))
    assert state.pictures_per_second == 5.0
    assert state.seconds_left == 200 / 5


def test_pairs_that_fail_or_were_there_are_no_longer_waited_for(clock: Clock, run: Run) -> None:
    state = seen()
    clock.now += 10
    note(state, Ended(pair=A, outcome="ran", run=run, pictures=100, seconds=10.0))
    note(state, Working(pair=B, done=20, total=100))
    note(state, Ended(pair=B, outcome="failed", sentence="it broke."))
    assert state.seconds_left == 100 / 10
    note(state, Ended(pair=C, outcome="skipped", run=run))
    assert state.seconds_left == 0
    assert state.count == {"ran": 1, "skipped": 1, "failed": 1}


def test_while_a_data_set_is_not_known_there_is_a_rate_and_no_time(clock: Clock) -> None:
    state = seen({A: 100, B: None})
    clock.now += 10
    note(state, Working(pair=A, done=50, total=100))
    assert (state.pictures_per_second, state.seconds_left) == (5.0, None)
    assert drawn(state)[0].endswith(" 0 failed, 5 pictures/s")
    note(state, Working(pair=B, done=0, total=30))
    assert state.seconds_left == (50 + 30) / 5


@pytest.mark.parametrize(
    ("pictures", "time"), [(10, "0:00:01"), (600, "0:01:00"), (36_610, "1:01:01"), (1_000_000, "27:46:40")]
)
def test_time_left_is_written_in_hours_minutes_and_seconds(pictures: int, time: str, clock: Clock) -> None:
    state = seen({A: 100 + pictures})
    clock.now += 10
    note(state, Working(pair=A, done=100, total=100 + pictures))
    assert drawn(state)[0].endswith(f"failed, 10 pictures/s, about {time} left")


def test_the_view_shows_pairs_at_work_last_scores_failures_and_notices(clock: Clock, run: Run) -> None:
    state = seen()
    clock.now += 10
    note(state, Ended(pair=A, outcome="ran", run=run, pictures=100, seconds=4.0))
    note(state, Ended(pair=B, outcome="failed", sentence="it broke."))
    note(state, Working(pair=C, done=50, total=100))
    state.notices.append("something is odd.\nand a traceback")
    first, working, ran, failed, odd = drawn(state)
    assert "2 of 3 pairs" in first
    assert "1 ran, 0 skipped, 1 failed, 15 pictures/s" in first
    assert working.replace(bar_of(working), "").split() == ["digits", "50/100", "c"]
    assert bar_of(working) == "━" * 20  # half of 40
    assert ran == f"a on digits: {SCORES} (25 pictures/s)"
    assert failed == "b on digits failed: it broke."
    assert odd == "something is odd."


def test_the_view_stays_small_in_a_large_sweep(clock: Clock, run: Run) -> None:
    state = seen(n_pairs=300)
    clock.now += 1
    for number in range(100):
        pair = Pair(task="digits", checkpoint=str(number))
        note(state, Working(pair=pair, done=1, total=2))
        note(state, Ended(pair=pair, outcome="ran", run=run))
        note(state, Ended(pair=replace(pair, task="b"), outcome="failed", sentence="it broke."))
        note(state, Ended(pair=replace(pair, task="c"), outcome="skipped", run=run))
        state.notices.append(f"notice {number}")
    lines = drawn(state)
    assert len(lines) == 1 + 6 + 3 + 3
    assert lines[1].startswith("94 on digits: ")
    assert lines[-4] == "99 on b failed: it broke."
    assert lines[-1] == "notice 99"


def test_names_with_brackets_are_shown_as_they_are(clock: Clock) -> None:
    state = seen()
    clock.now += 1
    note(state, Ended(pair=Pair(task="[red]", checkpoint="[/]"), outcome="failed", sentence="[bold]it broke."))
    assert drawn(state)[1] == "[/] on [red] failed: [bold]it broke."


# Lines, where stderr is no terminal.


def ahead(*pairs: Pair) -> Forecast:
    return Forecast(
        pairs=tuple(
            PairForecast(task=each.task, checkpoint=each.checkpoint, state="to run", n_images=100) for each in pairs
        ),
        to_encode=300,
        to_decode=100,
        pixel_bytes=0,
        downloads=(),
        is_complete=True,
    )


def happenings(run: Run) -> list[Any]:
    return [
        Working(pair=A, done=100, total=100),
        Ended(pair=A, outcome="ran", run=run, notices=("something is odd.",), pictures=100, seconds=4.0),
        Ended(pair=B, outcome="failed", sentence="it broke."),
        Ended(pair=C, outcome="skipped", run=run),
    ]


def test_without_a_terminal_each_pair_that_ran_or_failed_is_a_line(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with watching(ahead(A, B, C), quiet=False) as report:
        notice("the cache is full.")
        for event in happenings(run):
            report(event)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "clipkstar: the cache is full.",
        f"clipkstar: 1 of 3: a on digits: {SCORES} (25 pictures/s)",
        "clipkstar: digits: something is odd.",
        "clipkstar: 2 of 3: b on digits failed: it broke.",
    ]


def test_quiet_tells_of_failures_and_notices_only(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with watching(ahead(A, B, C), quiet=True) as report:
        notice("the cache is full.")
        for event in happenings(run):
            report(event)
    assert capsys.readouterr().err.splitlines() == [
        "clipkstar: the cache is full.",
        "clipkstar: 2 of 3: b on digits failed: it broke.",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Make stderr a terminal; a test does so in its own body, for pytest takes stderr between setup and call."""
    for name, value in {"COLUMNS": "150", "LINES": "40", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)

    def install() -> Terminal:
        found = Terminal()
        monkeypatch.setattr(sys, "stderr", found)
        return found

    return install


def test_on_a_terminal_one_live_view_is_drawn_and_notices_stay_after_it(
    run: Run, on_terminal: Callable[[], Terminal]
) -> None:
    terminal = on_terminal()
    with watching(ahead(A, B, C), quiet=False) as report:
        notice("the cache is full.")
        for event in happenings(run):
            report(event)
    drawn_last, _, after = terminal.getvalue().rpartition("\x1b[?25h")  # the cursor comes back at the end
    assert "3 of 3 pairs" in drawn_last
    assert "b on digits failed: it broke." in drawn_last
    assert after.replace("\x1b[1A\x1b[2K", "").strip().splitlines() == [
        "clipkstar: the cache is full.",
        "clipkstar: digits: something is odd.",
    ]


def test_notices_stay_when_a_sweep_is_interrupted(on_terminal: Callable[[], Terminal]) -> None:
    terminal = on_terminal()
    with pytest.raises(KeyboardInterrupt), watching(ahead(A), quiet=False):
        notice("the cache is full.")
        raise KeyboardInterrupt
    assert terminal.getvalue().rstrip().endswith("clipkstar: the cache is full.")


def test_quiet_draws_nothing_on_a_terminal_either(run: Run, on_terminal: Callable[[], Terminal]) -> None:
    terminal = on_terminal()
    with watching(ahead(A, B, C), quiet=True) as report:
        for event in happenings(run):
            report(event)
    assert terminal.getvalue() == "clipkstar: 2 of 3: b on digits failed: it broke.\n"
