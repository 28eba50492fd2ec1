from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from clipkstar.errors import InputError
from clipkstar.report.latent import latent_scores
from clipkstar.report.record import DataSet
from clipkstar.report.statistics import statistics
from tests.report_tables import lineages_of

SIZES = (2, 1, 3, 1, 2, 1, 2)


@dataclass(frozen=True, kw_only=True)
class Made:
    """What statistics() reads of Points."""

    table: pl.DataFrame
    data_sets: tuple[DataSet, ...] = ()


def _points(*names):
    frames = []
    for seed, name in enumerate(names):
        random = np.random.default_rng(seed)
        accuracy, noise = random.normal(size=(2, sum(SIZES)))
        frames.append(
            pl.DataFrame(
                {
                    "data_set": [name] * sum(SIZES),
                    "model": [f"m{number}" for number in range(sum(SIZES))],
                    "lineage": lineages_of(SIZES),
                    "counted": [number != 1 for number in range(sum(SIZES))],
                    "top1": accuracy,
                    "mean_class_recall": accuracy**2,
                    "gamma_approx": noise,
                    "gamma_approx_common": noise - accuracy,
                    "kstar_mean": accuracy + noise,
                    "nn1_accuracy": random.normal(size=sum(SIZES)),
                    "fractured": noise,
                    "ece": noise,
                }
            )
        )
    return Made(table=pl.concat(frames))


def test_latent_scores_that_are_there_are_correlated_over_models_that_count():
    points = _points("digits", "emoji")
    found = statistics(points, n_resamples=100)
    scores = [score for score in latent_scores() if score in ("gamma_approx", "kstar_mean", "nn1_accuracy")]
    assert [(one.data_set, one.score) for one in found.correlations[::3]] == [
        (name, score) for name in ("digits", "emoji") for score in scores
    ]
    digits = points.table.filter(pl.col("counted") & (pl.col("data_set") == "digits"))
    assert scores[0] == "gamma_approx"
    expected = spearmanr(digits["top1"], digits["gamma_approx_common"]).statistic
    assert found.correlations[0].value == pytest.approx(expected, abs=1e-12)
    assert (found.correlations[0].n_models, found.correlations[0].n_lineages) == (11, 7)
    assert (found.accuracy, found.data_sets) == ("top1", ())


def test_every_part_is_there():
    found = statistics(_points("digits", "emoji"), n_resamples=100)
    assert [one.data_set for one in found.verdicts] == ["digits", "emoji"]
    assert {one.score for one in found.pooled} == {one.score for one in found.rankings}
    assert [one.data_set for one in found.partial] == ["digits", "emoji", ""]
    assert found.verdicts[0].value == found.correlations[0].value


def test_another_accuracy_can_be_asked_for():
    points = _points("digits")
    found = statistics(points, accuracy="mean_class_recall", n_resamples=20)
    rows = points.table.filter("counted")
    assert found.accuracy == "mean_class_recall"
    assert found.correlations[0].value == pytest.approx(
        spearmanr(rows["mean_class_recall"], rows["gamma_approx_common"]).statistic, abs=1e-12
    )


def test_an_accuracy_that_no_run_has_is_refused_in_a_sentence():
    with pytest.raises(InputError) as caught:
        statistics(_points("digits"), accuracy="top2")
    assert str(caught.value) == (
        "no run has the score 'top2'; statistics need an accuracy such as top1 or mean_class_recall"
    )


def test_runs_without_the_zero_shot_task_give_records_that_say_why_they_are_empty():
    points = _points("digits", "emoji")
    without = replace(points, table=points.table.drop("top1", "mean_class_recall"))
    found = statistics(without, n_resamples=20)
    assert {(one.value, one.reason) for one in found.correlations} == {
        (None, "0 models with both numbers; a correlation needs 3")
    }
    assert [(one.judgement, one.reason) for one in found.verdicts] == [
        ("undecided", "0 models with both numbers; a correlation needs 3.")
    ] * 2
    assert {(one.value, one.reason) for one in (*found.pooled, *found.rankings)} == {(None, "no data set defines it")}
    assert [one.reason for one in found.partial] == [
        "0 models with all numbers; a partial correlation needs 12",
        "0 models with all numbers; a partial correlation needs 12",
        "no data set has 12 models that define it",
    ]


