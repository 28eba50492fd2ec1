"""Verdicts: from evidence made by hand to pass, fail or undecided with the reason, by both modes of a policy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl
import pytest
from hand_made_evaluations import evaluation

from clipkstar.errors import InputError
from clipkstar.regression.checking import checked
from clipkstar.regression.comparing import SCORES
from clipkstar.regression.evidence import Compared, Evidence
from clipkstar.regression.paired_proportions import PairedProportions
from clipkstar.regression.pairing import Paired
from clipkstar.regression.policy import DEFAULT, Policy, Rule, read_policy
from clipkstar.regression.question import Question
from clipkstar.regression.record import Check, Comparison, Pair
from clipkstar.regression.verdicts import judge, overall
from clipkstar.run import Evaluation


@dataclass(frozen=True, kw_only=True)
class Known:
    """Evidence with everything said; powers: (effect, alpha) → the chance, as asked for."""

    estimate: float = 0.0
    exceeds: float = 1.0
    within: float = 1.0
    ends: tuple[float, float] = (-0.01, 0.03)
    chance: float = 0.5
    needed: int = 5234

    def p_exceeds(self, tolerance: float) -> float:
        TOLERANCES.append(tolerance)
        return self.exceeds

    def p_within(self, tolerance: float) -> float:
        TOLERANCES.append(tolerance)
        return self.within

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        assert confidence == 0.95
        return self.ends

    def power(self, effect: float, *, alpha: float, tolerance: float = 0.0) -> float:  # noqa: ARG002
        ASKED.append((effect, alpha))
        return self.chance

    def images_needed(self, effect: float, *, alpha: float, power: float, tolerance: float = 0.0) -> int:  # noqa: ARG002
        ASKED.append((effect, alpha, power))
        return self.needed


ASKED: list[tuple[float, ...]] = []
TOLERANCES: list[float] = []
REGRESSION = DEFAULT
WITHIN = read_policy(None, mode="non-inferiority")


@pytest.fixture(autouse=True)
def asked() -> list[tuple[float, ...]]:
    ASKED.clear()
    TOLERANCES.clear()
    return ASKED


def question(evidence: Evidence | None, /, score: str = "top1", **changes: float) -> Question:
    rule = Rule(**({"score": score, "tolerance": 0.0, "effect": 0.01, "weight": 1.0} | changes))  # type: ignore[arg-type]
    worsening = 0.0 if evidence is None else evidence.estimate
    better = "lower" if score in ("ece", "gamma_approx") else "higher"
    candidate = 0.5 + worsening if better == "lower" else 0.5 - worsening
    compared = Compared(
        baseline=0.5, candidate=candidate, evidence=evidence, reason="" if evidence else "too few images"
    )
    return Question(label="digits", n_images=400, better=better, rule=rule, compared=compared)


def judged(evidence: Evidence | None, policy: Policy = REGRESSION, **changes: object) -> Comparison:
    (found,) = judge([question(evidence, **changes)], policy)  # type: ignore[arg-type]
    return found


# regression


def test_a_worsening_that_is_established_fails() -> None:
    found = judged(Known(estimate=0.012, exceeds=0.0004, ends=(0.005, 0.019)))
    assert (found.verdict, found.p_worse, found.p_corrected, found.power, found.n_needed) == (
        *("fail", 0.0004, 0.0004),
        *(0.5, None),
    )
    assert (found.difference, found.low, found.high) == (0.488 - 0.5, -0.019, -0.005)
    assert found.reason == (
        "a worsening beyond 0 is established: −1.20 points [−1.90, −0.50], p < 0.001 after Holm's correction"
    )


def test_a_score_that_is_better_when_lower_worsens_upwards() -> None:
    evidence = Known(estimate=0.25, exceeds=0.031, ends=(0.05, 0.45))
    found = judged(evidence, score="gamma_approx", tolerance=0.1, effect=0.2)
    assert (found.difference, found.low, found.high) == (0.25, 0.05, 0.45)
    assert found.reason == (
        "a worsening beyond 0.1 is established: +0.25 [+0.05, +0.45], p = 0.031 after Holm's correction"
    )


def test_what_is_not_established_passes_where_a_worsening_would_have_been_seen() -> None:
    found = judged(Known(estimate=0.002, exceeds=0.3, ends=(-0.004, 0.008), chance=0.93), tolerance=0.005)
    assert (found.verdict, found.power, found.n_needed) == ("pass", 0.93, None)
    assert found.reason == (
        "no worsening beyond 0.5 points is established: −0.20 points [−0.80, +0.40]; a worsening of 1 point beyond 0.5 "
        "points would be seen with a chance of 93 %"
    )


def test_what_may_not_be_seen_passes_where_a_worsening_that_matters_is_excluded() -> None:
    evidence = Known(estimate=-0.041, exceeds=1.0, within=0.05, ends=(-0.062, -0.023), chance=0.4)
    found = judged(evidence, tolerance=0.005)
    assert (found.verdict, found.power, found.n_needed) == ("pass", 0.4, None)
    assert found.reason == "a worsening of 1.5 points or more is excluded: +4.10 points [+2.30, +6.20], p = 0.050"
    assert TOLERANCES.count(0.015) == 1
    assert judged(replace(evidence, within=0.051), tolerance=0.005).verdict == "undecided"


def test_what_is_not_established_is_undecided_where_a_worsening_could_be_there_unseen() -> None:
    found = judged(Known(estimate=0.002, exceeds=0.3, chance=0.23))
    assert (found.verdict, found.power, found.n_needed) == ("undecided", 0.23, 5234)
    assert found.reason == (
        "undecided: 400 images show a worsening of 1 point with a chance of 23 %; about 5,300 would decide it"
    )


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        (99, "about 99 would"),
        (101, "about 110 would"),
        (5300, "about 5,300 would"),
        (10**15, "no number of images that there are would"),
    ],
)
def test_how_many_images_would_decide_it_is_rounded_up_to_two_digits(needed: int, said: str) -> None:
    assert judged(Known(needed=needed)).reason.partition("; ")[2] == f"{said} decide it"


@pytest.mark.parametrize(("chance", "said"), [(0.001, "under 1 %"), (0.794, "79 %"), (0.7999, "80 %")])
def test_chances_are_whole_per_cent(chance: float, said: str) -> None:
    assert f"with a chance of {said}; " in judged(Known(chance=chance)).reason


def test_a_chance_of_seeing_it_is_never_said_to_be_sure() -> None:
    assert judged(Known(chance=1.0)).reason.endswith("with a chance of over 99 %")


def test_no_difference_at_all_is_said() -> None:
    found = judged(Known(ends=(0.0, 0.0), chance=1.0))
    assert (found.verdict, found.difference, found.low, found.high) == ("pass", 0.0, 0.0, 0.0)
    assert found.reason == "there is no difference at all"
    assert str(found.low) == "0.0"


def test_power_is_that_at_the_first_and_strictest_step_of_the_correction(asked: list[tuple[float, ...]]) -> None:
    judge([question(Known(), weight=5.0), question(Known(), score="ece", effect=0.02)], REGRESSION)
    first, rest = 0.05 * 5 / 6, 0.05 * 1 / 6
    assert asked == [(0.01, first), (0.01, first, 0.8), (0.02, rest), (0.02, rest, 0.8)]


def test_power_and_images_needed_are_those_of_a_worsening_beyond_the_tolerance() -> None:
    seen = PairedProportions(n=1500, n_worse=76, n_better=0)
    one = judged(seen, tolerance=0.05)
    # A worsening by 6 points needs 6 % of discordant images, which is more than the 5.1 % observed.
    assert one.verdict == "undecided"
    assert one.power == seen.power(0.01, alpha=0.05, tolerance=0.05)
    assert one.power != seen.power(0.01, alpha=0.05)
    assert one.n_needed == seen.images_needed(0.01, alpha=0.05, power=0.8, tolerance=0.05)


def test_p_values_are_corrected_over_all_comparisons_by_their_weights() -> None:
    p_values, weights = (0.02, 0.004, 1.0), (5.0, 1.0, 1.0)
    questions = [question(Known(exceeds=p), weight=w) for p, w in zip(p_values, weights, strict=True)]
    found = judge(questions, REGRESSION)
    # the smallest ratios p / weight are 0.02 / 5 and 0.004 / 1, both 0.004, of 7 in all: 0.028 for both; the last is 1
    assert [one.p_corrected for one in found] == pytest.approx([0.028, 0.028, 1.0])
    assert [one.verdict for one in found] == ["fail", "fail", "undecided"]


def test_a_comparison_without_evidence_counts_in_the_correction_and_is_undecided() -> None:
    alone = judged(Known(exceeds=0.04))
    beside, without = judge([question(Known(exceeds=0.04)), question(None)], REGRESSION)
    assert (alone.p_corrected, beside.p_corrected) == (0.04, 0.08)
    assert (alone.verdict, beside.verdict, without.verdict) == ("fail", "undecided", "undecided")
    assert without.reason == "undecided: too few images"
    assert (without.p_worse, without.p_corrected, without.p_within, without.power, without.low) == (None,) * 5


# non-inferiority


def test_a_worsening_that_is_excluded_passes_without_a_correction() -> None:
    evidence = Known(estimate=0.002, within=0.04, ends=(-0.004, 0.008))
    found = judge([question(evidence, tolerance=0.01), question(evidence, tolerance=0.01)], WITHIN)
    assert [one.verdict for one in found] == ["pass", "pass"]
    assert found[0].reason == "a worsening of 1 point or more is excluded: −0.20 points [−0.80, +0.40], p = 0.040"


def test_a_worsening_beyond_the_tolerance_that_is_established_fails_in_non_inferiority_too() -> None:
    found = judged(Known(estimate=0.03, exceeds=0.001, ends=(0.02, 0.04)), WITHIN, tolerance=0.01)
    assert found.verdict == "fail"
    assert found.reason == (
        "a worsening beyond 1 point is established: −3.00 points [−4.00, −2.00], p = 0.001 after Holm's correction"
    )


def test_what_is_not_excluded_is_undecided_with_the_images_that_would_decide_it(asked: list[tuple[float, ...]]) -> None:
    found = judged(Known(estimate=0.005, within=0.12), WITHIN, tolerance=0.01)
    assert (found.verdict, found.n_needed, found.power) == ("undecided", 5234, 0.5)
    assert found.reason == (
        "undecided: a worsening of 1 point or more is not excluded: −0.50 points [−3.00, +1.00], p = 0.120; about "
        "5,300 would decide it"
    )
    assert asked == [(0.01, 0.05), (0.005, 0.05, 0.8)]
    assert set(TOLERANCES) == {0.01}


def test_where_what_was_observed_lies_beyond_the_tolerance_no_number_of_images_would_do() -> None:
    found = judged(Known(estimate=0.01, within=0.5), WITHIN, tolerance=0.01)
    assert (found.verdict, found.n_needed) == ("undecided", None)
    assert found.reason.endswith("p = 0.500; no number of images would exclude it at what was observed")


# the whole


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["pass", "pass"], "pass"),
        (["pass", "undecided"], "undecided"),
        (["undecided", "fail", "pass"], "fail"),
    ],
)
def test_the_check_fails_where_one_comparison_fails(verdicts: Sequence[str], expected: str) -> None:
    made = [replace(judged(Known()), verdict=verdict) for verdict in verdicts]  # type: ignore[arg-type]
    assert overall(made) == expected


def pair(candidate: Evaluation, baseline: Evaluation) -> Pair:
    return Pair(label="digits", candidate=candidate, baseline=baseline)


def found(candidate: Evaluation, baseline: Evaluation, policy: Policy = DEFAULT, notices: Sequence[str] = ()) -> Check:
    return checked(Paired(pairs=(pair(candidate, baseline),), notices=tuple(notices)), policy)


@pytest.mark.parametrize("policy", [REGRESSION, WITHIN])
def test_an_encoder_against_itself_passes_with_differences_of_exactly_0_however_few_images(policy: Policy) -> None:
    check = found(evaluation("a"), evaluation("a"), policy)
    assert (check.verdict, check.is_ok, check.classes) == ("pass", True, ())
    assert [one.score for one in check.comparisons] == [rule.score for rule in policy.rules]
    for one in check.comparisons:
        assert (one.difference, one.low, one.high, one.p_worse, one.power) == (0.0, 0.0, 0.0, 1.0, 1.0)
        assert (one.verdict, one.reason) == ("pass", "there is no difference at all")


def test_two_encoders_are_compared_in_every_score_of_the_policy_by_its_rules() -> None:
    policy = replace(DEFAULT, tasks={"digits": (Rule(score="ece", tolerance=0.5, effect=0.3, weight=1.0),)})
    (one,) = found(evaluation("a"), evaluation("b", seed=1), policy).comparisons
    assert (one.task, one.score, one.tolerance, one.effect) == ("digits", "ece", 0.5, 0.3)


def test_a_task_of_the_policy_that_is_not_checked_is_said() -> None:
    policy = replace(DEFAULT, tasks={"emoji_noto": DEFAULT.rules})
    assert found(evaluation("a"), evaluation("a"), policy, ["told before."]).notices == (
        "told before.",
        "the policy has rules for 'emoji_noto', which is not among the data sets of this check.",
    )


def test_a_task_of_the_policy_that_is_misspelt_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        found(evaluation("a"), evaluation("a"), replace(DEFAULT, tasks={"digitz": DEFAULT.rules}))
    assert str(refused.value) == (
        "there is no data set of this check with rules in the policy, 'digitz'; did you mean 'digits'?"
    )


NO_TEXT = {"top1": None, "mean_class_recall": None, "ece": None}


def test_scores_that_neither_side_has_are_left_out_and_said() -> None:
    check = found(evaluation("a", scores=NO_TEXT), evaluation("a", scores=NO_TEXT))
    assert [one.score for one in check.comparisons] == ["gamma_approx", "kstar_mean", "nn1_accuracy"]
    assert check.notices == ("digits: neither side has top1, mean_class_recall, ece.",)


def test_a_score_that_one_side_lacks_is_refused() -> None:
    image_only, whole = evaluation("a", scores=NO_TEXT), evaluation("b")
    for candidate, baseline, one, other in (
        (image_only, whole, "candidate", "baseline"),
        (whole, image_only, "baseline", "candidate"),
    ):
        with pytest.raises(InputError) as raised:
            found(candidate, baseline)
        assert str(raised.value) == (
            f"the {one} has no top1 on digits, which the {other} has; measure it, or leave it out by naming the other "
            "scores in [scores.*] of a policy."
        )


def collapsed(side: Evaluation, n: int, score: float | None = None) -> Evaluation:
    """The evaluation with all k* of its first n classes equal, whose γ are undefined."""
    kept = pl.Series(range(side.classes.height)) >= n
    columns = [pl.when(kept).then(pl.col(name)).alias(name) for name in ("gamma", "gamma_without")]
    scores = {**side.run.scores, "gamma_approx": score}
    return replace(side, run=replace(side.run, scores=scores), classes=side.classes.with_columns(*columns))


def test_where_gamma_is_undefined_in_every_class_of_one_side_it_is_undecided_and_the_rest_is_judged() -> None:
    check = found(collapsed(evaluation("a"), 3), evaluation("b", seed=1))
    assert [one.score for one in check.comparisons] == list(SCORES)
    (one,) = (one for one in check.comparisons if one.score == "gamma_approx")
    assert (one.verdict, one.candidate, one.difference, one.low, one.p_worse) == ("undecided", *(None,) * 4)
    assert one.baseline is not None
    assert one.reason == "undecided: Γ′ is undefined for the candidate, in every class all k* are equal"
    assert check.notices == (
        'digits: γ is undefined for the candidate only, since all k* of a class are equal, in "zero", "one", "two"; Γ′ '
        "does not tell of them.",
    )
    (one,) = (
        one
        for one in found(evaluation("b", seed=1), collapsed(evaluation("a"), 3)).comparisons
        if one.score == "gamma_approx"
    )
    assert (one.baseline, one.reason) == (
        None,
        "undecided: Γ′ is undefined for the baseline, in every class all k* are equal",
    )


def test_a_gamma_that_was_not_measured_is_refused_all_the_same() -> None:
    bare = collapsed(evaluation("a"), 3)
    unmeasured = replace(bare, classes=bare.classes.drop("gamma", "gamma_without"))
    with pytest.raises(InputError, match=r"^the candidate has no gamma_approx on digits, which the baseline has; "):
        found(unmeasured, evaluation("b", seed=1))


def test_classes_that_are_left_out_are_counted_in_the_reason_and_the_collapsed_ones_named() -> None:
    names = tuple("abcdefgh")
    check = found(collapsed(evaluation("a", names=names), 7, 0.5), evaluation("b", seed=1, names=names))
    (one,) = (one for one in check.comparisons if one.score == "gamma_approx")
    assert (one.n_classes, one.n_left_out) == (1, 7)
    assert one.reason.endswith(
        "; over 1 of 8 classes, the other 7 are undefined for one side or without a group of images"
    )
    assert check.notices == (
        'digits: γ is undefined for the candidate only, since all k* of a class are equal, in "a", "b", "c", "d", "e" '
        "and 2 more; Γ′ does not tell of them.",
    )
    assert found(evaluation("b", seed=1, names=names), collapsed(evaluation("a", names=names), 7, 0.5)).notices == ()


@pytest.mark.parametrize(
    ("discordant", "p_mcnemar", "said"),
    [
        (0.077, 0.0001, "7.7 % of the images are right for exactly one of the two, exact McNemar p < 0.001"),
        (0.0002, 0.5, "under 0.1 % of the images are right for exactly one of the two, exact McNemar p = 0.500"),
        (0.0, 1.0, "0.0 % of the images are right for exactly one of the two, exact McNemar p = 1.000"),
    ],
)
def test_of_a_share_of_right_images_the_reason_tells_mcnemars_test(
    discordant: float, p_mcnemar: float, said: str
) -> None:
    for evidence in (Known(exceeds=0.001), Known(chance=0.1), Known(chance=0.9)):
        asked_for = question(evidence)
        compared = replace(asked_for.compared, discordant=discordant, p_mcnemar=p_mcnemar)
        plain, told = (judge([one], REGRESSION)[0] for one in (asked_for, replace(asked_for, compared=compared)))
        assert told.reason == f"{plain.reason}; {said}"


def test_k_star_of_a_version_that_kept_no_groups_is_refused() -> None:
    old = {"metrics": {"kstar": "2", "zero_shot": "1"}}
    with pytest.raises(InputError) as raised:
        found(evaluation("a", **old), evaluation("b", **old))
    assert str(raised.value) == (
        "the candidate was measured on digits by version 2 of kstar, which kept too little to compare k*; 'clipkstar "
        "score RUNS' measures it anew."
    )
    top1 = replace(DEFAULT, rules=DEFAULT.rules[:1])
    assert [one.score for one in found(evaluation("a", **old), evaluation("b", **old), top1).comparisons] == ["top1"]


def test_nothing_to_compare_is_no_pass() -> None:
    nothing = {"scores": NO_TEXT}
    policy = replace(DEFAULT, rules=DEFAULT.rules[:1])
    with pytest.raises(InputError) as raised:
        found(evaluation("a", **nothing), evaluation("a", **nothing), policy)
    assert str(raised.value) == "there is nothing to compare: digits: neither side has top1."
