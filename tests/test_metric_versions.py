"""Scores of older versions of a metric do not enter."""

import pytest
from hand_made_runs import hand_made

from clipkstar.metric_versions import Outdated, newest_scores, version_key, version_notices


def test_runs_of_one_version_are_left_as_they_are() -> None:
    runs = [hand_made("a"), hand_made("b", metrics={"zero_shot": "1"})]
    assert newest_scores(runs) == (runs, [])


def test_scores_and_intervals_of_an_older_version_go_and_those_of_other_metrics_stay() -> None:
    old = hand_made("a", metrics={"kstar": "2", "zero_shot": "1"})
    new = hand_made("b", metrics={"kstar": "2", "zero_shot": "2"})
    (first, second), outdated = newest_scores([old, new])
    assert second == new
    assert dict(first.scores) == {name: value for name, value in old.scores.items() if name != "top1"}
    assert dict(first.intervals) == {}
    assert outdated == [Outdated(metric="zero_shot", newest="2", n_runs=1)]


def test_of_an_older_metric_of_a_stranger_every_score_that_is_not_ours_goes() -> None:
    old, new = (hand_made("a", metrics={"kstar": "2", "mine": version}, scores={"mine": 1.0}) for version in "12")
    (first, second), outdated = newest_scores([old, new])
    assert dict(first.scores) == {name: value for name, value in old.scores.items() if name != "mine"}
    assert (second, outdated) == (new, [Outdated(metric="mine", newest="2", n_runs=1)])


@pytest.mark.parametrize(("older", "newer"), [("9", "10"), ("1.9", "1.10"), ("1", "1.1"), ("a2", "a10")])
def test_versions_follow_each_other_by_their_numbers(older: str, newer: str) -> None:
    assert version_key(older) < version_key(newer)


def test_each_metric_is_one_sentence_for_all_data_sets() -> None:
    def outdated(n_runs: int) -> list[Outdated]:
        return [Outdated(metric="kstar", newest="2", n_runs=n_runs)]

    assert version_notices({"digits": outdated(3), "emoji": [], "cars": outdated(1)}) == [
        "4 runs without the scores of 'kstar', measured by an older version of it than 2, which does not compare "
        "(digits: 3; cars: 1); 'clipkstar score RUNS --force' or the same sweep again measures them anew."
    ]
