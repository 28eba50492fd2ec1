"""Workflow commands as GitHub's runner reads them: escaped, the most important first, ten of a kind at most."""

import re
from dataclasses import replace
from urllib.parse import unquote

from hand_made_checks import EIGHT, FAILING, HOSTILE, MIXED, PASSING, UNDECIDED, check_of, many

from clipkstar.regression.annotations import MOST, annotations


def read(line: str) -> tuple[str, dict[str, str], str]:
    """Read a command: its kind, its properties, its message. What is between % and two digits is undone last."""
    kind, properties, message = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line).groups()
    pairs = dict(one.split("=", 1) for one in properties.split(","))
    return kind, {name: unquote(value) for name, value in pairs.items()}, unquote(message)


def test_a_failing_comparison_is_an_error_and_an_undecided_data_set_a_warning() -> None:
    assert annotations(MIXED) == [
        "::error title=digits%3A top1 fell by 3.14 points::top1: a worsening beyond 0 is established: "
        "−3.14 points [−4.41, −1.87], p < 0.001 after Holm's correction; 4.0 %25 of the images are right for "
        "exactly one of the two, exact McNemar p < 0.001. "
        'Classes that became worse: "8" (recall −12.00).',
        "::error title=digits%3A gamma_approx rose by 0.42::gamma_approx: a worsening beyond 0 is established: "
        "+0.42 [+0.11, +0.73], p = 0.031 after Holm's correction; over 8 of 10 classes, the other 2 are undefined for "
        "one side or without a group of images. "
        'Classes that became worse: "8" (recall −12.00).',
        "::warning title=emoji_noto%3A 1 score undecided::"
        "ece: 433 images show a worsening of 0.01 with a chance of 31 %25; about 2,200 would decide it.",
        "::notice title=clipkstar check%3A fail::Fail: the candidate is worse in 2 of 4 comparisons. "
        "Candidate zoo--tiny-p8--stage1 against baseline zoo--tiny-p8--final; mode regression, α 5 %25.",
    ]


def test_a_check_that_passes_is_one_notice() -> None:
    (line,) = annotations(check_of(PASSING))
    assert read(line)[:2] == ("notice", {"title": "clipkstar check: pass"})


def test_undecided_is_an_error_where_it_ends_the_command_with_1() -> None:
    kinds = [read(line)[0] for line in annotations(check_of(UNDECIDED, mode="non-inferiority"))]
    assert kinds == ["error", "notice"]


def test_a_data_set_with_several_undecided_scores_is_one_warning() -> None:
    warning, _ = annotations(check_of(UNDECIDED, replace(UNDECIDED, score="top1", power=None, reason="undecided: why")))
    assert read(warning) == (
        "warning",
        {"title": "emoji_noto: 2 scores undecided"},
        "top1: why. ece: 433 images show a worsening of 0.01 with a chance of 31 %; about 2,200 would decide it.",
    )


def test_ten_of_a_kind_are_said_and_the_last_says_how_many_more() -> None:
    lines = [read(line) for line in annotations(many(200))]
    titles = {kind: [title["title"] for one, title, _ in lines if one == kind] for kind in ("error", "warning")}
    assert {kind: len(found) for kind, found in titles.items()} == {"error": MOST, "warning": MOST}
    assert titles["error"][-1] == "111 more failures"  # 120 fail
    assert titles["warning"][-1] == "51 more data sets"  # 60 are undecided
    ten = annotations(check_of(*(replace(FAILING, task=f"t{number}") for number in range(MOST))))
    assert [read(line)[0] for line in ten] == ["error"] * MOST + ["notice"]
    assert read(ten[-2])[1] == {"title": "t9: top1 fell by 3.14 points"}


def test_the_surest_failure_comes_first() -> None:
    p_values = (0.04, 0.001, 0.02)
    found = annotations(check_of(*(replace(FAILING, task=f"p{p}", p_corrected=p) for p in p_values)))
    assert [read(line)[1]["title"].split(":")[0] for line in found[:3]] == ["p0.001", "p0.02", "p0.04"]


def test_no_name_begins_a_command_of_its_own_or_ends_a_title() -> None:
    hostile = replace(FAILING, task=HOSTILE, reason=f"{HOSTILE}\r\n::error::taken")
    lines = annotations(check_of(hostile, classes=[replace(EIGHT, task=HOSTILE, name=HOSTILE)]))
    assert len(lines) == 2
    assert all(len(line.splitlines()) == 1 for line in lines)
    kind, properties, message = read(lines[0])
    assert kind == "error"
    assert properties == {
        "title": "a|b�<script>`_x_`</script> ]]> & ���[31m�� 100 %, title=x::error::名前\ufffd: "
        "top1 fell by 3.14 points"
    }
    assert "��::error::taken. Classes" in message
