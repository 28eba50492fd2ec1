import numpy as np
import polars as pl
import pytest

import clipkstar
from clipkstar.picture import MOST_CLASSES, N_BINS, PATTERN_COLORS, binned_fractions, draw_run


def _result(n_classes=3, per_class=30):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(n_classes), per_class)
    return clipkstar.kstar(rng.normal(size=(len(labels), 4)) + labels[:, None], labels, intervals=False)


def test_every_class_is_spread_over_the_bins_in_shares_of_its_images():
    # k*/n of four images: 1/4 and 2/4 lie at the lower edges of bins 5 and 10, 4/4 in the last one with its right end.
    images = pl.DataFrame({"label": [0, 0, 0, 0], "kstar": [1, 2, 2, 4]})
    classes = pl.DataFrame({"class": [0], "name": ["cat"], "n_images": [4], "pattern": ["overlapped"]})
    bins = binned_fractions(images, classes, prefix="")
    assert bins["share"].to_list() == [{5: 0.25, 10: 0.5, 19: 0.25}.get(number, 0.0) for number in range(N_BINS)]
    assert bins["fraction"].to_list() == pytest.approx([(number + 0.5) / N_BINS for number in range(N_BINS)])


def test_the_picture_shows_every_class_in_the_colour_of_its_pattern(tmp_path):
    result = _result()
    result.plot().save(tmp_path / "kstar.svg")
    svg = (tmp_path / "kstar.svg").read_text()
    assert all(f">{name}<" in svg for name in ("0", "1", "2"))
    assert all(PATTERN_COLORS[pattern] in svg for pattern in result.classes["pattern"])


def test_a_run_is_drawn_from_its_tables(tmp_path):
    result = _result()
    result.images.write_parquet(tmp_path / "images.parquet")
    result.classes.write_parquet(tmp_path / "classes.parquet")
    draw_run(tmp_path, tmp_path / "kstar.png")
    assert (tmp_path / "kstar.png").read_bytes().startswith(b"\x89PNG")


def test_of_many_classes_the_most_fractured_are_drawn_and_the_rest_counted():
    chart = _result(n_classes=MOST_CLASSES + 5, per_class=4).plot().to_dict()
    assert chart["title"] == "k* within each class, most fractured first (5 more classes not drawn)"
    assert {row["name"] for rows in chart["datasets"].values() for row in rows} == set(
        chart["vconcat"][0]["encoding"]["column"]["sort"]
    )
    assert len(chart["vconcat"][0]["encoding"]["column"]["sort"]) == MOST_CLASSES


def test_a_result_of_the_cosine_distance_alone_is_drawn_too():
    labels = np.repeat([0, 1], 20)
    points = np.random.default_rng(1).normal(size=(40, 3))
    assert clipkstar.kstar(points, labels, distances="cosine").plot().to_dict()["vconcat"]
