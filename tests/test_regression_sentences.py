"""Words and numbers of a comparison, which every view of a check shares."""

from dataclasses import replace

import pytest
from hand_made_checks import EIGHT, FAILING, GAMMA, PASSING, THREE, UNDECIDED, check_of

from clipkstar.regression.sentences import (
    MOST_NAMED,
    by_importance,
    change,
    class_words,
    direction,
    headline,
    score_value,
    sides,
    verdict_words,
    why,
)


@pytest.mark.parametrize(
    ("better", "difference", "word"),
    [
        ("higher", 0.1, "better"),
        ("higher", -0.1, "worse"),
        ("lower", 0.1, "worse"),
        ("lower", -0.1, "better"),
        ("higher", 0.0, "equal"),
        ("lower", -0.0, "equal"),
    ],
)
def test_which_way_is_worse_follows_from_the_score(better: str, difference: float, word: str) -> None:
    assert direction(replace(PASSING, better=better, difference=difference)) == word


def test_a_headline_says_what_the_score_did() -> None:
    assert headline(FAILING) == "digits: top1 fell by 3.14 points"
    assert headline(GAMMA) == "digits: gamma_approx rose by 0.42"
    assert headline(UNDECIDED) == "emoji_noto: ece rose by 0.005"
    assert headline(replace(FAILING, difference=0.0)) == "digits: top1 is equal"


@pytest.mark.parametrize(
    ("candidate", "baseline", "whom"),
    [(None, 0.5, "one side"), (0.5, None, "one side"), (None, None, "both sides")],
)
def test_an_undefined_score_is_said_to_be_that(candidate: float | None, baseline: float | None, whom: str) -> None:
    undefined = replace(UNDECIDED, candidate=candidate, baseline=baseline, difference=None, low=None, high=None)
    assert headline(undefined) == f"emoji_noto: ece is undefined for {whom}"
    assert direction(undefined) == "–"
    assert (score_value("top1", None), change("top1", None, None, None)) == ("–", "–")


def test_shares_are_in_per_cent_and_every_difference_has_its_sign() -> None:
    assert score_value("top1", 0.12345) == "12.35"
    assert score_value("kstar_mean", 0.12345) == "0.123"
    assert score_value("gamma_approx", -1.005) == "−1.00"
    assert change("top1", 0.0123, -0.004, 0.0286) == "+1.23 [−0.40, +2.86]"
    assert change("ece", -0.0004, None, None) == "0.000"
    assert change("gamma_approx", 0.0, 0.0, 0.0) == "0.00 [0.00, 0.00]"


def test_what_fails_comes_first_then_what_is_undecided_the_surest_worsening_first() -> None:
    late, soon = replace(FAILING, p_corrected=0.04), replace(FAILING, p_corrected=0.01)
    blind = replace(UNDECIDED, p_corrected=None, p_worse=None, power=None)
    assert by_importance([PASSING, UNDECIDED, blind, late, soon]) == [soon, late, UNDECIDED, blind, PASSING]


def test_of_many_classes_a_sentence_names_the_first() -> None:
    assert class_words([EIGHT, THREE]) == '"8" (recall −12.00), "3" (gamma +1.20)'
    assert class_words([EIGHT] * (MOST_NAMED + 2)).endswith('"8" (recall −12.00) and 2 more')


def test_a_reason_does_not_say_twice_that_it_is_undecided() -> None:
    assert why(replace(UNDECIDED, reason="undecided: too few")) == "too few."
    assert why(replace(PASSING, reason="there is no difference at all")) == "there is no difference at all."


def test_a_pass_claims_no_more_than_the_tolerance_allows() -> None:
    assert verdict_words(check_of(PASSING, PASSING)) == (
        "Pass: no worsening beyond the tolerance is established in 2 comparisons; each would show, or excludes, one "
        "that matters"
    )


@pytest.mark.parametrize(("alpha", "shown"), [(0.05, "5 %"), (0.1, "10 %"), (0.001, "0.1 %"), (0.025, "2.5 %")])
def test_the_level_is_said_in_per_cent(alpha: float, shown: str) -> None:
    assert sides(replace(check_of(PASSING), alpha=alpha)).endswith(f"mode regression, α {shown}.")
