"""Weighted Holm by hand, against its definition, and against the closed test of which it is a shortcut."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipkstar.regression.weighted_holm import weighted_holm


def test_equal_weights_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, made monotone 0.04, 0.06, 0.06, 0.06.
    assert weighted_holm([0.02, 0.01, 0.04, 0.03], [1, 1, 1, 1]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_weights_by_hand():
    # Shares of alpha 5/7, 1/7, 1/7. p/w: 0.004, 0.01, 0.5. 0.02 · 7/5 = 0.028; then 0.01 · 2/1 = 0.02, made 0.028; then
    # 0.5 · 1/1.
    assert weighted_holm([0.02, 0.01, 0.5], [5, 1, 1]) == pytest.approx([0.028, 0.028, 0.5])


def test_corrected_p_values_end_at_one():
    assert weighted_holm([0.9, 1.0, 0.8], [1, 1, 1]) == [1.0, 1.0, 1.0]
    assert weighted_holm([0.3], [7]) == pytest.approx([0.3])
    assert weighted_holm([], []) == []


@given(
    st.lists(
        st.tuples(st.floats(min_value=1e-6, max_value=1), st.sampled_from([0.5, 1.0, 2.0, 5.0])), min_size=1, max_size=5
    )
)
def test_it_is_the_closed_test_of_weighted_bonferroni_tests(comparisons):
    # A comparison is established at a level if every set of comparisons that it is in is rejected by Bonferroni there.
    p_values, weights = zip(*comparisons, strict=True)
    everything = range(len(p_values))
    sets = [of for size in range(1, len(p_values) + 1) for of in combinations(everything, size)]
    of_sets = {of: min(p_values[place] / weights[place] for place in of) * sum(weights[i] for i in of) for of in sets}
    expected = [min(1.0, max(of_sets[of] for of in sets if place in of)) for place in everything]
    assert weighted_holm(p_values, weights) == pytest.approx(expected)


def test_without_any_worsening_something_is_established_at_most_at_alpha():
    random = np.random.default_rng(0)
    p_values = random.random((4000, 6))
    false = [min(weighted_holm(list(row), [5, 1, 1, 1, 1, 1])) <= 0.05 for row in p_values]
    assert np.mean(false) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)
