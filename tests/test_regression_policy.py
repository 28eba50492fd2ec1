"""What a check demands: defaults, TOML, and every way that a policy can be wrong."""

from pathlib import Path

import pytest

from clipkstar.errors import InputError
from clipkstar.regression.policy import DEFAULT, RULES, Policy, Rule, read_policy

WHOLE = """
mode = "non-inferiority"
alpha = 0.01
power = 0.9
across = "precision"

[scores.top1]
tolerance = 0.005
effect = 0.02
weight = 3

[scores.gamma_approx]

[tasks.digits.top1]
tolerance = 0.02
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("gate.toml")


def written(file: Path, text: str, **options: object) -> Policy:
    file.write_text(text)
    return read_policy(file, **options)  # type: ignore[arg-type]


def test_without_a_file_the_defaults_hold() -> None:
    assert read_policy(None) == DEFAULT
    assert {rule.score: (rule.tolerance, rule.effect, rule.weight) for rule in DEFAULT.rules} == {
        "top1": (0, 0.01, 5),
        "mean_class_recall": (0, 0.01, 1),
        "ece": (0.001, 0.01, 1),
        "gamma_approx": (0, 0.2, 1),
        "kstar_mean": (0, 0.02, 1),
        "nn1_accuracy": (0, 0.01, 1),
    }
    assert (DEFAULT.mode, DEFAULT.alpha, DEFAULT.power, DEFAULT.across) == ("regression", 0.05, 0.8, ())


def test_an_empty_file_means_the_defaults(file: Path) -> None:
    assert written(file, "") == DEFAULT


def test_every_key_reaches_the_policy(file: Path) -> None:
    policy = written(file, WHOLE)
    assert (policy.mode, policy.alpha, policy.power, policy.across) == ("non-inferiority", 0.01, 0.9, ("precision",))
    gamma = Rule(score="gamma_approx", tolerance=0.2, effect=0.2, weight=1)
    assert policy.rules == (Rule(score="top1", tolerance=0.005, effect=0.02, weight=3), gamma)
    assert policy.rules_of("digits") == (Rule(score="top1", tolerance=0.02, effect=0.02, weight=3), gamma)
    assert policy.rules_of("cifar10") == policy.rules


def test_non_inferiority_takes_the_effects_as_tolerances() -> None:
    found = read_policy(None, mode="non-inferiority").rules
    assert {rule.score: rule.tolerance for rule in found} == {rule.score: rule.effect for rule in RULES}


def test_what_is_said_on_the_command_line_goes_before_the_mode_of_the_file_and_adds_to_its_across(file: Path) -> None:
    policy = written(file, WHOLE, mode="regression", across=("space", "precision"))
    assert (policy.mode, policy.across) == ("regression", ("precision", "space"))
    assert policy.rules[0].tolerance == 0.005
    assert policy.rules[1].tolerance == 0  # its default is the mode's that holds


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("alpha = 0.5", "the policy 'gate.toml' has alpha = 0.5; it needs a number from 0.000001 to below 0.5."),
        ("alpha = 0", "the policy 'gate.toml' has alpha = 0; it needs a number from 0.000001 to below 0.5."),
        ("alpha = nan", "the policy 'gate.toml' has alpha = nan; it needs a number from 0.000001 to below 0.5."),
        ("alpha = true", "the policy 'gate.toml' has alpha = true; it needs a number from 0.000001 to below 0.5."),
        ("alpha = '5 %'", "the policy 'gate.toml' has alpha = '5 %'; it needs a number from 0.000001 to below 0.5."),
        ("alpha = 9e-7", "the policy 'gate.toml' has alpha = 9e-07; it needs a number from 0.000001 to below 0.5."),
        (
            f"alpha = 1{'0' * 400}",
            f"the policy 'gate.toml' has alpha = 1{'0' * 59}…; it needs a number from 0.000001 to below 0.5.",
        ),
        (
            f"alpha = 0x{'f' * 5000}",
            "the policy 'gate.toml' has alpha = a number of very many digits; it needs a number from 0.000001 to below "
            "0.5.",
        ),
        (f"a = {'[' * 5000}", "the policy 'gate.toml' is no policy (it is nested too deep); correct it."),
        ("power = 1.0", "the policy 'gate.toml' has power = 1.0; it needs a number above 0 and below 1."),
        (
            "mode = 'equivalence'",
            "the policy 'gate.toml' has mode = 'equivalence'; it needs 'regression' or 'non-inferiority'.",
        ),
        ("mode = 3", "the policy 'gate.toml' has mode = 3; it needs 'regression' or 'non-inferiority'."),
        ("across = 3", "the policy 'gate.toml' has across = 3; it needs a list of words."),
        ("across = ['precison']", "there is no difference to check across 'precison'; did you mean 'precision'?"),
        ("alhpa = 0.05", "there is no key of the policy 'gate.toml' 'alhpa'; did you mean 'alpha'?"),
        ("scores = 3", "the policy 'gate.toml' has scores = 3; it needs a table, [scores]."),
        ("[scores]\ntop1 = 3", "the policy 'gate.toml' in [scores] has top1 = 3; it needs a table, [scores.top1]."),
        (
            "[scores.top1]\ntolerance = -0.1",
            "the policy 'gate.toml' in [scores.top1] has tolerance = -0.1; it needs a number from 0 to 1,000,000.",
        ),
        (
            "[scores.top1]\ntolerance = 1e7",
            "the policy 'gate.toml' in [scores.top1] has tolerance = 10000000.0; it needs a number from 0 to "
            "1,000,000.",
        ),
        (
            "[scores.top1]\ntolerance = 1",
            "the policy 'gate.toml' in [scores.top1] has tolerance = 1, which is 100 points of top1; a point is 0.01, "
            "and at most 0.25 makes sense.",
        ),
        (
            "[tasks.digits.kstar_mean]\neffect = 0.5",
            "the policy 'gate.toml' in [tasks.digits.kstar_mean] has effect = 0.5, which is 50 points of kstar_mean; a "
            "point is 0.01, and at most 0.25 makes sense.",
        ),
        (
            "[scores.top1]\neffect = 1e-7",
            "the policy 'gate.toml' in [scores.top1] has effect = 1e-07; it needs a number from 0.000001 to 1,000,000.",
        ),
        (
            "[scores.top1]\nweight = 1e-4",
            "the policy 'gate.toml' in [scores.top1] has weight = 0.0001; it needs a number from 0.001 to 1,000.",
        ),
        (
            "[scores.top1]\neffect = 0",
            "the policy 'gate.toml' in [scores.top1] has effect = 0; it needs a number from 0.000001 to 1,000,000.",
        ),
        (
            "[scores.top1]\nweight = inf",
            "the policy 'gate.toml' in [scores.top1] has weight = inf; it needs a number from 0.001 to 1,000.",
        ),
        (
            "[scores.top1]\ntolerence = 0",
            "there is no key of the policy 'gate.toml' in [scores.top1] 'tolerence'; did you mean 'tolerance'?",
        ),
        ("[scores.top_1]", "there is no score that can be checked 'top_1'; did you mean 'top1'?"),
        (
            "[tasks.digits.top1]\ntolerance = '2'",
            "the policy 'gate.toml' in [tasks.digits.top1] has tolerance = '2'; it needs a number from 0 to 1,000,000.",
        ),
        (
            "[scores.top1]\n[tasks.digits.ece]\ntolerance = 1",
            "the policy 'gate.toml' in [tasks.digits] has rules for ece, which [scores] does not name; add "
            "[scores.ece] or leave them out.",
        ),
        (
            "mode = 'non-inferiority'\n[tasks.digits.top1]\ntolerance = 0",
            "the policy 'gate.toml' in [tasks.digits.top1] has tolerance = 0; non-inferiority needs one above 0, since "
            "no number of images excludes every worsening.",
        ),
    ],
)
def test_what_means_nothing_is_refused_in_a_sentence(file: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        written(file, text)
    assert str(raised.value) == sentence


def test_a_tolerance_of_0_in_the_file_is_refused_where_the_option_asks_for_non_inferiority(file: Path) -> None:
    text = "[scores.top1]\ntolerance = 0.0"
    assert written(file, text).mode == "regression"
    with pytest.raises(InputError, match=r"^the policy 'gate.toml' in \[scores.top1\] has tolerance = 0; non-inferi"):
        written(file, text, mode="non-inferiority")


def test_what_is_no_toml_or_not_there_is_refused(file: Path) -> None:
    with pytest.raises(InputError) as raised:
        read_policy(file)
    assert str(raised.value) == ("the policy 'gate.toml' cannot be read (No such file or directory); check the path.")
    with pytest.raises(InputError) as raised:
        written(file, "alpha = ")
    assert str(raised.value) == "the policy 'gate.toml' is no TOML (Invalid value (at end of document)); correct it."


def test_bytes_that_are_no_text_are_refused(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"^the policy 'gate.toml' is no TOML \('utf-8' codec can't decode"):
        read_policy(file)
