"""Checks made by hand, for what shows them only: their numbers look like real ones and nobody computed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clipkstar.regression.record import SCHEMA, Check, ClassRegression, Comparison, Mode, Verdict
from clipkstar.run import CheckpointRecord

HOSTILE = "a|b\n<script>`_x_`</script> ]]> & \x00\x07\x1b[31m\ud800\ufffe 100 %, title=x::error::名前\u202e"
"""What a task or a class may be called that somebody else named."""

CANDIDATE = CheckpointRecord(
    family="zoo", model="tiny-p8", pretrained="stage1", lineage="zoo/tiny-p8", weights_sha256="1" * 64,
    config_sha256="2" * 64, geometry=None, activation="gelu",
)  # fmt: skip
BASELINE = replace(CANDIDATE, pretrained="final", weights_sha256="3" * 64)

PASSING = Comparison(
    task="digits", score="top1", better="higher", n_images=797, n_classes=None, n_left_out=0, baseline=0.962,
    candidate=0.9645, difference=0.0025, low=-0.0075, high=0.0125, tolerance=0.0, effect=0.01, p_worse=0.69,
    p_corrected=1.0, p_within=0.31, p_mcnemar=0.77, discordant=0.015, verdict="pass", power=0.912, n_needed=None,
    reason="no worsening beyond 0 is established: +0.25 points [−0.75, +1.25]; a worsening of 1 point would be seen "
    "with a chance of 91 %; 1.5 % of the images are right for exactly one of the two, exact McNemar p = 0.770",
)  # fmt: skip
FAILING = replace(
    PASSING, candidate=0.9306, difference=-0.0314, low=-0.0441, high=-0.0187, p_worse=1e-6, p_corrected=5e-6,
    p_within=0.999999, p_mcnemar=2e-6, discordant=0.04, verdict="fail",
    reason="a worsening beyond 0 is established: −3.14 points [−4.41, −1.87], p < 0.001 after Holm's correction; 4.0 % "
    "of the images are right for exactly one of the two, exact McNemar p < 0.001",
)  # fmt: skip
UNDECIDED = replace(
    PASSING, task="emoji_noto", score="ece", better="lower", n_images=433, baseline=0.066, candidate=0.0712,
    difference=0.0052, low=-0.0101, high=0.0205, p_worse=0.25, p_corrected=1.0, p_within=0.75, p_mcnemar=None,
    discordant=None, verdict="undecided", power=0.31, n_needed=2_190,
    reason="undecided: 433 images show a worsening of 0.01 with a chance of 31 %; about 2,200 would decide it",
)  # fmt: skip
GAMMA = replace(
    PASSING, score="gamma_approx", better="lower", n_classes=8, n_left_out=2, baseline=-1.93, candidate=-1.51,
    difference=0.42, low=0.11, high=0.73, effect=0.2, p_worse=0.005, p_corrected=0.031, p_within=0.995,
    p_mcnemar=None, discordant=None, verdict="fail", power=0.4,
    reason="a worsening beyond 0 is established: +0.42 [+0.11, +0.73], p = 0.031 after Holm's correction; over 8 of 10 "
    "classes, the other 2 are undefined for one side or without a group of images",
)  # fmt: skip
COLLAPSED = replace(
    GAMMA, n_classes=0, n_left_out=10, candidate=None, difference=None, low=None, high=None, p_worse=None,
    p_corrected=None, p_within=None, verdict="undecided", power=None,
    reason="undecided: Γ′ is undefined for the candidate, in every class all k* are equal",
)  # fmt: skip
EIGHT = ClassRegression(
    task="digits", name="8", score="recall", n_images=78, baseline=0.95, candidate=0.83, difference=-0.12, low=-0.21,
    high=-0.05, p_corrected=0.004, established=True,
)  # fmt: skip
THREE = replace(
    EIGHT, name="3", score="gamma", baseline=-2.1, candidate=-0.9, difference=1.2, low=-0.1, high=2.5, p_corrected=0.2,
    established=False,
)  # fmt: skip


def check_of(
    *comparisons: Comparison,
    mode: Mode = "regression",
    classes: Sequence[ClassRegression] = (),
    notices: Sequence[str] = (),
) -> Check:
    """Return the check that holds these, with the verdict that follows from them."""
    found: set[Verdict] = {one.verdict for one in comparisons}
    verdict: Verdict = "fail" if "fail" in found else "undecided" if "undecided" in found else "pass"
    return Check(
        schema=SCHEMA, verdict=verdict, mode=mode, alpha=0.05, candidate=CANDIDATE, baseline=BASELINE,
        comparisons=comparisons, classes=tuple(classes), notices=tuple(notices),
    )  # fmt: skip


MIXED = check_of(
    FAILING,
    GAMMA,
    replace(PASSING, task="emoji_noto", n_images=433, baseline=0.4527, candidate=0.4596, difference=0.0069),
    UNDECIDED,
    classes=(EIGHT, THREE),
    notices=("emoji_noto: the baseline was evaluated with torch 2.14.0, the candidate with 2.15.0.",),
)


def many(n_tasks: int, name: str = "task") -> Check:
    """Return a check of n_tasks data sets with six scores each, of which every tenth fails and every third is open."""
    comparisons: list[Comparison] = []
    classes: list[ClassRegression] = []
    scores = ("top1", "mean_class_recall", "ece", "gamma_approx", "kstar_mean", "nn1_accuracy")
    for number in range(n_tasks):
        task = f"{name}{number:03}"
        like = FAILING if number % 10 == 0 else replace(UNDECIDED, better="higher") if number % 3 == 0 else PASSING
        for score in scores:
            lower = score in ("ece", "gamma_approx")
            better, sign = ("lower", -1) if lower else ("higher", 1)
            comparisons.append(replace(like, task=task, score=score, better=better, difference=sign * like.difference))
        classes += [replace(EIGHT, task=task, name=f"class {place}", established=place < 2) for place in range(30)]
    return check_of(*comparisons, classes=classes, notices=[f"{name}{number}: a notice." for number in range(n_tasks)])
