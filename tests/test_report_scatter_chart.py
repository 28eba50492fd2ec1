"""The axes of the charts of accuracy against Γ′."""

import polars as pl
import pytest

from clipkstar.report.scatter_chart import percents


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 100.0], [0.0, 100.0]),
        ([1.0, 99.0], [0.0, 100.0]),
        ([40.0, 60.0], [39.0, 61.0]),
        ([100.0], [99.0, 100.0]),
        ([], [0.0, 100.0]),
    ],
)
def test_the_axis_of_accuracy_keeps_within_0_and_100_per_cent(values, expected):
    assert percents(pl.DataFrame({"percent": values}, schema={"percent": pl.Float64})) == pytest.approx(expected)
