"""What a check found as GitHub's workflow commands, which a pull request shows beside its changes."""

from collections.abc import Sequence

from clipkstar.regression.record import Check, Comparison
from clipkstar.regression.sentences import (
    by_importance,
    class_words,
    headline,
    sides,
    verdict_words,
    why,
)
from clipkstar.shown_names import visible
from clipkstar.wording import counted

MOST = 10
"""GitHub keeps ten of a kind from one step."""


def annotations(check: Check) -> list[str]:
    """Return one command a line: an error per failing comparison, a warning per undecided data set, the verdict.

    At most MOST of a kind, the most important first; the last of too many says how many more there are. In
    non-inferiority mode an undecided data set is an error, too: it ends the command with 1.
    """
    failed = [one for one in by_importance(check.comparisons) if one.verdict == "fail"]
    undecided: dict[str, list[Comparison]] = {}
    for one in by_importance(check.comparisons):
        if one.verdict == "undecided":
            undecided.setdefault(one.task, []).append(one)
    errors = [(headline(one), _evidence(check, one)) for one in failed]
    open_ones = [(_undecided_title(task, ones), _undecided(ones)) for task, ones in undecided.items()]
    if check.mode == "non-inferiority":
        errors, open_ones = errors + open_ones, []
    return [
        *(_command("error", *one) for one in _most(errors, "more failure")),
        *(_command("warning", *one) for one in _most(open_ones, "more data set")),
        _command("notice", f"clipkstar check: {check.verdict}", f"{verdict_words(check)}. {sides(check)}"),
    ]


def _evidence(check: Check, comparison: Comparison) -> str:
    established = [one for one in check.classes if one.task == comparison.task and one.established]
    classes = f" Classes that became worse: {class_words(established)}." if established else ""
    return f"{comparison.score}: {why(comparison)}{classes}"


def _undecided_title(task: str, comparisons: Sequence[Comparison]) -> str:
    return f"{task}: {counted(len(comparisons), 'score')} undecided"


def _undecided(comparisons: Sequence[Comparison]) -> str:
    return " ".join(f"{one.score}: {why(one)}" for one in comparisons)


def _most(found: Sequence[tuple[str, str]], noun: str) -> list[tuple[str, str]]:
    """Keep what fits; the last place goes to how many do not."""
    if len(found) <= MOST:
        return list(found)
    left_out = found[MOST - 1 :]
    first = ", ".join(title for title, _ in left_out[:3])
    return [*found[: MOST - 1], (counted(len(left_out), noun), f"{first}; the summary and the JUnit file have all.")]


def _command(kind: str, title: str, message: str) -> str:
    """Escape as actions/toolkit does: a title stands among properties, which a colon or a comma would end."""
    shown = _escaped(visible(title)).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={shown}::{_escaped(visible(message))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
