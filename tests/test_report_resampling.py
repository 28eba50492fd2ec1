import numpy as np
import pytest

from clipkstar.report.resampling import block_permutations, bootstrap, draws, everything, lineage_codes

UNEQUAL = ("b", "a", "b", "c", "b", "a")


def test_lineages_are_numbered_by_name():
    assert lineage_codes(UNEQUAL).tolist() == [1, 0, 1, 2, 1, 0]


def test_models_of_one_lineage_are_drawn_together_and_as_often():
    found = bootstrap(UNEQUAL, n_resamples=500)
    assert found.counts.shape == (500, 6)
    for lineage in "abc":
        of_lineage = found.counts[:, [name == lineage for name in UNEQUAL]]
        assert (of_lineage == of_lineage[:, :1]).all()
    assert (found.draws.sum(axis=1) == 3).all()


def test_every_lineage_is_drawn_once_on_average_and_as_variably_as_with_replacement():
    counts = draws(5, n_resamples=20000)
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.03)
    assert counts.var(axis=0) == pytest.approx(4 / 5, abs=0.05)  # binomial: 5 · 1/5 · 4/5


def test_the_same_seed_draws_the_same_and_another_seed_does_not():
    assert (draws(7, n_resamples=50) == draws(7, n_resamples=50)).all()
    assert (draws(7, n_resamples=50) != draws(7, n_resamples=50, seed=1)).any()


def test_everything_is_each_model_once():
    assert everything(4).counts.tolist() == [[1, 1, 1, 1]]


def test_sums_over_clusters_are_those_of_a_loop():
    values = np.random.default_rng(0).normal(size=(6, 2, 3))
    expected = np.zeros((3, 2, 3))
    for place, lineage in enumerate(UNEQUAL):
        expected["abc".index(lineage)] += values[place]
    assert bootstrap(UNEQUAL, n_resamples=2).sums(values) == pytest.approx(expected, abs=1e-6)


def test_the_first_permutation_changes_nothing():
    for lineages in (UNEQUAL, tuple(str(number % 9) for number in range(31)), ("a",)):
        assert block_permutations(lineages, n_permutations=40)[0].tolist() == list(range(len(lineages)))


def test_few_lineages_are_permuted_in_all_orders_once():
    orders = block_permutations(("a", "b", "c", "d"), n_permutations=100)
    assert len(orders) == 24
    assert len({tuple(order) for order in orders.tolist()}) == 24


def test_many_lineages_are_permuted_at_random():
    orders = block_permutations(tuple("abcdefgh"), n_permutations=100)
    assert orders.shape == (101, 8)
    assert (np.sort(orders, axis=1) == np.arange(8)).all()


def test_lineages_of_equal_size_keep_their_blocks_and_the_order_inside():
    for order in block_permutations(("a", "b", "a", "b", "c", "c"), n_permutations=100):
        blocks = [tuple(order[[0, 2]]), tuple(order[[1, 3]]), tuple(order[[4, 5]])]
        assert sorted(blocks) == [(0, 2), (1, 3), (4, 5)]


def test_a_lineage_takes_all_of_its_values_from_one_other_as_evenly_as_it_can():
    lineages = ("a",) * 5 + ("b",) * 2 + ("c",)
    codes = lineage_codes(lineages)
    orders = block_permutations(lineages, n_permutations=100)
    assert len(orders) == 6
    for order in orders:
        for lineage in range(3):
            taken = order[codes == lineage]
            (source,) = set(codes[taken])
            times = [np.count_nonzero(taken == model) for model in np.flatnonzero(codes == source)]
            assert max(times) - min(times) <= 1
        assert len({codes[order[codes == lineage]][0] for lineage in range(3)}) == 3


def test_a_value_of_a_larger_lineage_is_taken_no_more_often_than_another():
    # c has one model: in the orders that give it a's values it takes each of a's five in a fifth of the cases.
    lineages = ("a",) * 5 + tuple("bcdefgh")
    taken = block_permutations(lineages, n_permutations=20000)[1:, 6]
    times = np.bincount(taken, minlength=12)
    assert times[:5] == pytest.approx(20000 / 8 / 5, abs=90)  # sd 22
    assert times[:5].sum() == pytest.approx(20000 / 8, abs=190)  # sd 47
