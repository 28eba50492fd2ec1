"""Each score of a pair: values as the run has them, signs, classes in common, and what is undefined."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from regression_pairs import World, predicted

from clipkstar.jackknife import class_groups
from clipkstar.neighbors import search_impostors
from clipkstar.regression.comparing import SCORES, compare
from clipkstar.regression.estimated import Estimated
from clipkstar.regression.paired_proportions import PairedProportions
from clipkstar.regression.record import Pair

SMALL = World(n_classes=5, per_class=12)


@pytest.fixture(scope="module")
def pair():
    return SMALL.pair(0, more_noise=0.6)


def turned(pair):
    return Pair(label=pair.label, candidate=pair.baseline, baseline=pair.candidate)


def with_classes(pair, **columns):
    """The pair with columns of the candidate's class table replaced."""
    classes = pair.candidate.classes.with_columns(**columns)
    return replace(pair, candidate=replace(pair.candidate, classes=classes))


@pytest.mark.parametrize("score", SCORES)
def test_the_values_are_the_scores_of_the_runs(pair, score):
    found = compare(pair, score)
    assert found.candidate == pytest.approx(pair.candidate.run.scores[score], abs=1e-12)
    assert found.baseline == pytest.approx(pair.baseline.run.scores[score], abs=1e-12)
    assert found.reason == ""


@pytest.mark.parametrize("score", SCORES)
def test_the_values_come_from_the_tables_and_not_from_the_scores(pair, score):
    run = replace(pair.candidate.run, scores=dict.fromkeys(pair.candidate.run.scores, 0.5))
    assert compare(replace(pair, candidate=replace(pair.candidate, run=run)), score) == compare(pair, score)


