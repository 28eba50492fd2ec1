import pytest
from scipy.stats import false_discovery_control

from clipkstar.report.record import Correlation
from clipkstar.report.verdicts import holm, verdicts


def _correlation(data_set, value, p_value, *, n_lineages=8, low=-0.9, high=-0.2, reason="", **other):
    return Correlation(
        **{
            "data_set": data_set,
            "score": "gamma_approx",
            "coefficient": "spearman",
            "value": value,
            "low": low,
            "high": high,
            "p_value": p_value,
            "n_models": 20,
            "n_lineages": n_lineages,
            "reason": reason,
        }
        | other
    )


def test_holm_multiplies_by_the_tests_that_are_left_and_never_falls():
    # Sorted .01, .02, .03, .04: .04, .06, .06, and .04 rises to the .06 before it.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_holm_lets_through_no_more_than_a_correction_for_the_false_discovery_rate():
    p_values = [0.001, 0.011, 0.02, 0.03, 0.2, 0.9]
    assert all(ours >= theirs for ours, theirs in zip(holm(p_values), false_discovery_control(p_values), strict=True))


def test_a_data_set_follows_violates_or_is_undecided():
    found = verdicts(
        [
            _correlation("digits", -0.8, 0.001),
            _correlation("emoji", 0.7, 0.002, low=0.1, high=0.9),
            _correlation("faces", -0.3, 0.3),
        ]
    )
    assert [(one.data_set, one.judgement, one.p_holm) for one in found] == [
        ("digits", "follows", pytest.approx(0.003)),
        ("emoji", "violates", pytest.approx(0.004)),
        ("faces", "undecided", pytest.approx(0.3)),
    ]
    assert [one.reason for one in found] == [
        "A lower Γ′ goes with a higher accuracy: p = 0.003 after Holm's correction for 3 data sets.",
        "A lower Γ′ goes with a lower accuracy: p = 0.004 after Holm's correction for 3 data sets.",
        "It may be chance: p = 0.3 after Holm's correction for 3 data sets.",
    ]
    assert (found[0].value, found[0].low, found[0].high, found[0].p_value) == (-0.8, -0.9, -0.2, 0.001)


def test_a_data_set_that_many_tests_leave_undecided_alone_would_follow():
    assert verdicts([_correlation("digits", -0.8, 0.04)])[0].judgement == "follows"
    found = verdicts([_correlation("digits", -0.8, 0.04), _correlation("emoji", -0.8, 0.04)])
    assert {one.judgement for one in found} == {"undecided"}


def test_too_few_lineages_are_undecided_and_no_test_that_others_pay_for():
    few, one, enough = verdicts(
        [
            _correlation("digits", -0.9, 0.001, n_lineages=5),
            _correlation("emoji", -0.9, None, n_lineages=1),
            _correlation("faces", -0.8, 0.04),
        ]
    )
    assert (few.judgement, few.p_value, few.p_holm) == ("undecided", 0.001, None)
    assert few.reason == "5 lineages are too few: a verdict needs 6."
    assert one.reason == "1 lineage is too few: a verdict needs 6."
    assert (enough.judgement, enough.reason) == ("follows", "A lower Γ′ goes with a higher accuracy: p = 0.04.")


def test_a_verdict_says_when_the_interval_holds_zero():
    (found,) = verdicts([_correlation("digits", -0.8, 0.04, high=0.1)])
    assert found.judgement == "follows"
    assert found.reason == (
        "A lower Γ′ goes with a higher accuracy: p = 0.04, although the interval, wide with few lineages, holds 0."
    )


def test_an_undefined_correlation_is_undecided_with_its_reason():
    why = "gamma_approx is the same for all 8 models"
    (found,) = verdicts([_correlation("digits", None, None, low=None, high=None, reason=why)])
    assert (found.judgement, found.reason) == ("undecided", f"{why}.")


def test_no_correlation_at_all_is_undecided():
    assert verdicts([_correlation("digits", 0.0, 1.0)])[0].judgement == "undecided"


def test_only_spearman_of_the_primary_score_is_judged():
    others = [_correlation("digits", -0.8, 0.001, coefficient="kendall"), _correlation("x", -1, 0.1, score="nc1")]
    assert verdicts(others) == ()


def test_another_evaluation_of_a_judged_task_is_undecided_and_no_test_that_others_pay_for():
    found = verdicts(
        [_correlation("digits", -0.8, 0.04), _correlation("digits (bf16)", -0.9, 0.001)],
        judged_by={"digits (bf16)": "digits"},
    )
    assert [(one.data_set, one.judgement, one.counted, one.p_holm) for one in found] == [
        ("digits", "follows", True, 0.04),
        ("digits (bf16)", "undecided", False, None),
    ]
    assert (found[1].value, found[1].p_value) == (-0.9, 0.001)
    assert found[0].reason == "A lower Γ′ goes with a higher accuracy: p = 0.04."
    assert found[1].reason == "The task is judged by its evaluation 'digits'; this one is shown and not counted."
