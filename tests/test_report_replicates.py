"""What counts once: copies of weights, stages of a training run, equal embeddings."""

import random
from collections.abc import Sequence

import polars as pl
import pytest
from hand_made_runs import digest, hand_made
from hypothesis import given
from hypothesis import strategies as st

from clipkstar.report.replicate_notices import named, replicate_notices
from clipkstar.report.replicates import merged_lineages, standings
from clipkstar.run import Run

EQUAL = {
    "gamma_approx": 0.5,
    "gamma_true": 0.25,
    "kstar_mean": 0.75,
    "silhouette": 0.1,
    "rankme": 9.5,
    "cosine_gamma_approx": 0.3,
    "alignment": 1.25,
    "uniformity": -2.5,
}
SMOOTH = ("silhouette", "rankme", "alignment", "uniformity")


def told(runs: Sequence[Run]) -> list[tuple[str, int]]:
    """Why each run does not count, and the number of the one that does for it."""
    return [(standing.why_not, standing.counted_as) for standing in standings(runs)]


def test_runs_that_have_nothing_in_common_all_count() -> None:
    assert told([hand_made("a"), hand_made("b"), hand_made("c")]) == [("", 0), ("", 1), ("", 2)]


def test_equal_weights_count_once_whatever_they_are_called() -> None:
    same = {"weights_sha256": "1" * 64, "config_sha256": "2" * 64}
    runs = [hand_made("b", **same), hand_made("c", family="timm", **same), hand_made("a", **same), hand_made("d")]
    assert told(runs) == [("equal weights", 1), ("", 1), ("equal weights", 1), ("", 3)]


def test_equal_weights_of_another_configuration_count_once_too() -> None:
    runs = [hand_made("a", weights_sha256="1" * 64), hand_made("b", weights_sha256="1" * 64)]
    assert told(runs) == [("", 0), ("equal weights", 0)]


def test_unknown_weights_are_not_equal() -> None:
    runs = [
        hand_made("a", weights_sha256=None, config_sha256=""),
        hand_made("b", weights_sha256=None, config_sha256=""),
    ]
    assert told(runs) == [("", 0), ("", 1)]


def test_weights_on_another_device_count_once_as_the_run_with_most_scores() -> None:
    fewer, more = hand_made("a", device="cpu", without=["rankme"]), hand_made("a", device="cuda")
    assert told([fewer, more]) == [("equal weights", 1), ("", 1)]


def test_of_a_training_run_the_last_stage_counts() -> None:
    runs = [hand_made("a", name) for name in ("final", "stage10", "stage9", "stage2")]
    assert told(runs) == [("", 0), ("earlier stage", 0), ("earlier stage", 0), ("earlier stage", 0)]
    assert [standing.stage for standing in standings(runs)] == [3, 2, 1, 0]


@pytest.mark.parametrize("change", ["lineage", "config_sha256", "family"])
def test_what_differs_in_more_than_its_tag_is_no_stage(change: str) -> None:
    assert told([hand_made("a", "1"), hand_made("a", "2", **{change: "other"})]) == [("", 0), ("", 1)]


def test_a_name_used_for_two_weights_is_one_stage_and_both_count() -> None:
    runs = [hand_made("a", "last", weights_sha256=weights * 64) for weights in "12"]
    assert told([*runs, hand_made("a", "1")]) == [("", 0), ("", 1), ("earlier stage", 0)]


def test_a_copy_of_the_last_stage_is_a_copy_and_the_last_stage_counts() -> None:
    same = {"weights_sha256": "1" * 64}
    runs = [hand_made("a", "epoch_10", **same), hand_made("a", "final", **same), hand_made("a", "epoch_9")]
    assert told(runs) == [("equal weights", 1), ("", 1), ("earlier stage", 1)]


def test_a_copy_of_an_earlier_stage_is_one_too() -> None:
    runs = [hand_made("a", "1", device="cpu"), hand_made("a", "1", device="cuda"), hand_made("a", "2")]
    assert told(runs) == [("earlier stage", 2), ("earlier stage", 2), ("", 2)]


def test_stages_count_as_the_copy_that_stands_for_the_last_of_them() -> None:
    same = {"weights_sha256": "1" * 64, "config_sha256": digest("b")}
    runs = [hand_made("b", "1"), hand_made("b", "2", **same), hand_made("a", **same)]
    assert told(runs) == [("earlier stage", 2), ("equal weights", 2), ("", 2)]


