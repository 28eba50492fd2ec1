"""A small version of tests/coverage_of_intervals.py: the intervals hold the truth as often as they say."""

import pytest
import torch
from coverage_of_intervals import coverage
from scipy.stats import binom

REPLICATES = 100
PROMISED = 0.93
FALSE_ALARM = 0.001
"""Chance that intervals which hold the truth in PROMISED of all data sets hold it less often here than is asked for."""


@pytest.fixture
def one_thread():
    """Searches of a few hundred images are too small for more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("per_class", [20, 50])
def test_intervals_of_ten_classes_hold_the_truth(per_class, one_thread):
    # 84 of 100: the largest number that intervals of 93 % miss with a chance below one in a thousand.
    at_least = binom.ppf(FALSE_ALARM, REPLICATES, PROMISED)
    for name, found in coverage(10, per_class, REPLICATES).items():
        assert found.n_intervals == REPLICATES, name
        assert found.n_covered >= at_least, name
        # An interval that holds everything would cover too.
        assert found.mean_width < 2 * found.ideal_width, name