def test_runs_without_gamma_prime_are_undecided_and_say_why():
    points = _points("digits")
    found = statistics(replace(points, table=points.table.drop("gamma_approx_common")), n_resamples=20)
    assert [one.reason for one in found.verdicts] == ["0 models with both numbers; a correlation needs 3."]
    assert {one.value is None for one in found.correlations if one.score == "kstar_mean"} == {False}


def _data_set(label, n_models, task="digits"):
    return DataSet(
        label=label, task=task, fingerprint="0" * 8, precision="fp32", space="output", n_images=10, n_classes=2,
        limit=None, n_models=n_models, n_lineages=7, n_stages=0, n_copies=0, n_classes_left_out=0,
        n_classes_left_out_cosine=0,
    )  # fmt: skip


def test_of_several_evaluations_of_a_task_one_is_judged_pooled_and_corrected_for():
    points = _points("digits (bf16)", "digits", "emoji")
    points = replace(points, table=points.table.with_columns(counted=pl.lit(True)))  # twelve models have a partial one
    sets = (_data_set("digits (bf16)", 20), _data_set("digits", 11), _data_set("emoji", 11, task="emoji"))
    found = statistics(replace(points, data_sets=sets), n_resamples=50)
    alone = replace(points, table=points.table.filter(pl.col("data_set") != "digits (bf16)"), data_sets=sets[1:])
    expected = statistics(alone, n_resamples=50)
    assert [one.counted for one in found.data_sets] == [False, True, True]
    assert [one.counted for one in found.verdicts] == [False, True, True]
    assert (found.pooled, found.rankings) == (expected.pooled, expected.rankings)
    assert found.verdicts[1:] == expected.verdicts
    assert found.partial[-1] == expected.partial[-1] and found.partial[-1].value is not None
    assert [one.data_set for one in found.partial] == ["digits (bf16)", "digits", "emoji", ""]
    assert {one.data_set for one in found.correlations} == {"digits (bf16)", "digits", "emoji"}
    assert found.verdicts[0].reason.startswith("The task is judged by its evaluation 'digits'; ")


def test_without_the_plain_name_the_evaluation_with_the_most_models_counts_the_first_of_equals():
    names = ("digits (a)", "digits (b)", "digits (c)")
    for sizes, counts in (((3, 9, 9), 1), ((9, 9, 3), 0)):
        sets = tuple(_data_set(name, size) for name, size in zip(names, sizes, strict=True))
        found = statistics(replace(_points(*names), data_sets=sets), n_resamples=20)
        assert [one.counted for one in found.data_sets] == [place == counts for place in range(3)]


def test_the_same_points_give_the_same_numbers_and_another_seed_other_intervals():
    points = _points("digits")
    first = statistics(points, n_resamples=50)
    assert statistics(points, n_resamples=50) == first
    other = statistics(points, n_resamples=50, seed=1)
    assert other.correlations[0].value == first.correlations[0].value
    assert other.correlations[0].low != first.correlations[0].low


def test_one_model_or_none_that_counts_gives_no_number_and_no_error():
    points = _points("digits")
    one = statistics(Made(table=points.table[:1]))
    assert {correlation.value for correlation in one.correlations} == {None}
    assert {verdict.judgement for verdict in one.verdicts} == {"undecided"}
    assert {pool.value for pool in one.pooled} == {ranking.value for ranking in one.rankings} == {None}
    none = statistics(Made(table=points.table.filter(~pl.col("counted"))[:0]))
    assert (none.correlations, none.verdicts, none.pooled, none.partial, none.rankings) == ((), (), (), (), ())
