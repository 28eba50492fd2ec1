"""What a check demands: its mode, its error rates, and a rule for each score, by default or from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args

from clipkstar.errors import InputError, UnknownNameError
from clipkstar.regression.policy_values import Table, check_keys, number, subtable, words
from clipkstar.regression.record import Mode

Across = Literal["precision", "space"]
"""What the two sides may differ in where the policy says so."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is demanded of one score.

    tolerance: worsening that is put up with. effect: smallest worsening beyond the tolerance that a check in regression
    mode should see. Both in the unit of the score. weight: share of alpha among the comparisons, in the weighted Holm.
    """

    score: str
    tolerance: float
    effect: float
    weight: float


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is demanded of a candidate.

    alpha: one-sided; of the whole check in regression mode, of each comparison in non-inferiority mode.
    power: chance with which a check should see `effect`, or exclude a worsening beyond the tolerance.
    rules: one for each score that is checked. tasks: task name → the rules there, where they are others.
    """

    mode: Mode
    alpha: float
    power: float
    across: tuple[Across, ...]
    rules: tuple[Rule, ...]
    tasks: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)

    def rules_of(self, task_name: str) -> tuple[Rule, ...]:
        """Return the rules for one task."""
        return self.tasks.get(task_name, self.rules)


RULES = (
    Rule(score="top1", tolerance=0.0, effect=0.01, weight=5.0),
    Rule(score="mean_class_recall", tolerance=0.0, effect=0.01, weight=1.0),
    Rule(score="ece", tolerance=0.001, effect=0.01, weight=1.0),
    Rule(score="gamma_approx", tolerance=0.0, effect=0.2, weight=1.0),
    Rule(score="kstar_mean", tolerance=0.0, effect=0.02, weight=1.0),
    Rule(score="nn1_accuracy", tolerance=0.0, effect=0.01, weight=1.0),
)
"""Where nothing else is asked for; non-inferiority takes the effects as tolerances, since it needs some. ece alone adds
up numbers that are not whole, all of which the rounding of another device may move by a hair in one direction."""

MOST_OF_A_SHARE = 0.25
"""Beyond it a tolerance or an effect of a share of 0 to 1 was surely meant in points."""

DEFAULT = Policy(mode="regression", alpha=0.05, power=0.8, across=(), rules=RULES)


def read_policy(path: Path | None, *, mode: Mode | None = None, across: Sequence[str] = ()) -> Policy:
    """Read a policy in TOML; None = DEFAULT. mode goes before the file's, across is added to the file's.

    Raises InputError for what is no TOML, keys and scores that are not known, and values that mean nothing.
    """
    policy = Table(where="the policy" if path is None else f"the policy '{path}'", values=_parsed(path))
    check_keys(policy, ("mode", "alpha", "power", "across", "scores", "tasks"))
    chosen = mode or _mode(policy)
    rules = _rules(subtable(policy, "scores"), chosen)
    return Policy(
        mode=chosen,
        alpha=number(policy, "alpha", DEFAULT.alpha),
        power=number(policy, "power", DEFAULT.power),
        across=_across(policy, across),
        rules=rules,
        tasks=_tasks(subtable(policy, "tasks"), rules, chosen),
    )


def _parsed(path: Path | None) -> Mapping[str, object]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"the policy '{path}' cannot be read ({error.strerror}); check the path.") from error
    except ValueError as error:
        raise InputError(f"the policy '{path}' is no TOML ({error}); correct it.") from error
    except RecursionError as error:
        raise InputError(f"the policy '{path}' is no policy (it is nested too deep); correct it.") from error


def _mode(policy: Table) -> Mode:
    found = policy.values.get("mode", DEFAULT.mode)
    if found not in get_args(Mode):
        raise InputError(f"{policy.where} has mode = {found!r}; it needs 'regression' or 'non-inferiority'.")
    return cast(Mode, found)


def _across(policy: Table, more: Sequence[str]) -> tuple[Across, ...]:
    asked = dict.fromkeys([*words(policy, "across"), *more])
    for name in asked:
        if name not in get_args(Across):
            raise UnknownNameError("difference to check across", name, get_args(Across))
    return cast("tuple[Across, ...]", tuple(asked))


def _rules(scores: Table, mode: Mode) -> tuple[Rule, ...]:
    """Return the rules of [scores.*]: with any of them, only the scores named are checked."""
    _check_scores(scores, [rule.score for rule in RULES])
    defaults = [_default(rule, mode) for rule in RULES if not scores.values or rule.score in scores.values]
    return tuple(_changed(rule, subtable(scores, rule.score), mode) for rule in defaults)


def _tasks(tasks: Table, rules: Sequence[Rule], mode: Mode) -> dict[str, tuple[Rule, ...]]:
    """Return the rules of each task in [tasks.*.*]; what is not said there is as in the rules for all."""
    found = {}
    for task in tasks.values:
        own = subtable(tasks, task)
        _check_scores(own, [rule.score for rule in rules])
        found[task] = tuple(_changed(rule, subtable(own, rule.score), mode) for rule in rules)
    return found


def _check_scores(table: Table, checked: Sequence[str]) -> None:
    for name in table.values:
        if name not in [rule.score for rule in RULES]:
            raise UnknownNameError("score that can be checked", name, [rule.score for rule in RULES])
        if name not in checked:
            raise InputError(
                f"{table.where} has rules for {name}, which [scores] does not name; add [scores.{name}] or leave them "
                "out."
            )


def _default(rule: Rule, mode: Mode) -> Rule:
    tolerance = rule.effect if mode == "non-inferiority" else rule.tolerance
    return Rule(score=rule.score, tolerance=tolerance, effect=rule.effect, weight=rule.weight)


def _changed(rule: Rule, own: Table, mode: Mode) -> Rule:
    check_keys(own, ("tolerance", "effect", "weight"))
    tolerance, effect = (_amount(own, key, rule) for key in ("tolerance", "effect"))
    if mode == "non-inferiority" and tolerance == 0:
        raise InputError(
            f"{own.where} has tolerance = 0; non-inferiority needs one above 0, since no number of images excludes "
            "every worsening."
        )
    return Rule(
        score=rule.score,
        tolerance=tolerance,
        effect=effect,
        weight=number(own, "weight", rule.weight),
    )


def _amount(own: Table, key: Literal["tolerance", "effect"], rule: Rule) -> float:
    """Return a tolerance or an effect; raises InputError for one of a share that was written in points."""
    amount = number(own, key, rule.tolerance if key == "tolerance" else rule.effect)
    if rule.score != "gamma_approx" and amount > MOST_OF_A_SHARE:
        raise InputError(
            f"{own.where} has {key} = {amount:g}, which is {100 * amount:g} points of {rule.score}; a point is 0.01, "
            f"and at most {MOST_OF_A_SHARE:g} makes sense."
        )
    return amount
