"""The heat map: numbers that can be read on every colour, and names that readers know."""

import re
from dataclasses import replace

from clipkstar.report import charts
from clipkstar.report.heatmap_chart import common_name, heatmap_chart
from clipkstar.report.latent import latent_scores
from tests.small_report import make_content

STATISTICS = make_content().statistics


def _luminance(color):
    parts = [int(part) / 255 for part in color]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_number_stands_out_from_its_cell_by_four_and_a_half_to_one():
    spearman = [one for one in STATISTICS.correlations if one.coefficient == "spearman"]
    spread = [replace(one, value=-1 + 2 * place / (len(spearman) - 1)) for place, one in enumerate(spearman)]
    drawn = charts.svg(heatmap_chart(replace(STATISTICS, correlations=tuple(spread)), latent_scores()))
    cells, numbers = drawn.split("cells_marks")[1].split("numbers_marks")
    fills = re.findall(r'fill="rgb\((\d+), (\d+), (\d+)\)"', cells)
    inks = re.findall(r'<text[^>]* fill="(black|white)"', numbers)
    assert len(fills) == len(inks) == len(spearman) and set(inks) == {"black", "white"}
    for fill, ink in zip(fills, inks, strict=True):
        low, high = sorted([_luminance(fill), 1.0 if ink == "white" else 0.0])
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_columns_bear_common_names_and_cells_the_recorded_one():
    drawn = charts.svg(heatmap_chart(STATISTICS, latent_scores()))
    texts = re.findall(r">([^<>]+)</text>", drawn)
    assert {"Γ′", "Γ", "k*/n", "1-NN", "cosine Γ′", "silhouette"} <= set(texts)
    assert "gamma_approx" not in texts and "digits, gamma_approx: ρ" in drawn


def test_a_score_without_a_common_name_keeps_its_own():
    assert common_name("cosine_kstar_mean") == "cosine k*/n"
    assert common_name("silhouette") == "silhouette"
    assert common_name("cosine_nothing") == "cosine_nothing"
