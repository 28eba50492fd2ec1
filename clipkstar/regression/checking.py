"""A check: is a candidate worse than its baseline, by the evidence of the same images?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.discovery import TASKS, own_names
from clipkstar.errors import InputError, UnknownNameError
from clipkstar.regression.class_regressions import class_regressions
from clipkstar.regression.comparing import SCORES, compare
from clipkstar.regression.estimated import Estimated
from clipkstar.regression.lacking import comparable, newly_undefined
from clipkstar.regression.pairing import Paired, pair_sides
from clipkstar.regression.question import Question
from clipkstar.regression.record import SCHEMA, Check, ClassRegression, Pair
from clipkstar.regression.sides import read_side
from clipkstar.regression.verdicts import judge, overall

if TYPE_CHECKING:
    from clipkstar.regression.policy import Policy, Rule

MISSPELT = 0.8
"""Names of data sets that are so much alike are taken for one, misspelt."""


def check(
    candidate: Path,
    baseline: Path,
    policy: Policy,
    *,
    model: str | None = None,
    baseline_model: str | None = None,
    tasks: Sequence[str] = (),
) -> Check:
    """Check a candidate's runs against a baseline's.

    candidate, baseline: folders of runs, or baseline files. model, baseline_model: which checkpoint of each is meant,
    as in sides.read_side. tasks: names; none = every data set of the baseline.
    Raises InputError where they cannot be compared, as pairing.pair_sides and lacking.comparable.
    """
    new = read_side(candidate, role="candidate", model=model)
    old = read_side(baseline, role="baseline", model=baseline_model, option="--baseline-model")
    return checked(pair_sides(new, old, across=policy.across, tasks=tasks), policy)


def checked(paired: Paired, policy: Policy) -> Check:
    """Check pairs of evaluations."""
    questions: list[Question] = []
    notices = list(paired.notices)
    for pair in paired.pairs:
        rules, lacking = comparable(pair, policy.rules_of(pair.baseline.run.task.name))
        questions += [_question(pair, rule) for rule in rules]
        notices += lacking
        if any(rule.score == "gamma_approx" for rule in rules):
            notices += newly_undefined(pair)
    if not questions:
        raise InputError(f"there is nothing to compare: {' '.join(notices) or 'no score is asked for.'}")
    comparisons = judge(questions, policy)
    return Check(
        schema=SCHEMA,
        verdict=overall(comparisons),
        mode=policy.mode,
        alpha=policy.alpha,
        candidate=paired.pairs[0].candidate.run.checkpoint,
        baseline=paired.pairs[0].baseline.run.checkpoint,
        comparisons=comparisons,
        classes=_classes(paired.pairs, alpha=policy.alpha),
        notices=(*notices, *_unmet(paired.pairs, policy)),
    )


def _question(pair: Pair, rule: Rule) -> Question:
    compared = compare(pair, rule.score)
    n_images = pair.candidate.run.task.n_images
    if _is_identical(pair):
        known = Estimated(estimate=0.0, standard_error=0.0, n_images=n_images, degrees_of_freedom=None)
        compared = replace(compared, evidence=known)
    return Question(label=pair.label, n_images=n_images, better=SCORES[rule.score], rule=rule, compared=compared)


def _is_identical(pair: Pair) -> bool:
    """Whether both sides did the same with every image: their difference is then known, and no estimate."""
    return pair.candidate.images.equals(pair.baseline.images) and pair.candidate.classes.equals(pair.baseline.classes)


def _classes(pairs: Sequence[Pair], *, alpha: float) -> tuple[ClassRegression, ...]:
    found = [one for pair in pairs for one in class_regressions(pair, alpha=alpha)]
    return tuple(sorted(found, key=lambda one: (not one.established, one.p_corrected)))


def _unmet(pairs: Sequence[Pair], policy: Policy) -> Iterator[str]:
    """Say which tasks of the policy are not among those checked; raise UnknownNameError for one that is misspelt."""
    names = {pair.baseline.run.task.name for pair in pairs}
    for name in policy.tasks:
        if name not in names:
            if name not in own_names(TASKS) and get_close_matches(name, names, cutoff=MISSPELT):
                raise UnknownNameError("data set of this check with rules in the policy,", name, names)
            yield f"the policy has rules for '{name}', which is not among the data sets of this check."