def test_equal_embeddings_count_once_as_the_first_by_family_and_title() -> None:
    runs = [hand_made("b", scores=EQUAL), hand_made("c", scores=EQUAL), hand_made("a", scores=EQUAL), hand_made("d")]
    assert told(runs) == [("equal embeddings", 2), ("equal embeddings", 2), ("", 2), ("", 3)]


@pytest.mark.parametrize("sign", [-1, 1])
def test_roundings_of_another_loader_leave_embeddings_equal(sign: int) -> None:
    other = {name: value * (1 + sign * (9e-5 if name in SMOOTH else 9e-3)) for name, value in EQUAL.items()}
    assert told([hand_made("a", scores=EQUAL), hand_made("b", scores=other)]) == [("", 0), ("equal embeddings", 0)]


@pytest.mark.parametrize("name", sorted(EQUAL.keys() - {"cosine_gamma_approx"}))
def test_one_latent_score_that_differs_by_more_than_roundings_tells_embeddings_apart(name: str) -> None:
    far = 2e-4 * EQUAL[name] if name in SMOOTH else 2e-2
    other = EQUAL | {name: EQUAL[name] + far}
    assert told([hand_made("a", scores=EQUAL), hand_made("b", scores=other)]) == [("", 0), ("", 1)]


def test_scores_of_kstar_alone_are_equal_only_to_the_last_digit() -> None:
    last = EQUAL | {"kstar_mean": 0.7500000000000001}
    runs = [hand_made(name, scores=of, without=SMOOTH) for name, of in (("a", EQUAL), ("b", EQUAL), ("c", last))]
    assert told(runs) == [("", 0), ("equal embeddings", 0), ("", 2)]


def test_two_smooth_scores_are_too_few_to_forgive_roundings() -> None:
    other = EQUAL | {"kstar_mean": 0.7501}
    without = ["alignment", "uniformity"]
    runs = [hand_made(name, scores=of, without=without) for name, of in (("a", EQUAL), ("b", other))]
    assert told(runs) == [("", 0), ("", 1)]


def test_accuracies_do_not_tell_embeddings_apart() -> None:
    runs = [
        hand_made(name, scores=EQUAL | {"top1": top1, "nn1_accuracy": top1}) for name, top1 in (("a", 0.1), ("b", 0.9))
    ]
    assert told(runs) == [("", 0), ("equal embeddings", 0)]


def test_scores_that_one_of_the_two_lacks_say_nothing() -> None:
    runs = [hand_made("a", scores=EQUAL), hand_made("b", scores=EQUAL, without=["silhouette", "rankme"])]
    assert told(runs) == [("", 0), ("equal embeddings", 0)]


def test_two_equal_scores_are_too_few_to_call_embeddings_equal() -> None:
    absent = ["silhouette", "rankme", "alignment", "uniformity", "cosine_gamma_approx", "gamma_true"]
    runs = [hand_made(name, scores=EQUAL, without=absent) for name in "ab"]
    assert told(runs) == [("", 0), ("", 1)]


def test_spaces_that_are_perfect_in_kstar_are_not_equal_for_that() -> None:
    perfect = {"gamma_true": None, "gamma_approx": None, "kstar_mean": 1.0, "gamma_approx_anchored": -9.0}
    perfect |= {"gamma_true_anchored": -8.0, "cosine_gamma_approx": None, "cosine_gamma_true": None}
    runs = [
        hand_made(name, scores=perfect | {"cosine_kstar_mean": 1.0}, without=["silhouette", "rankme"]) for name in "ab"
    ]
    assert told(runs) == [("", 0), ("", 1)]


@given(st.permutations(range(9)))
def test_the_order_of_the_runs_makes_no_difference(order: list[int]) -> None:
    same = {"weights_sha256": "1" * 64, "config_sha256": "2" * 64}
    runs = [
        hand_made("a", "1"), hand_made("a", "2"), hand_made("a", "final", **same), hand_made("b", **same),
        hand_made("c", scores=EQUAL), hand_made("d", scores=EQUAL), hand_made("e", "1", scores=EQUAL),
        hand_made("e", "best"), hand_made("f", device="cuda"),
    ]  # fmt: skip
    expected = standings(runs)
    found = standings([runs[number] for number in order])
    for place, number in enumerate(order):
        assert (found[place].stage, found[place].why_not) == (expected[number].stage, expected[number].why_not)
        assert order[found[place].counted_as] == expected[number].counted_as


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("123"), st.sampled_from("xyz")), min_size=1),
    st.randoms(),
)
def test_whoever_counts_for_another_counts_and_no_weights_count_twice(
    names: list[tuple[str, str, str]], rng: random.Random
) -> None:
    runs = [
        hand_made(model, stage, weights_sha256=weights * 64, config_sha256=rng.choice("pq") * 64, lineage="l")
        for model, stage, weights in names
    ]
    found = standings(runs)
    for number, standing in enumerate(found):
        assert found[standing.counted_as].why_not == ""
        assert (standing.counted_as == number) == (standing.why_not == "")
    counted = [runs[n].checkpoint for n, standing in enumerate(found) if standing.why_not == ""]
    assert len({one.weights_sha256 for one in counted}) == len(counted)


