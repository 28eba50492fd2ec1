"""What a check found as Markdown, for a pull request and for the summary of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.markdown import escaped, folded, listed, section, table
from clipkstar.regression.sentences import (
    MARKS,
    SHARES,
    by_importance,
    change,
    direction,
    p_name,
    p_shown,
    score_value,
    sides,
    verdict_words,
    why,
)
from clipkstar.wording import NONE, counted, number, p_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clipkstar.regression.record import Check, ClassRegression, Comparison

MOST_CHARACTERS = 60_000
"""A comment on GitHub holds 65,536, the summary of a step 1 MiB."""

MOST_OF_TABLE = 36_000
"""Characters of the table of comparisons; what fails stays in it longest."""

MOST_OF_LIST = 5_000
"""Characters of each list of sentences."""

MOST_CLASSES = 10
"""Rows of a data set's table of classes."""

NUMBERS = ("baseline → candidate", "difference [95\N{NO-BREAK SPACE}%]")
"""Heads of the columns that both tables have."""

LONGEST_NAME = 80
"""Characters of a name in a table."""


def summary(check: Check) -> str:
    """Return the text: the verdict, every comparison, why some fail or are undecided, classes, notices.

    It is never longer than MOST_CHARACTERS; what is left out is said.
    """
    first = by_importance(check.comparisons)
    before = [
        f"## {escaped(verdict_words(check))}",
        escaped(sides(check)),
        _comparisons(check),
        _titled("Failed", [f"{one.task}, {one.score}: {why(one)}" for one in first if one.verdict == "fail"]),
        _titled("Undecided", [f"{one.task}, {one.score}: {why(one)}" for one in first if one.verdict == "undecided"]),
    ]
    after = [_titled("Notices", check.notices), folded("How to read this", listed(_how_to_read(check)))]
    room = MOST_CHARACTERS - sum(len(part) + 2 for part in (*before, *after))
    return "\n\n".join(part for part in (*before, *_classes(check, room), *after) if part) + "\n"


def _comparisons(check: Check) -> str:
    """Write the table in the order of the check; where it would be too long, without what passes most surely."""
    rows = {one: _row(check, one) for one in by_importance(check.comparisons)}
    kept: set[Comparison] = set()
    room = MOST_OF_TABLE
    for one, row in rows.items():
        room -= len(escaped(" | ".join(row))) + 6
        if room < 0:
            break
        kept.add(one)
    head = ("verdict", "data set", "score", *NUMBERS, p_name(check.mode), "power")
    shown = [rows[one] for one in check.comparisons if one in kept]
    text = table(head, shown, left=head[:3])
    left_out = rows.keys() - kept
    if not left_out:
        return text
    n_failed = sum(one.verdict == "fail" for one in left_out)
    failing = f", {n_failed:,} of which fail" if n_failed else ""
    said = f"{counted(len(left_out), 'more comparison')} left out here{failing}; `--json` and the JUnit file have all."
    return f"{text}\n\n{said}"


def _row(check: Check, one: Comparison) -> tuple[str, ...]:
    return (
        _whole(MARKS[one.verdict]),
        _short(one.task),
        _name(one.score),
        _whole(f"{score_value(one.score, one.baseline)} → {score_value(one.score, one.candidate)}"),
        _difference(one, direction(one)),
        _whole(p_value(p_shown(one, check.mode))),
        number(one.power),
    )


def _name(score: str) -> str:
    return _whole(f"{score} %") if score in SHARES else score


def _difference(one: Comparison | ClassRegression, word: str = "") -> str:
    """Write `−3.14 worse [−4.41, −1.87]`, to be broken before the interval only."""
    if one.difference is None:
        return NONE
    value, *interval = change(one.score, one.difference, one.low, one.high).split(" ", 1)
    return " ".join(_whole(part) for part in (f"{value} {word}".rstrip(), *interval))


def _whole(text: str) -> str:
    """Let no line be broken within the text."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _classes(check: Check, room: int) -> list[str]:
    """Write one folded table per data set, while there is room."""
    tasks = list(dict.fromkeys(one.task for one in check.classes))
    parts: list[str] = []
    for place, task in enumerate(tasks):
        more = f"The classes of {counted(len(tasks) - place, 'more data set')} are in `--json`."
        part = _classes_of(task, [one for one in check.classes if one.task == task])
        room -= len(part) + 2
        if room < len(more) + 10:
            return [*parts, more]
        parts.append(part)
    return parts


def _classes_of(task: str, found: Sequence[ClassRegression]) -> str:
    names, established = {one.name for one in found}, {one.name for one in found if one.established}
    rows = [
        (
            _short(one.name),
            _name(one.score),
            f"{one.n_images:,}",
            _whole(f"{score_value(one.score, one.baseline)} → {score_value(one.score, one.candidate)}"),
            _difference(one),
            _whole(p_value(one.p_corrected)),
            "established" if one.established else _whole("may be chance"),
        )
        for one in found[:MOST_CLASSES]
    ]
    head = ("class", "score", "images", *NUMBERS, "p (Holm)", "it is")
    n_more = len(found) - MOST_CLASSES
    more = f"\n\n{counted(n_more, 'more row')} {'is' if n_more == 1 else 'are'} in `--json`." if n_more > 0 else ""
    n_worse = counted(len(names), "class", "classes")
    title = f"{_short(task)}: {n_worse} became worse, {len(established):,} of them established"
    return folded(title, table(head, rows, left=("class", "score", "it is")) + more)


def _how_to_read(check: Check) -> list[str]:
    if check.mode == "regression":
        rules = [
            "fail: a worsening beyond the tolerance is established. undecided: none is, and one that matters would be "
            "missed too often; that alone does not fail a check.",
            "p (Holm): corrected over all comparisons, so that an encoder that is no worse fails at most once in "
            f"{number(1 / check.alpha, 0)} checks.",
            "power: chance, before anything is looked at, that a worsening of the size that the policy names would be "
            "seen with so many images; where it is low, a score can still pass because one is excluded.",
        ]
    else:
        rules = [
            "pass: a worsening beyond the tolerance is excluded. undecided: it is neither excluded nor established; "
            "that fails a check of non-inferiority.",
            "p (within): small where a worsening beyond the tolerance is excluded.",
            "power: chance that such a worsening would be excluded with these images if there were none at all.",
        ]
    return [
        *rules,
        "Tests are one-sided, for a worsening; the 95 % intervals are two-sided and not corrected.",
        "Both sides were evaluated on the same images; the difference is candidate − baseline, in points where the "
        "score is in per cent. Higher is better for top1, mean_class_recall, nn1_accuracy and kstar_mean, lower for "
        "ece and gamma_approx (Γ′).",
        "Classes decide nothing; they tell where to look. Their p (Holm) is corrected over the classes of a data set.",
    ]


def _titled(title: str, lines: Iterable[str]) -> str:
    text = _short_list(lines)
    return section(title, text) if text else ""


def _short_list(lines: Iterable[str]) -> str:
    """Write lines while they fit into MOST_OF_LIST, and how many do not."""
    lines = list(lines)
    kept: list[str] = []
    room = MOST_OF_LIST
    for line in lines:
        room -= len(escaped(line)) + 3
        if room < 0:
            break
        kept.append(line)
    left_out = len(lines) - len(kept)
    return listed([*kept, f"{left_out:,} more are in `--json`."] if left_out else kept)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
