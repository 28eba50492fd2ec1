"""What a check found as JUnit XML: one suite per data set, one test case per score."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from clipkstar.regression.sentences import (
    change,
    class_words,
    direction,
    headline,
    p_name,
    p_shown,
    score_value,
    sides,
    verdict_words,
    why,
)
from clipkstar.shown_names import visible
from clipkstar.wording import number, p_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipkstar.regression.record import Check, Comparison


def junit(check: Check) -> str:
    """Return the document. Undecided passes with a word in regression mode; in non-inferiority mode it is a failure.

    It validates against the schema of Jenkins' xunit plugin. Characters that XML cannot hold are shown as �.
    """
    root = ElementTree.Element("testsuites", name="clipkstar check")
    tasks = dict.fromkeys(one.task for one in check.comparisons)
    n_failures = 0
    for task in tasks:
        of_task = [one for one in check.comparisons if one.task == task]
        n_failures += _add_suite(root, check, of_task)
    root.set("tests", str(len(check.comparisons)))
    root.set("failures", str(n_failures))
    root.set("errors", "0")
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _add_suite(root: ElementTree.Element, check: Check, comparisons: Sequence[Comparison]) -> int:
    """Write the test cases of one data set; return how many fail."""
    task = visible(comparisons[0].task)
    failed = [one for one in comparisons if _fails(check, one)]
    counts = {"tests": str(len(comparisons)), "failures": str(len(failed)), "errors": "0", "skipped": "0"}
    suite = ElementTree.SubElement(root, "testsuite", {"name": task} | counts)
    for comparison in comparisons:
        case = ElementTree.SubElement(suite, "testcase", classname=task, name=visible(comparison.score))
        if comparison in failed:
            failure = ElementTree.SubElement(case, "failure", message=visible(headline(comparison)))
            failure.set("type", comparison.verdict)
            failure.text = _text(_evidence(check, comparison))
        else:
            ElementTree.SubElement(case, "system-out").text = _text(_evidence(check, comparison))
    ElementTree.SubElement(suite, "system-out").text = _text([f"{verdict_words(check)}.", sides(check)])
    return len(failed)


def _fails(check: Check, comparison: Comparison) -> bool:
    return comparison.verdict == "fail" or (comparison.verdict == "undecided" and check.mode == "non-inferiority")


def _evidence(check: Check, comparison: Comparison) -> list[str]:
    """Return the lines that tell why."""
    one = comparison
    values = f"baseline {score_value(one.score, one.baseline)}, candidate {score_value(one.score, one.candidate)}"
    p = p_value(p_shown(one, check.mode))
    lines = [
        f"{one.verdict}: {why(one)}",
        f"{one.score}: {values}, difference {change(one.score, one.difference, one.low, one.high)} ({direction(one)})",
        f"{one.n_images:,} images, {p_name(check.mode)} {p}, power {number(one.power)}",
    ]
    established = [found for found in check.classes if found.task == one.task and found.established]
    if one.verdict == "fail" and established:
        lines.append(f"classes that became worse: {class_words(established)}")
    return lines


def _text(lines: Sequence[str]) -> str:
    return "\n".join(visible(line) for line in lines)