def test_lineages_with_weights_in_common_are_one_and_the_first_names_it() -> None:
    runs = [
        hand_made("a", lineage="z", weights_sha256="1"), hand_made("b", lineage="y", weights_sha256="1"),
        hand_made("c", lineage="y", weights_sha256="2"), hand_made("d", lineage="x", weights_sha256="2"),
        hand_made("e", lineage="w"), hand_made("f", lineage="v", weights_sha256=None),
        hand_made("g", lineage="u", weights_sha256=None),
    ]  # fmt: skip
    assert merged_lineages(runs) == {"z": "x", "y": "x", "x": "x", "w": "w", "v": "v", "u": "u"}
    assert merged_lineages(reversed(runs)) == merged_lineages(runs)
    alike = merged_lineages(runs, [("w", "z"), ("v", "v")])
    assert alike == {"z": "w", "y": "w", "x": "w", "w": "w", "v": "v", "u": "u"}


def _rows(data_set: str, *rows: tuple[str, str, int, str, str]) -> pl.DataFrame:
    schema = ["model", "training_run", "stage", "why_not", "counted_as"]
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        data_set=pl.lit(data_set), counted=pl.col("why_not") == "", pretrained="model", config_sha256=pl.lit("")
    )


def test_each_group_is_one_sentence_for_all_data_sets_where_it_is_the_same() -> None:
    stages = [("s1", "zoo/s", 0, "earlier stage", "s2"), ("s2", "zoo/s", 1, "", "s2")]
    copies = [("a", "a", 0, "", "a"), ("b", "b", 0, "equal weights", "a"), ("b", "b", 0, "equal weights", "a")]
    again = [("c", "c", 0, "", "c"), ("c", "c", 0, "equal weights", "c")]
    equal = [("d", "d", 0, "", "d"), ("e", "e", 0, "equal embeddings", "d")]
    table = pl.concat([_rows("digits", *stages, *copies), _rows("emoji", *stages, *again, *equal)])
    assert replicate_notices(table) == [
        "digits and emoji: 2 stages of zoo/s are one training run; the last one, s2, counts.",
        "digits: a and b have equal weights; a counts.",
        "emoji: 2 runs of c have equal weights and count once.",
        "emoji: d and e have equal embeddings; d counts.",
    ]


def test_stages_whose_last_one_is_a_copy_tell_who_counts() -> None:
    table = _rows(
        "digits", ("s1", "s", 0, "earlier stage", "a"), ("s2", "s", 1, "equal weights", "a"), ("a", "a", 0, "", "a")
    )
    assert replicate_notices(table) == [
        "digits: 2 stages of s are one training run; a counts for it.",
        "digits: a and s2 have equal weights; a counts.",
    ]


@pytest.mark.parametrize(
    ("earlier", "which"),
    [
        ("epoch_1", "the one that counts is best"),
        ("laion", "their names do not tell the order, which is by name only; the one that counts is best"),
    ],
)
def test_what_was_chosen_or_is_not_known_is_never_called_the_last(earlier: str, which: str) -> None:
    table = _rows("digits", (earlier, "s", 0, "earlier stage", "best"), ("best", "s", 1, "", "best"))
    assert replicate_notices(table) == [f"digits: 2 stages of s are one training run; {which}."]


def test_of_very_many_groups_only_some_are_told() -> None:
    pairs = [
        row
        for number in range(10, 30)
        for row in ((f"a{number}", "", 0, "", ""), (f"b{number}", "", 0, "equal weights", f"a{number}"))
    ]
    notices = replicate_notices(_rows("digits", *pairs))
    assert notices[:1] == ["digits: a10 and b10 have equal weights; a10 counts."]
    assert notices[12:] == ["8 more groups of runs count once each; the table of points has them all."]


def test_a_sentence_lists_a_few_names_and_counts_the_others() -> None:
    assert [named("abcdefg"[:n]) for n in (1, 2, 5, 7)] == ["a", "a and b", "a, b, c, d and e", "a, b, c, d and 3 more"]
