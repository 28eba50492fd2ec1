"""JUnit XML as Jenkins and GitLab read it: it validates against a published schema, whatever the names are."""

from dataclasses import replace
from pathlib import Path

import pytest
from hand_made_checks import COLLAPSED, EIGHT, FAILING, HOSTILE, MIXED, PASSING, UNDECIDED, check_of, many
from lxml import etree

from clipkstar.regression.junit import junit
from clipkstar.regression.record import Check

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).with_name("junit-10.xsd")))


def parsed(check: Check) -> etree._Element:
    return etree.fromstring(junit(check).encode())


@pytest.mark.parametrize(
    "check",
    [
        MIXED,
        check_of(PASSING),
        check_of(),
        check_of(UNDECIDED, mode="non-inferiority"),
        check_of(replace(FAILING, low=None, high=None, p_corrected=None, p_worse=None, power=None)),
        check_of(
            replace(FAILING, task=HOSTILE, reason=HOSTILE),
            replace(UNDECIDED, task=HOSTILE, reason=HOSTILE),
            classes=[replace(EIGHT, task=HOSTILE, name=HOSTILE)],
        ),
        many(20),
    ],
    ids=["mixed", "pass", "nothing", "non-inferiority", "no-interval", "hostile", "many"],
)
def test_every_document_validates_against_the_schema(check: Check) -> None:
    SCHEMA.assertValid(parsed(check))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('<testsuite name="digits"', "<testsuite"),
        ("<testcase ", '<testcase verdict="fail" '),
        ("failure", "fault"),
    ],
    ids=["no-name", "own-attribute", "own-element"],
)
def test_a_document_that_is_no_junit_fails_the_same_validation(right: str, wrong: str) -> None:
    text = junit(MIXED)
    assert right in text
    broken = etree.fromstring(text.replace(right, wrong).encode())
    assert not SCHEMA.validate(broken)


def test_a_suite_is_a_data_set_and_a_case_a_score() -> None:
    suites = parsed(MIXED)
    assert [(one.get("name"), [case.get("name") for case in one.iter("testcase")]) for one in suites] == [
        ("digits", ["top1", "gamma_approx"]),
        ("emoji_noto", ["top1", "ece"]),
    ]


def test_the_counts_are_those_of_the_cases() -> None:
    for check in (MIXED, many(20), check_of(UNDECIDED, PASSING, mode="non-inferiority")):
        root = parsed(check)
        for one in (root, *root):
            assert int(one.get("tests")) == len(list(one.iter("testcase")))
            assert int(one.get("failures")) == len(list(one.iter("failure")))
            assert one.get("errors") == "0"


def test_a_failure_says_what_happened_with_the_evidence_and_the_classes_that_became_worse() -> None:
    failure = parsed(MIXED).find(".//testcase[@name='top1']/failure")
    assert failure.get("message") == "digits: top1 fell by 3.14 points"
    assert failure.get("type") == "fail"
    assert failure.text.splitlines() == [
        "fail: a worsening beyond 0 is established: −3.14 points [−4.41, −1.87], p < 0.001 after Holm's correction; "
        "4.0 % of the images are right for exactly one of the two, exact McNemar p < 0.001.",
        "top1: baseline 96.20, candidate 93.06, difference −3.14 [−4.41, −1.87] (worse)",
        "797 images, p (Holm) < 0.001, power 0.91",
        'classes that became worse: "8" (recall −12.00)',
    ]


def test_undecided_passes_with_a_word_in_regression_mode() -> None:
    case = parsed(MIXED).find(".//testcase[@name='ece']")
    assert case.find("failure") is None
    assert case.findtext("system-out").splitlines() == [
        "undecided: 433 images show a worsening of 0.01 with a chance of 31 %; about 2,200 would decide it.",
        "ece: baseline 0.066, candidate 0.071, difference +0.005 [−0.010, +0.021] (worse)",
        "433 images, p (Holm) 1.000, power 0.31",
    ]


def test_undecided_fails_in_non_inferiority_mode() -> None:
    case = parsed(check_of(UNDECIDED, mode="non-inferiority")).find(".//testcase")
    assert case.find("failure").get("type") == "undecided"
    assert "433 images, p (within) 0.750, power 0.31" in case.findtext("failure").splitlines()


def test_where_a_side_has_no_value_it_is_said_in_both_modes() -> None:
    case = parsed(check_of(COLLAPSED)).find(".//testcase")
    assert case.findtext("system-out").splitlines() == [
        "undecided: Γ′ is undefined for the candidate, in every class all k* are equal.",
        "gamma_approx: baseline −1.93, candidate –, difference – (–)",
        "797 images, p (Holm) –, power –",
    ]
    failure = parsed(check_of(COLLAPSED, mode="non-inferiority")).find(".//failure")
    assert failure.get("message") == "digits: gamma_approx is undefined for one side"


def test_names_that_xml_cannot_hold_are_shown_and_those_that_look_like_xml_stay_names() -> None:
    hostile = check_of(replace(FAILING, task=HOSTILE), classes=[replace(EIGHT, task=HOSTILE, name=HOSTILE)])
    suite = parsed(hostile)[0]
    shown = "a|b�<script>`_x_`</script> ]]> & ���[31m�� 100 %, title=x::error::名前\ufffd"
    assert suite.get("name") == shown
    assert (
        suite.findtext("testcase/failure").splitlines()[-1] == f'classes that became worse: "{shown}" (recall −12.00)'
    )
    assert suite.find(".//script") is None