@pytest.mark.parametrize("score", SCORES)
def test_a_worsening_is_positive_whichever_way_the_score_is_better(pair, score):
    found = compare(pair, score)
    rise = found.candidate - found.baseline
    assert found.evidence.estimate == pytest.approx(rise if SCORES[score] == "lower" else -rise, abs=1e-12)
    assert compare(turned(pair), score).evidence.estimate == pytest.approx(-found.evidence.estimate, abs=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_an_encoder_compared_with_itself_differs_by_exactly_nothing(pair, score):
    found = compare(Pair(label="same", candidate=pair.candidate, baseline=pair.candidate), score)
    assert found.candidate - found.baseline == 0
    assert found.evidence.estimate == 0
    if score == "mean_class_recall":  # as if one image of 60 might have differed
        assert found.evidence.standard_error == 1 / 60
        return
    assert found.evidence.p_exceeds(0.0) == 1.0
    if score == "top1":
        assert found.evidence == PairedProportions(n=60, n_worse=0, n_better=0)
        assert (found.p_mcnemar, found.discordant) == (1.0, 0.0)
    else:
        assert found.evidence.interval() == (0, 0)


def test_top1_counts_the_images_that_one_side_only_has_right(pair):
    sides = (pair.baseline.images, pair.candidate.images)
    right = [[p == y for p, y in images.select("prediction", "label").rows()] for images in sides]
    worse = sum(before and not after for before, after in zip(*right, strict=True))
    better = sum(after and not before for before, after in zip(*right, strict=True))
    assert worse > better > 0
    found = compare(pair, "top1")
    assert found.evidence == PairedProportions(n=60, n_worse=worse, n_better=better)
    assert found.discordant == (worse + better) / 60
    assert found.p_mcnemar == found.evidence.p_mcnemar


def test_only_top1_has_mcnemars_test_and_only_means_over_classes_have_a_number_of_classes(pair):
    found = {score: compare(pair, score) for score in SCORES}
    assert [score for score in SCORES if found[score].p_mcnemar is not None] == ["top1"]
    assert [score for score in SCORES if found[score].discordant is not None] == ["top1"]
    assert {score: found[score].n_classes for score in SCORES if found[score].n_classes is not None} == {
        "gamma_approx": 5,
        "kstar_mean": 5,
    }


@pytest.mark.parametrize("score", ["gamma_approx", "kstar_mean", "nn1_accuracy"])
def test_the_standard_error_is_that_of_differences_searched_again_without_each_group(score):
    # From the embeddings: leave a group out on both sides, search again, subtract.
    pair, embeddings = SMALL.pair_and_embeddings(3)
    labels = embeddings[0].labels
    groups, differences = class_groups(labels), []
    for group in range(20):
        kept = groups != group
        values = [_score_of(score, side.images[kept], labels[kept]) for side in embeddings]
        differences.append(values[0] - values[1])
    expected = np.sqrt(19 / 20 * np.sum((np.array(differences) - np.mean(differences)) ** 2))
    found = compare(pair, score).evidence
    assert isinstance(found, Estimated)
    assert found.standard_error == pytest.approx(expected, rel=1e-5)
    assert found.degrees_of_freedom == 19


def _score_of(score, images, labels):
    kstar = search_impostors(images, labels)["euclidean"].kstar
    fractions = [kstar[labels == label] / np.sum(labels == label) for label in np.unique(labels)]
    if score == "nn1_accuracy":
        return float((kstar > 1).mean())
    if score == "kstar_mean":
        return np.mean([of_class.mean() for of_class in fractions])
    moments = [(np.mean((x - x.mean()) ** 3), np.mean((x - x.mean()) ** 2)) for x in fractions]
    return np.mean([third / second**1.5 for third, second in moments])


def test_a_class_without_a_gamma_on_one_side_is_left_out_on_both(pair):
    gammas = [None, *pair.candidate.classes["gamma"].to_list()[1:]]
    found = compare(with_classes(pair, gamma=pl.Series(gammas)), "gamma_approx")
    assert (found.n_classes, found.n_left_out) == (4, 1)
    assert found.baseline == pytest.approx(np.mean(pair.baseline.classes["gamma"].to_list()[1:]))
    assert found.candidate == pytest.approx(np.mean(gammas[1:]))


def test_a_class_without_a_gamma_in_one_group_is_left_out_on_both(pair):
    column = pair.candidate.classes["gamma_without"].to_list()
    column[2][7] = None
    dtype = pair.candidate.classes["gamma_without"].dtype
    found = compare(with_classes(pair, gamma_without=pl.Series(column, dtype=dtype)), "gamma_approx")
    assert (found.n_classes, found.n_left_out) == (4, 1)
    assert found.evidence is not None


def test_with_fewer_than_twenty_images_there_is_no_evidence_for_what_depends_on_neighbors():
    few = World(n_classes=3, per_class=6).pair(0)
    for score in ("gamma_approx", "kstar_mean", "nn1_accuracy"):
        found = compare(few, score)
        assert found.evidence is None
        assert found.reason == "fewer than 20 images: no groups to leave out"
        assert found.candidate == pytest.approx(few.candidate.run.scores[score])
        assert found.baseline == pytest.approx(few.baseline.run.scores[score])
    assert compare(few, "top1").evidence is not None


def test_a_run_that_keeps_no_values_without_groups_has_no_evidence(pair):
    names = ["gamma_without", "nn1_accuracy_without"]
    bare = replace(pair, baseline=replace(pair.baseline, classes=pair.baseline.classes.drop(names)))
    for score in ("gamma_approx", "nn1_accuracy"):
        found = compare(bare, score)
        assert (found.evidence, found.reason) == (None, "a run has no values without each group of images")
        assert found.candidate == pytest.approx(pair.candidate.run.scores[score])


def test_where_no_class_has_every_value_there_is_no_evidence(pair):
    column = [[None, *values[1:]] for values in pair.candidate.classes["gamma_without"].to_list()]
    dtype = pair.candidate.classes["gamma_without"].dtype
    found = compare(with_classes(pair, gamma_without=pl.Series(column, dtype=dtype)), "gamma_approx")
    assert found.evidence is None
    assert found.reason == "no class is defined for both with all images and without each group"
    assert (found.n_classes, found.n_left_out) == (5, 0)


def test_where_no_class_is_defined_for_both_each_side_keeps_its_own(pair):
    mine = with_classes(pair, gamma=pl.Series([0.5, 0.7, None, None, None], dtype=pl.Float64))
    other = pair.baseline.classes.with_columns(gamma=pl.Series([None, None, 0.25, None, None], dtype=pl.Float64))
    found = compare(replace(mine, baseline=replace(pair.baseline, classes=other)), "gamma_approx")
    assert (found.candidate, found.baseline, found.evidence) == (pytest.approx(0.6), 0.25, None)
    assert (found.n_classes, found.n_left_out) == (0, 3)


def test_a_side_where_no_class_has_a_gamma_has_none_and_the_reason_says_so(pair):
    without = pair.candidate.classes["gamma_without"].dtype
    undefined = {
        "gamma": pl.Series([None] * 5, dtype=pl.Float64),
        "gamma_without": pl.Series([[None] * 20] * 5, dtype=without),
    }
    found = compare(with_classes(pair, **undefined), "gamma_approx")
    assert (found.candidate, found.evidence, found.n_classes, found.n_left_out) == (None, None, 0, 5)
    assert found.baseline == pytest.approx(pair.baseline.run.scores["gamma_approx"])
    assert found.reason == "Γ′ is undefined for the candidate, in every class all k* are equal"
    found = compare(turned(with_classes(pair, **undefined)), "gamma_approx")
    assert (found.baseline, found.reason) == (
        None,
        "Γ′ is undefined for the baseline, in every class all k* are equal",
    )


def test_a_difference_without_spread_has_no_evidence(pair):
    # Every class of the candidate has 0.125 more than the baseline's, with all images and without each group.
    other = pair.baseline.classes
    columns = {
        "kstar_mean": other["kstar_mean"] + 0.125,
        "kstar_mean_without": pl.Series(
            np.array(other["kstar_mean_without"].to_list()) + 0.125, dtype=other["kstar_mean_without"].dtype
        ),
    }
    shifted = with_classes(pair, **columns)
    images = pair.candidate.images.with_columns(pair.baseline.images["kstar"])
    found = compare(replace(shifted, candidate=replace(shifted.candidate, images=images)), "kstar_mean")
    assert found.candidate == pytest.approx(found.baseline + 0.125)
    assert (found.evidence, found.reason) == (
        None,
        "the difference has no spread, so that how sure it is cannot be told",
    )


def test_a_fall_of_a_rare_class_is_no_proof():
    labels = np.repeat([0, 1, 2], [2, 500, 500])
    fallen = predicted(labels, labels > 0, np.ones(1002, dtype=bool))
    found = compare(fallen, "mean_class_recall")
    assert found.evidence.estimate == pytest.approx(1 / 3)
    assert found.evidence.p_exceeds(0.0) > 0.05


def test_classes_of_no_image_and_of_one_count_as_the_scores_have_them():
    world = World(n_classes=6, per_class=12, sizes=(20, 1, 0, 2, 17, 20))
    pair = world.pair(1)
    for score in SCORES:
        found = compare(pair, score)
        assert found.evidence is not None
        if score not in ("gamma_approx", "kstar_mean"):
            assert found.candidate == pytest.approx(pair.candidate.run.scores[score], abs=1e-12)
    # The class of two is undefined without either of its images; that of one and that of none never have a value.
    found = compare(pair, "kstar_mean")
    assert (found.n_classes, found.n_left_out) == (3, 1)
    assert found.candidate == pytest.approx(pair.candidate.classes["kstar_mean"].gather([0, 4, 5]).mean())


def test_one_image_has_no_spread():
    images = pl.DataFrame({"row": [0], "label": [0], "prediction": [0], "confidence": [0.5]})
    side = replace(SMALL.pair(0).candidate, images=images)
    found = compare(Pair(label="one", candidate=side, baseline=side), "ece")
    assert (found.evidence, found.reason) == (None, "one image only: no spread")
