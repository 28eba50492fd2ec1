"""What a person sees of a sweep while it runs, on stderr: one live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clipkstar.notices import listening
from clipkstar.sweeps.sweep import Ended, Event, Pair, Report, Working
from clipkstar.terminal import main_scores, say, say_all

if TYPE_CHECKING:
    from rich.console import RenderableType

    from clipkstar.sweeps.forecast import Forecast

LINES_OF_SCORES = 6
LINES_OF_FAILURES = 3
LINES_OF_NOTICES = 3

SECONDS_BETWEEN_LINES = 60.0
"""How long nothing is said within a pair where there is no live view."""


@dataclass(kw_only=True)
class Seen:
    """What has happened so far.

    working: pairs at work → images done, images in all. left: pictures of each pair that is to be encoded and has not
    ended, as forecast; None = not known. encoded: pictures of pairs that ended.
    """

    n_pairs: int
    left: dict[Pair, int | None] = field(default_factory=dict)
    last_line: float = field(default_factory=time.monotonic)
    started: float = field(default_factory=time.monotonic)
    working: dict[Pair, tuple[int, int]] = field(default_factory=dict)
    encoded: int = 0
    count: dict[str, int] = field(default_factory=lambda: {"ran": 0, "skipped": 0, "failed": 0})
    last: deque[Ended] = field(default_factory=lambda: deque(maxlen=LINES_OF_SCORES))
    failures: deque[Ended] = field(default_factory=lambda: deque(maxlen=LINES_OF_FAILURES))
    notices: list[str] = field(default_factory=list)

    @property
    def n_ended(self) -> int:
        """Pairs that ended in any way."""
        return sum(self.count.values())

    @property
    def pictures_per_second(self) -> float | None:
        """Pictures evaluated per second since the start, loading and metrics included; None before the first."""
        pictures = self.encoded + self.in_work
        seconds = time.monotonic() - self.started
        return pictures / seconds if pictures and seconds else None

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pictures that are left; None before there is a rate, and while a data set is not known."""
        rate, known = self.pictures_per_second, [n for n in list(self.left.values()) if n is not None]
        if rate is None or len(known) < len(self.left):
            return None
        return max(sum(known) - self.in_work, 0) / rate

    @property
    def in_work(self) -> int:
        """Pictures evaluated of pairs that have not ended."""
        return sum(done for done, _ in list(self.working.values()))


def note(seen: Seen, event: Event) -> None:
    """Take an event in."""
    if isinstance(event, Working):
        seen.working[event.pair] = (event.done, event.total)
        seen.left[event.pair] = event.total
        return
    seen.working.pop(event.pair, None)
    seen.left.pop(event.pair, None)
    seen.count[event.outcome] += 1
    seen.encoded += event.pictures
    if event.outcome == "ran":
        seen.last.append(event)
    if event.outcome == "failed":
        seen.failures.append(event)


@contextmanager
def watching(ahead: Forecast, *, quiet: bool) -> Iterator[Report]:
    """Give a function that shows events of a sweep, and show notices beside them. quiet: failures and notices only."""
    seen = Seen(n_pairs=len(ahead.pairs), left=ahead.to_encode_by_pair)
    if not quiet and sys.stderr.isatty():
        with _live(seen) as report:
            yield report
        return
    with listening(say):
        yield lambda event: _tell(seen, event, quiet=quiet)


@contextmanager
def _live(seen: Seen) -> Iterator[Report]:
    from rich.console import Console
    from rich.live import Live

    def show(event: Event) -> None:
        note(seen, event)
        seen.notices += _notices(event)

    console = Console(stderr=True)
    try:
        with (
            listening(seen.notices.append),
            Live(console=console, refresh_per_second=4, transient=True, get_renderable=lambda: view(seen)),
        ):
            yield show
    finally:
        say_all(seen.notices)


def view(seen: Seen) -> RenderableType:
    """Draw what has happened: pairs and time left, pairs at work, last scores, failures, notices."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bars = Table.grid(padding=(0, 2))
    count = seen.count
    bars.add_row(
        Text(f"{seen.n_ended} of {seen.n_pairs} pairs", style="bold"),
        ProgressBar(total=max(seen.n_pairs, 1), completed=seen.n_ended, width=40),
        Text(f"{count['ran']} ran, {count['skipped']} skipped, {count['failed']} failed{_rate(seen)}"),
    )
    for pair, (done, total) in list(seen.working.items()):  # the sweep goes on meanwhile
        bars.add_row(
            Text(pair.task),
            ProgressBar(total=max(total, 1), completed=done, width=40),
            Text(f"{done}/{total}  {pair.checkpoint}"),
        )
    lines = [Text(_sentence(ended)) for ended in list(seen.last)]
    lines += [Text(_sentence(ended), style="red") for ended in list(seen.failures)]
    lines += [Text(sentence.splitlines()[0], style="yellow") for sentence in seen.notices[-LINES_OF_NOTICES:]]
    return Group(bars, *lines)


def _rate(seen: Seen) -> str:
    rate, left = seen.pictures_per_second, seen.seconds_left
    if rate is None:
        return ""
    if left is None:
        return f", {rate:.0f} pictures/s"
    minutes, seconds = divmod(int(left), 60)
    hours, minutes = divmod(minutes, 60)
    return f", {rate:.0f} pictures/s, about {hours}:{minutes:02}:{seconds:02} left"


def _tell(seen: Seen, event: Event, *, quiet: bool) -> None:
    note(seen, event)
    if isinstance(event, Working):
        if not quiet and time.monotonic() - seen.last_line > SECONDS_BETWEEN_LINES:
            seen.last_line = time.monotonic()
            say(f"{event.pair.checkpoint} on {event.pair.task}: {event.done} of {event.total} images{_rate(seen)}.")
        return
    if event.outcome == "skipped":
        return
    seen.last_line = time.monotonic()
    if not quiet or event.outcome == "failed":
        say(f"{seen.n_ended} of {seen.n_pairs}: {_sentence(event)}")
    if not quiet:
        say_all(_notices(event))


def _notices(event: Event) -> list[str]:
    return [f"{event.pair.task}: {sentence}" for sentence in event.notices] if isinstance(event, Ended) else []


def _sentence(ended: Ended) -> str:
    name = f"{ended.pair.checkpoint} on {ended.pair.task}"
    if ended.run is None:
        return f"{name} failed: {ended.sentence}"
    rate = f" ({ended.pictures / ended.seconds:.0f} pictures/s)" if ended.seconds else ""
    return f"{name}: {main_scores(ended.run)}{rate}"
