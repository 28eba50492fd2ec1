"""The charts of a report: what is in them, that it is drawn offline, and that the page's script can hook onto it."""

import html
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from clipkstar.report import charts
from clipkstar.report.forest_chart import ASIDE, POOLED, forest_chart, forest_rows
from clipkstar.report.heatmap_chart import heatmap_chart, heatmap_rows
from clipkstar.report.latent import latent_scores
from clipkstar.report.scatter_chart import drawn_rows, scatter_chart
from tests.small_report import make_content

CONTENT = make_content()
TABLE, STATISTICS = CONTENT.points.table, CONTENT.statistics
VERDICT = STATISTICS.verdicts[0]


def _texts(drawn):
    return [node.text for node in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]


def _labels(drawn):
    marks = r'aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="(?:point|rect mark)"'
    return [html.unescape(label) for label in re.findall(marks, drawn)]


def test_every_model_of_the_data_set_is_a_point_that_bears_its_name():
    drawn = charts.svg(scatter_chart(TABLE, VERDICT, accuracy="top1"))
    assert sorted(_labels(drawn)) == sorted(TABLE.filter(data_set="digits")["model"].to_list())
    assert _texts(drawn)[-2:] == ["digits", "follows · ρ −0.81 [−1.00 to −0.61]"]


def test_stages_and_copies_are_drawn_apart_from_models_that_count_and_stages_alone_get_a_line():
    drawn = charts.svg(scatter_chart(TABLE, VERDICT, accuracy="top1"))
    parts = {name: drawn.split(f"{name}_marks")[1].split("</g>")[0] for name in ("stages", "models")}
    names = {name: set(_labels(part)) for name, part in parts.items()}
    assert names["stages"] == set(TABLE.filter(data_set="digits", counted=False)["model"])
    assert len(names["models"]) == 12
    lines = re.findall(r'ways_marks"[^>]*><path d="([^"]*)"', drawn)
    assert [line.count("L") for line in lines] == [2]
    on_way = drawn_rows(TABLE, "digits", accuracy="top1").filter("on_way")
    assert set(on_way["label"]) == {f"open_clip--ViT-B-0--laion{end}" for end in ("", "-stage0", "-stage1")}


def test_models_without_one_of_the_numbers_are_not_drawn():
    import polars as pl

    without = TABLE.with_columns(
        gamma_approx_common=pl.when(pl.col("model") == "open_clip--ViT-B-3--laion").then(None).otherwise("top1")
    )
    names = drawn_rows(without, "digits", accuracy="top1")["label"]
    assert len(names) == 14 and "open_clip--ViT-B-3--laion" not in names.to_list()


def test_a_data_set_on_which_nothing_can_be_drawn_is_an_empty_chart():
    verdict = replace(VERDICT, value=None, low=None, high=None, judgement="undecided", n_models=0)
    drawn = charts.svg(scatter_chart(TABLE.head(0), verdict, accuracy="top1"))
    assert _labels(drawn) == [] and "undecided · 0 models" in _texts(drawn)


def test_a_score_that_no_run_has_leaves_the_chart_empty():
    assert drawn_rows(TABLE, "digits", accuracy="top5").is_empty()


def test_the_forest_plot_goes_from_followers_to_violators_and_ends_with_all_data_sets():
    rows = forest_rows(STATISTICS)
    assert rows["name"].to_list() == ["digits", "emoji", "fashion_mnist", POOLED]
    assert rows["written"].to_list() == [
        "−0.81 [−1.00 to −0.61], follows, 12 models",
        "−0.32 [−0.52 to −0.12], undecided, 12 models",
        "0.74 [0.54 to 0.94], violates, 12 models",
        "−0.42 [−0.80 to 0.10], 12 models",
    ]
    drawn = charts.svg(forest_chart(STATISTICS))
    assert set(rows["name"]) | set(rows["written"]) <= set(_texts(drawn))
    assert len(_labels(drawn)) == 4


def test_a_data_set_without_a_correlation_keeps_its_row_in_the_forest_plot():
    nothing = replace(VERDICT, value=None, low=None, high=None, judgement="undecided", n_models=2)
    drawn = charts.svg(forest_chart(replace(STATISTICS, verdicts=(nothing, *STATISTICS.verdicts[1:]), pooled=())))
    assert "–, undecided, 2 models" in _texts(drawn) and POOLED not in _texts(drawn)
    assert len(_labels(drawn)) == 2


