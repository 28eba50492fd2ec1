import numpy as np
import polars as pl
import pytest

from clipkstar.report.samples import samples
from tests.report_tables import table


def test_scores_that_the_same_models_have_share_a_sample_and_others_do_not():
    made = table(
        "digits",
        "aabc",
        [0.1, 0.2, 0.3, None],
        gamma_approx=[1, 2, 3, 4],
        silhouette=[5, None, 7, 8],
        rankme=[9, 10, 11, 12],
    )
    first, second = samples(made, ["gamma_approx", "silhouette", "rankme"])
    assert (first.data_set, first.scores, first.models) == (
        "digits",
        ("gamma_approx", "rankme"),
        ("model 0", "model 1", "model 2"),
    )
    assert first.values.tolist() == [[1, 9], [2, 10], [3, 11]]
    assert (second.scores, second.lineages, second.accuracy.tolist()) == (("silhouette",), ("a", "b"), [0.1, 0.3])
    assert (first.n_models, first.n_lineages, second.n_models, second.n_lineages) == (3, 2, 2, 2)


@pytest.mark.parametrize("missing", [None, np.nan, np.inf])
def test_what_is_no_number_is_missing(missing):
    made = table("digits", "abc", [0.1, 0.2, missing], gamma_approx=[1.0, missing, 2.0])
    (found,) = samples(made, ["gamma_approx"])
    assert found.models == ("model 0",)


def test_a_score_that_no_model_has_is_an_empty_sample():
    made = table("digits", "ab", [0.1, 0.2], gamma_approx=[None, None])
    (found,) = samples(made, ["gamma_approx"])
    assert (found.n_models, found.n_lineages, found.values.shape) == (0, 0, (0, 1))


def test_models_need_the_scores_asked_for_as_well_and_these_stand_last():
    made = table("digits", "abc", [0.1, 0.2, 0.3], gamma_approx=[1, 2, 3], rankme=[4, 5, 6], nc1=[7, 8, None])
    (found,) = samples(made, ["gamma_approx", "rankme", "nc1"], also=["nc1"])[:1]
    assert found.scores == ("gamma_approx", "rankme", "nc1")
    assert found.values.tolist() == [[1, 4, 7], [2, 5, 8]]


def test_data_sets_keep_the_order_of_the_table():
    made = pl.concat([table(name, "ab", [0.1, 0.2], gamma_approx=[1, 2]) for name in ("z", "a", "m")])
    assert [found.data_set for found in samples(made, ["gamma_approx"])] == ["z", "a", "m"]
    assert samples(made.clear(), ["gamma_approx"]) == []
