import polars as pl
import pytest

from clipkstar.errors import InputError, UnknownNameError
from clipkstar.report.choice import MOST_BY_DEFAULT, choose


def table(accuracies, *, score="top1", uncounted=()):
    """accuracies: data set → model → number; the run of a model on a data set is `model/data set`."""
    return pl.DataFrame(
        [
            {
                "run_id": f"{model}/{data_set}",
                "model": model,
                "data_set": data_set,
                "counted": model not in uncounted,
                score: value,
            }
            for data_set, values in accuracies.items()
            for model, value in values.items()
        ],
        schema={
            "run_id": pl.String,
            "model": pl.String,
            "data_set": pl.String,
            "counted": pl.Boolean,
            score: pl.Float64,
        },
    )


TWO = table({"one": {"a": 0.5, "b": 0.9, "c": 0.1}, "two": {"a": 0.4, "b": 0.3, "c": 0.2}})


def test_by_default_the_best_and_the_worst_model_get_a_page_on_every_data_set():
    # Ranks of a: 2, 1; of b: 1, 2; of c: 3, 3. Of a and b, equal in the mean, the first by name is the best.
    assert choose(TWO) == ("a/one", "c/one", "a/two", "c/two")


def test_a_model_that_is_not_counted_is_neither_best_nor_worst():
    points = table({"one": {"a": 0.5, "copy": 0.9, "c": 0.1}}, uncounted=("copy",))
    assert choose(points) == ("a/one", "c/one")


def test_best_and_worst_are_looked_for_among_the_models_with_most_data_sets():
    points = table({"one": {"a": 0.5, "b": 0.4, "lucky": 0.9}, "two": {"a": 0.4, "b": 0.3}})
    assert choose(points) == ("a/one", "b/one", "a/two", "b/two")


def test_a_run_without_an_accuracy_does_not_rank():
    points = table({"one": {"a": 0.5, "none": None, "c": 0.1}, "two": {"a": 0.5, "none": None, "c": 0.1}})
    assert choose(points) == ("a/one", "c/one", "a/two", "c/two")


def test_one_model_alone_gets_its_page_once():
    assert choose(table({"one": {"a": 0.5}})) == ("a/one",)


def test_of_many_data_sets_the_first_get_the_pages():
    points = table({f"set{number}": {"a": 0.5, "b": 0.1} for number in range(40)})
    chosen = choose(points)
    assert len(chosen) == MOST_BY_DEFAULT
    assert chosen[-1] == f"b/set{MOST_BY_DEFAULT // 2 - 1}"


def test_encoders_without_a_text_tower_are_ranked_by_their_nearest_neighbours():
    points = table({"one": {"a": 0.1, "b": 0.5, "c": 0.9}}, score="nn1_accuracy").with_columns(top1=None)
    assert choose(points) == ("c/one", "a/one")


def test_where_no_score_ranks_models_none_is_best():
    assert choose(table({"one": {"a": None, "b": None}})) == ()
    assert choose(TWO.drop("top1")) == ()
    assert choose(TWO.with_columns(counted=False)) == ()


def test_named_models_come_first_and_the_best_and_the_worst_behind_them():
    assert choose(TWO, ["b"]) == ("b/one", "b/two", "a/one", "c/one", "a/two", "c/two")


def test_none_leaves_the_best_and_the_worst_out():
    assert choose(TWO, ["none"]) == ()
    assert choose(TWO, ["none", "b"]) == ("b/one", "b/two")


def test_all_means_every_run():
    assert choose(TWO, ["all"]) == tuple(TWO["run_id"])


def test_one_run_is_named_by_model_and_data_set():
    assert choose(TWO, ["none", "b@two"]) == ("b/two",)


def test_patterns_mean_models_and_runs():
    assert choose(TWO, ["none", "[ac]"]) == ("a/one", "c/one", "a/two", "c/two")
    assert choose(TWO, ["none", "*@two"]) == ("a/two", "b/two", "c/two")


def test_a_label_with_brackets_means_itself():
    points = table({"one": {"x[ab]": 0.5, "xa": 0.4}})
    assert choose(points, ["none", "x[ab]"]) == ("x[ab]/one",)


def test_an_unknown_name_is_answered_with_the_nearest():
    points = table({"digits": {"zoo--tiny": 0.5, "zoo--small": 0.4}})
    with pytest.raises(UnknownNameError) as error:
        choose(points, ["zoo--tyni"])
    assert str(error.value) == "there is no run for --detail 'zoo--tyni'; did you mean 'zoo--tiny' or 'zoo--small'?"
    with pytest.raises(UnknownNameError) as error:
        choose(points, ["zoo--tiny@digit"])
    assert str(error.value) == (
        "there is no run for --detail 'zoo--tiny@digit'; did you mean 'zoo--tiny@digits' or 'zoo--small@digits'?"
    )


def test_all_and_none_together_are_refused():
    with pytest.raises(InputError) as error:
        choose(TWO, ["all", "none"])
    assert str(error.value) == "--detail got 'all' and 'none'; leave one of them out."


def test_a_run_that_two_rows_share_gets_one_page():
    points = pl.concat([TWO, TWO.with_columns(model=pl.lit("copy"), counted=pl.lit(value=False))])
    assert choose(points, ["none", "copy"]) == tuple(TWO["run_id"])


def test_the_best_and_the_worst_model_are_those_of_the_accuracy_asked_for():
    points = TWO.with_columns(mean_class_recall=1 - pl.col("top1"))
    first = choose(points.filter(data_set="one"), accuracy="mean_class_recall")
    assert first == tuple(reversed(choose(points.filter(data_set="one"))))