def test_what_is_not_counted_stands_below_all_data_sets_and_says_so():
    aside = replace(VERDICT, value=-0.9, judgement="undecided", counted=False)
    found = replace(STATISTICS, verdicts=(aside, *STATISTICS.verdicts[1:]))
    rows = forest_rows(found)
    assert rows["name"].to_list() == ["emoji", "fashion_mnist", POOLED, "digits"]
    assert rows["judgement"].to_list()[-1] == ASIDE == "not counted"
    drawn = charts.svg(forest_chart(found))
    assert "−0.90 [−1.00 to −0.61], not counted, 12 models" in _texts(drawn)
    assert len(_labels(drawn)) == 4


def test_every_verdict_has_a_shape_and_a_colour_of_its_own():
    assert set(charts.JUDGEMENT_SHAPES) == set(charts.JUDGEMENT_COLORS) == {"follows", "violates", "undecided"}
    for signs in (charts.JUDGEMENT_SHAPES, charts.JUDGEMENT_COLORS):
        assert len(set(signs.values())) == 3


def test_the_heat_map_turns_correlations_so_that_above_zero_means_better_structure_with_better_accuracy():
    cells = {(row[0], row[1]): row[2] for row in heatmap_rows(STATISTICS, latent_scores()).iter_rows()}
    assert len(cells) == 3 * len(latent_scores())
    for one in STATISTICS.correlations:
        if one.coefficient == "spearman":
            lower_is_better = latent_scores()[one.score] == "lower"
            assert cells[one.data_set, one.score] == pytest.approx(-one.value if lower_is_better else one.value)


def test_the_heat_map_prints_every_value_and_leaves_undefined_ones_empty():
    first, *others = STATISTICS.correlations
    drawn = charts.svg(heatmap_chart(STATISTICS, latent_scores()))
    assert len(_labels(drawn)) == 3 * len(latent_scores())
    assert _texts(drawn).count("0.81") == 1
    without = replace(STATISTICS, correlations=(replace(first, value=None, reason="constant."), *others))
    drawn = charts.svg(heatmap_chart(without, latent_scores()))
    assert len(_labels(drawn)) == 3 * len(latent_scores()) - 1 and "0.81" not in _texts(drawn)


def test_a_chart_is_saved_as_svg_and_png_and_fetches_nothing(tmp_path):
    drawn = charts.save(forest_chart(STATISTICS), tmp_path / "figures" / "forest.plot")
    assert (tmp_path / "figures" / "forest.plot.svg").read_text(encoding="utf-8") == drawn
    assert (tmp_path / "figures" / "forest.plot.png").read_bytes().startswith(b"\x89PNG")
    assert re.findall(r'(?:href|src|url)\s*[=(]\s*"?([^")]*)', drawn.replace("xmlns:xlink", "")) == []


def test_coordinates_keep_two_decimals():
    assert re.search(r"\d\.\d{3}", re.sub(r">[^<]*<", "><", charts.svg(forest_chart(STATISTICS)))) is None


def test_in_the_page_points_carry_the_number_of_their_model_and_no_name():
    names = TABLE.filter(data_set="digits")["model"].to_list()
    drawn = charts.svg(scatter_chart(TABLE, VERDICT, accuracy="top1"))
    lean = charts.inlined(drawn, {name: number for number, name in enumerate(names)})
    assert sorted(map(int, re.findall(r' data-m="(\d+)"', lean))) == list(range(len(names)))
    assert "aria-label" not in lean and "laion" not in lean
    assert lean.startswith('<svg aria-hidden="true" focusable="false" ') and len(lean) < len(drawn)


@pytest.mark.parametrize(
    "name", ["<b>&\"'", 'aria-label="x" role="y"', "名前 😀", "line\nbreak\x00", "x" * 200, "1.2345"]
)
def test_names_of_any_kind_stay_one_point_and_well_formed(name):
    content = make_content(names=[name, "other"], data_sets=[name])
    drawn = charts.svg(scatter_chart(content.points.table, content.statistics.verdicts[0], accuracy="top1"))
    ElementTree.fromstring(drawn)
    lean = charts.inlined(drawn, {name: 7, "other": 8})
    ElementTree.fromstring(lean)
    assert lean.count('data-m="7"') == 1


def test_colours_that_the_page_swaps_in_the_dark_are_those_of_the_charts():
    from clipkstar.report.templating import asset

    style = asset("style.css")
    for color in (charts.INK, charts.QUIET, charts.ACCENT, charts.RULE, *charts.JUDGEMENT_COLORS.values()):
        assert f'[stroke="{color}"]' in style
