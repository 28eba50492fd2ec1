"""index.html without a browser: what is said, how it is escaped, and what stands in the leaderboard."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import polars as pl
import pytest
from jinja2 import UndefinedError

from clipkstar import reference, wording
from clipkstar.report import templating
from clipkstar.report.leaderboard import leaderboard
from clipkstar.report.page import MOST_SHOWN, write_page
from clipkstar.report.page_figures import LONGEST_NAME, file_name
from clipkstar.report.sparkline import HALF, sparkline, standings
from tests.small_report import DATA_SETS, make_content


class _Text(HTMLParser):
    """The words of a page, and the addresses in it."""

    def __init__(self):
        super().__init__()
        self.words, self.addresses, self.ids, self.silent = [], [], [], False

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.silent = tag in ("script", "style")
        self.addresses += [found[name] for name in ("href", "src", "action") if name in found]
        self.ids += [found["id"]] if "id" in found else []

    def handle_endtag(self, tag):  # noqa: ARG002
        self.silent = False

    def handle_data(self, data):
        if not self.silent:
            self.words.append(data)


def _page(folder, content):
    write_page(folder, content)
    return (folder / "index.html").read_text(encoding="utf-8")


def _read(page):
    parser = _Text()
    parser.feed(page)
    return parser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("report")
    write_page(made, make_content())
    return made


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "index.html").read_text(encoding="utf-8")


def test_the_answer_comes_before_everything_else(page):
    words = " ".join(" ".join(_read(page).words).split())
    assert words.index("Of 3 data sets, 1 follows the claim") < words.index("Models") < words.index("How to read this")


def test_the_page_asks_for_nothing_but_its_own_files(page):
    addresses = _read(page).addresses
    assert {"report.json", "summary.md", "tables/", "figures/", "runs/first.html"} <= set(addresses)
    assert [address for address in addresses if re.match(r"[a-z]+:(?!,)|//", address)] == []
    assert "default-src &#39;none&#39;" in page and "@import" not in page and "url(" not in page


def test_no_id_stands_twice(page):
    ids = _read(page).ids
    assert len(ids) == len(set(ids)) > 10


def test_figures_stand_beside_the_page_as_svg_and_png(folder):
    names = {f"accuracy-gamma_approx--{name}" for name in DATA_SETS} | {"forest", "heatmap"}
    assert {path.name for path in (folder / "figures").iterdir()} == {
        f"{name}.{kind}" for name in names for kind in ("svg", "png")
    }


def test_verdicts_notices_partial_correlations_and_rankings_are_said_with_their_reasons(page):
    words = _read(page).words
    for sentence in (
        "digits: 2 stages of one training run are shown; the last one counts.",
        "it has 4 lineages; a verdict needs 6.",
        "it has 11 models; 12 are needed.",
        "nn1_accuracy, kstar_mean",
        "Our accuracies beside published ones",
    ):
        assert (sentence in words) == (sentence != "Our accuracies beside published ones")


def test_the_tally_leaves_out_what_is_not_counted_and_the_table_of_verdicts_does_not(tmp_path):
    content = make_content()
    first, *others = content.statistics.verdicts
    why = "The task is judged by its evaluation 'x'; this one is shown and not counted."
    aside = replace(first, judgement="undecided", counted=False, reason=why)
    statistics = replace(content.statistics, verdicts=(aside, *others))
    page = _page(tmp_path, replace(content, statistics=statistics))
    tally = re.search(r'<ul class="tally".*?</ul>', page, flags=re.DOTALL)[0]
    assert re.findall(r"<b>(\d+)</b>", tally) == ["0", "1", "1"]
    assert why in _read(page).words


def test_the_rankings_stand_in_the_order_of_the_statistics(tmp_path):
    content = make_content()
    turned = tuple(reversed(content.statistics.rankings))
    page = _page(tmp_path, replace(content, statistics=replace(content.statistics, rankings=turned)))
    places = [page.rindex(f"<code>{one.score}</code></th>") for one in turned]
    assert places == sorted(places)


def test_published_numbers_stand_beside_ours_where_they_were_asked_for(tmp_path):
    numbers = {"ours": 0.7012, "reference": 0.7011, "delta": 0.0001, "tolerance": 0.0002}
    row = dict.fromkeys(reference.COLUMNS, "text") | numbers | {"verdict": "differs", "fault": None}
    words = _read(_page(tmp_path, make_content(reference=pl.DataFrame([row])))).words
    assert {"Our accuracies beside published ones", "0.7012", "0.0002", "differs"} <= set(words)


def test_a_report_of_one_model_without_pooled_numbers_is_still_a_page(tmp_path):
    content = make_content(names=["alone"], data_sets=["digits"], notices=(), classes=(), details={})
    statistics = replace(
        content.statistics,
        correlations=tuple(replace(one, value=None, low=None, high=None) for one in content.statistics.correlations),
        verdicts=tuple(replace(one, value=None, low=None, high=None) for one in content.statistics.verdicts),
        pooled=(),
        partial=(),
        rankings=(),
    )
    words = _read(_page(tmp_path, replace(content, statistics=statistics))).words
    assert "Nothing was computed for this." in words and "alone" in words
    assert "What was left out, split or is missing" not in words


def test_names_never_become_markup(tmp_path):
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    page = _page(
        tmp_path, make_content(names=[hostile, "a\x00b"], data_sets=[hostile], notices=(hostile,), title=hostile)
    )
    parser = _read(page)
    assert page.count("<script") == 3 and "<img" not in page and "\x00" not in page
    assert parser.words.count(hostile) >= 4
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    assert data["sets"] == [hostile] and hostile in [model[0] for model in data["models"]]


def test_the_policy_names_the_very_scripts_of_the_page(page):
    from base64 import b64encode
    from hashlib import sha256

    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        assert b64encode(sha256(script.encode()).digest()).decode() in page.split("</head>")[0].replace("&#43;", "+")


def test_a_template_with_an_unknown_name_is_an_error():
    with pytest.raises(UndefinedError):
        templating.render("index.html.jinja", title="x")


def test_long_names_of_data_sets_make_short_and_different_names_of_files():
    names = {file_name("x" * 300), file_name("x" * 299), file_name("digits (fp16)"), file_name("digits")}
    assert len(names) == 4 and "digits" in names
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) and len(name) < LONGEST_NAME + 10 for name in names)


def test_the_leaderboard_has_a_row_for_each_model_best_standing_first():
    content = make_content()
    rows = leaderboard(content.points.table, DATA_SETS, accuracy="top1")
    assert [row.accuracy for row in rows] == sorted((row.accuracy for row in rows), reverse=True)
    assert {row.name for row in rows} == set(content.points.table["model"]) and len(rows) == 15
    assert sorted(row.why_not for row in rows if row.why_not) == ["earlier stage", "earlier stage", "equal weights"]
    assert all(len(row.results) == 3 for row in rows)


def test_gamma_of_fewer_classes_goes_without_the_interval_of_all():
    table = make_content().points.table
    whole = leaderboard(table, DATA_SETS, accuracy="top1")[0].results[0]
    assert whole.gamma_interval == (pytest.approx(whole.gamma - 0.1), pytest.approx(whole.gamma + 0.1))
    fewer = table.with_columns(pl.col("gamma_approx_common") + 0.01)
    assert all(
        one.gamma_interval is None for row in leaderboard(fewer, DATA_SETS, accuracy="top1") for one in row.results
    )


def test_of_two_runs_of_one_model_the_one_that_counts_is_shown():
    table = make_content().points.table
    first = table.filter(data_set="digits", model="open_clip--ViT-B-5--laion")
    again = first.with_columns(counted=pl.lit(False), why_not=pl.lit("equal weights"), run_id=pl.lit("again"))
    for order in ([again, table], [table, again]):
        rows = {row.name: row for row in leaderboard(pl.concat(order), DATA_SETS, accuracy="top1")}
        assert rows["open_clip--ViT-B-5--laion"].results[0].run_id == first["run_id"][0]


def test_a_model_that_was_not_evaluated_on_a_data_set_has_an_empty_place(tmp_path):
    content = make_content()
    table = content.points.table.filter(~((pl.col("data_set") == "emoji") & (pl.col("model").str.contains("B-5"))))
    page = _page(tmp_path, replace(content, points=replace(content.points, table=table)))
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    place = [model[0] for model in data["models"]].index("open_clip--ViT-B-5--laion")
    assert data["results"][2][place] is None and data["results"][1][place] is not None


def test_standings_are_shares_of_the_other_models_that_count():
    # Of 3, 2, 2, 1 the 3 outdoes all three others; each 2 one and a tie of one half; the last, 2.5, does not count.
    found = standings([3, 2, 2, 1, 2.5, None], [True, True, True, True, False, True])
    assert found == [1, 0.5, 0.5, 0, 0.75, None]
    assert standings([1.0], [True]) == [None]


def test_a_sparkline_has_a_bar_up_and_one_down_for_each_data_set_and_leaves_gaps():
    drawn = sparkline([1.0, None, 0.0], [0.5, None, 1.0])
    assert drawn.up == f"M3.5,{HALF}v-{HALF}M17.5,{HALF}v-1"
    assert drawn.down == f"M3.5,{HALF}v{HALF // 2}M17.5,{HALF}v{HALF}"
    assert (drawn.width, drawn.bar) == (21, 6)
    assert sparkline([1.0] * 40, [None] * 40).width == 120


def test_of_many_data_sets_only_the_first_have_columns(tmp_path):
    data_sets = [f"set {number}" for number in range(MOST_SHOWN + 2)]
    page = _page(tmp_path, make_content(names=["a", "b"], data_sets=data_sets))
    assert page.count('scope="colgroup" colspan="2"') == MOST_SHOWN
    assert f"the first {MOST_SHOWN}" in page


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.number(-0.004), "0.00"),
        (wording.number(-1.25, 1), "−1.2"),
        (wording.number(None), "–"),
        (wording.number(math.nan), "–"),
        (wording.percent(0.81249), "81.2"),
        (wording.percent(None), "–"),
        (wording.interval(-0.5, 0.25), "−0.50 to 0.25"),
        (wording.interval(None, 0.25), ""),
        (wording.with_interval(0.1, None, None), "0.10"),
        (wording.p_value(0.0004), "< 0.001"),
        (wording.p_value(0.0124), "0.012"),
        (wording.p_value(None), "–"),
        (wording.counted(1, "class", "classes"), "1 class"),
        (wording.counted(1200, "class", "classes"), "1,200 classes"),
    ],
)
def test_numbers_and_names_are_written_in_one_way(written, expected):
    assert written == expected
