"""The main page in a real Chromium: no network, sort, filter, hover, marking, keyboard, accessibility, phone, print."""

import json
import re

import polars as pl
import pytest

from clipkstar.report.page import MOST_SHOWN, write_page
from tests.browser import PHONE, chromium, findings, keep_screenshot, opened  # noqa: F401
from tests.small_report import make_content

HOSTILE = (
    "<script>document.title='taken'</script>",
    "</script><img src=x onerror=\"document.title='taken'\">",
    "\"quoted\" 'name' & <b>bold</b> {{ 7 * 7 }}",
    "名前・имя・اسم・😀",
    "x" * 200,
    "line\nbreak\x00\x07\u202e",
    "https://example.org/",
)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_page(folder, make_content())
    return folder / "index.html"


@pytest.fixture
def page(chromium, report):
    with opened(chromium, report) as watched:
        yield watched.page
        watched.assert_quiet()


def _column(page, number):
    return page.locator(f"#leaderboard tbody tr:visible > :nth-child({number + 1})").all_inner_texts()


def _names(page):
    return page.locator("#leaderboard tbody tr:visible .pick").all_inner_texts()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_from_disk_without_a_request_or_a_complaint(chromium, report, tmp_path, scheme):
    with opened(chromium, report, scheme=scheme) as watched:
        assert watched.page.title() == "Does a tighter latent space mean better zero-shot?"
        assert watched.page.locator(".plot svg").count() == 3
        keep_screenshot(watched.page, f"main-{scheme}", tmp_path, full=True)
        watched.assert_quiet()


def test_the_page_forbids_every_request(chromium, report):
    with opened(chromium, report) as watched:
        watched.page.evaluate("fetch('https://example.org/').catch(() => 0)")
        watched.page.evaluate(
            "new Promise(end => { const i = new Image(); i.onerror = end; i.src = 'http://127.0.0.1/' })"
        )
        assert watched.requests == []
        assert all("Content Security Policy" in complaint for complaint in watched.complaints)
        assert len(watched.complaints) >= 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_hinders_access(chromium, report, scheme):
    with opened(chromium, report, scheme=scheme) as watched:
        assert findings(watched.page) == []
        watched.page.locator("#leaderboard .pick").first.click()
        assert findings(watched.page) == []


def test_a_click_on_a_header_sorts_by_its_numbers_and_a_second_one_turns_the_order(page):
    accuracy = page.get_by_role("columnheader", name="top1").nth(0)
    accuracy.get_by_role("button").click()
    assert accuracy.get_attribute("aria-sort") == "descending"
    values = [float(text.split()[0]) for text in _column(page, 4)]
    assert values == sorted(values, reverse=True) and len(set(values)) > 10
    accuracy.get_by_role("button").click()
    assert accuracy.get_attribute("aria-sort") == "ascending"
    assert [float(text.split()[0]) for text in _column(page, 4)] == values[::-1]
    page.get_by_role("columnheader", name="Model").first.get_by_role("button").click()
    assert accuracy.get_attribute("aria-sort") == "none"
    assert _names(page)[:3] == [
        "open_clip--ViT-B-0--laion",
        "open_clip--ViT-B-0--laion-stage0",
        "open_clip--ViT-B-0--laion-stage1",
    ]


def test_negative_numbers_sort_by_value_and_not_by_their_text(page):
    gamma = page.locator("#leaderboard thead tr:nth-child(2) th").nth(5)
    gamma.get_by_role("button").click()
    assert gamma.get_attribute("aria-sort") == "ascending"
    values = [float(text.split()[0].replace("−", "-")) for text in _column(page, 5)]
    assert values == sorted(values) and values[0] < 0


def test_tables_come_sorted_as_their_headers_say(page):
    assert page.locator("#leaderboard th[aria-sort='descending']").inner_text() == "accuracy"
    standings = [float(text) for text in _column(page, 1)]
    assert standings == sorted(standings, reverse=True)
    ranking = page.locator("table", has_text="Which score ranks models best")
    assert ranking.locator("th[aria-sort='descending']").inner_text() == "ρ, turned"


def test_tables_sort_by_keyboard(page):
    button = page.get_by_role("columnheader", name="Lineage").first.get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    lineages = _column(page, 11)
    assert lineages == sorted(lineages)


def test_the_table_of_verdicts_sorts_too(page):
    table = page.locator("table", has_text="Verdicts, and why")
    table.get_by_role("columnheader", name="Spearman").get_by_role("button").click()
    assert table.locator("tbody th").all_inner_texts() == ["digits", "emoji", "fashion_mnist"]


def test_filters_narrow_the_table_the_charts_and_the_count(page):
    page.select_option("#family", "zoo")
    shown = _names(page)
    assert 0 < len(shown) < 15 and set(_column(page, 10)) == {"zoo"}
    assert page.locator("#count").inner_text() == f"{len(shown)} of 15 models"
    assert page.locator(".plot").first.locator("[data-m]:not(.out)").count() == len(shown)
    page.select_option("#lineage", "lineage-2")
    assert _names(page) == ["open_clip--ViT-B-10--laion", "open_clip--ViT-B-2--laion"]
    page.fill("#text", "b-10")
    assert _names(page) == ["open_clip--ViT-B-10--laion"]
    page.get_by_role("button", name="Reset").click()
    page.locator("#count", has_text=re.compile("^15 models$")).wait_for()
    assert len(_names(page)) == 15


def test_a_data_set_is_chosen_for_the_table_and_the_charts(page):
    before = page.locator("#leaderboard tbody tr").first.inner_text()
    page.select_option("#data-set", label="emoji")
    assert page.locator("#leaderboard th.set").all_inner_texts() == ["emoji"]
    assert page.locator("figure:visible").count() == 1
    emoji = json.loads(page.locator("#data").text_content())["results"][2]
    written = [text.split()[0] for text in _column(page, 4)]
    assert written == [f"{100 * numbers[0]:.1f}" for numbers in emoji]
    page.select_option("#data-set", "")
    assert page.locator("#leaderboard tbody tr").first.inner_text() == before
    assert page.locator("figure:visible").count() == 3


def test_pointing_at_a_model_says_its_name_and_numbers(page):
    mark = page.locator(".plot .models_marks [data-m]").first
    number = int(mark.get_attribute("data-m"))
    mark.scroll_into_view_if_needed()
    mark.hover()
    data = json.loads(page.locator("#data").text_content())
    name, family, lineage, _ = data["models"][number]
    accuracy, low, high, gamma, gamma_low, gamma_high = (abs(value) for value in data["results"][0][number])
    lines = page.locator("#tip").inner_text().split("\n")
    assert lines == [
        name,
        f"top1 {100 * accuracy:.1f} % [{100 * low:.1f} to {100 * high:.1f}]",
        f"Γ′ −{gamma:.2f} [−{gamma_low:.2f} to −{gamma_high:.2f}]",
        f"{family}, lineage {lineage}",
    ]
    page.mouse.move(2, 2)
    assert page.locator("#tip").is_hidden()


def test_a_click_on_a_point_marks_the_model_everywhere_and_escape_clears(page, tmp_path):
    mark = page.locator(".plot .models_marks [data-m]").first
    number = mark.get_attribute("data-m")
    mark.scroll_into_view_if_needed()
    mark.click()
    assert page.locator(f".plot [data-m='{number}'].on").count() == 3
    assert page.locator("[data-m].on").count() == 4
    row = page.locator("#leaderboard tr.on")
    assert row.get_attribute("data-m") == number
    assert row.locator(".pick").get_attribute("aria-pressed") == "true"
    assert page.locator("#chosen-name").inner_text() == row.locator(".pick").inner_text()
    keep_screenshot(page, "marked", tmp_path)
    page.keyboard.press("Escape")
    assert page.locator(".on").count() == 0
    assert page.locator("#chosen").is_hidden()


def test_a_model_is_marked_from_the_table_and_unmarked_by_the_same_button(page):
    button = page.get_by_role("button", name="open_clip--ViT-B-3--laion")
    button.click()
    number = button.locator("xpath=ancestor::tr").get_attribute("data-m")
    assert page.locator(f".plot [data-m='{number}'].on").count() == 3
    button.click()
    assert page.locator(".on").count() == 0


def test_arrow_keys_walk_through_the_models_of_a_chart_and_enter_marks_one(page):
    page.locator(".plot").first.focus()
    page.keyboard.press("ArrowRight")
    first = page.locator("#tip").inner_text().split("\n")[0]
    page.keyboard.press("ArrowRight")
    second = page.locator("#tip").inner_text().split("\n")[0]
    assert first != second
    assert page.locator("#said").inner_text().startswith(second)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert page.locator("#chosen-name").inner_text() == first
    page.keyboard.press("Home")
    assert page.locator("#tip").inner_text().split("\n")[0] == first
    page.keyboard.press("Escape")
    assert page.locator(".on, .at").count() == 0


def test_a_phone_shows_the_page_without_scrolling_sideways(chromium, report, tmp_path):
    with opened(chromium, report, viewport=PHONE) as watched:
        page = watched.page
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        boxes = page.locator(".box").evaluate_all("boxes => boxes.map(box => box.getBoundingClientRect().right)")
        assert boxes and max(boxes) <= 360
        keep_screenshot(page, "phone", tmp_path, full=True)
        page.locator(".plot .models_marks [data-m]").first.scroll_into_view_if_needed()
        page.locator(".plot .models_marks [data-m]").first.click()
        assert page.locator("#chosen").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        watched.assert_quiet()


def test_on_paper_controls_are_gone_and_colours_are_light(chromium, report, tmp_path):
    with opened(chromium, report, scheme="dark", media="print") as watched:
        page = watched.page
        assert page.locator(".filters").is_hidden() and page.locator("nav").is_hidden()
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(31, 41, 51)"
        assert (
            page.locator("#leaderboard").evaluate("table => getComputedStyle(table.parentElement).overflowY")
            == "visible"
        )
        paper = page.pdf(format="A4", print_background=False)
        assert paper.startswith(b"%PDF")
        keep_screenshot(page, "print", tmp_path, full=True)


def test_without_scripts_the_page_still_has_every_number(chromium, report):
    with opened(chromium, report, script=False) as watched:
        assert watched.page.locator("#leaderboard tbody tr").count() == 15
        assert watched.page.locator(".plot svg").count() == 3
        watched.assert_quiet()


def test_names_with_markup_quotes_and_any_letters_are_text_everywhere(chromium, tmp_path):
    names = [*HOSTILE, "a", "b"]
    write_page(tmp_path, make_content(names=names, data_sets=HOSTILE[:5], title=HOSTILE[0], notices=HOSTILE))
    with opened(chromium, tmp_path / "index.html") as watched:
        page = watched.page
        assert page.title() == HOSTILE[0]
        assert set(HOSTILE[:5]) <= set(page.locator(".pick").all_text_contents())
        assert "line�break���" in page.locator(".pick").all_text_contents()
        assert page.locator(".plot").count() == 5
        assert page.locator(".plot").first.locator("[data-m]").count() == len(names) + 3
        assert page.locator("img, b:not(.tally b, .reading b)").count() == 0
        button = page.get_by_role("button", name=HOSTILE[1], exact=True)
        button.click()
        assert page.locator("#chosen-name").text_content() == HOSTILE[1]
        page.select_option("#data-set", "1")
        assert page.locator("th.set").text_content() == HOSTILE[1]
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        assert findings(page) == []
        keep_screenshot(page, "hostile", tmp_path, full=True)
        watched.assert_quiet()


def test_of_many_data_sets_the_table_holds_the_first_until_one_is_chosen(chromium, tmp_path):
    write_page(tmp_path, make_content(data_sets=[f"set {number}" for number in range(MOST_SHOWN + 3)]))
    with opened(chromium, tmp_path / "index.html") as watched:
        page = watched.page
        assert page.locator("th.set").all_inner_texts() == [f"set {number}" for number in range(MOST_SHOWN)]
        page.select_option("#data-set", label="set 8")
        assert page.locator("th.set").all_inner_texts() == ["set 8"]
        assert all(text.strip() not in ("", "–") for text in _column(page, 4))
        watched.assert_quiet()


def _overlaps(one, other):
    across = min(one["x"] + one["width"], other["x"] + other["width"]) - max(one["x"], other["x"])
    down = min(one["y"] + one["height"], other["y"] + other["height"]) - max(one["y"], other["y"])
    return across > 0 and down > 0


def _middle(box):
    """Return the 12 pixels in the middle: the box of a mark holds the mitres of its line, far beyond what is seen."""
    return {"x": box["x"] + box["width"] / 2 - 6, "y": box["y"] + box["height"] / 2 - 6, "width": 12, "height": 12}


@pytest.mark.parametrize("width", [1047, 718])
def test_on_a4_paper_no_table_is_wider_than_the_sheet_and_heads_stand_over_their_columns(chromium, tmp_path, width):
    write_page(tmp_path, make_content(data_sets=[f"data_set_{number}" for number in range(MOST_SHOWN)]))
    with opened(chromium, tmp_path / "index.html", media="print", viewport={"width": width, "height": 900}) as watched:
        page = watched.page
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert (
            page.locator(".box").evaluate_all("all => all.filter(box => box.scrollWidth > box.clientWidth).length") == 0
        )
        groups = page.locator("#leaderboard th.set").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().x)"
        )
        heads = page.locator("#leaderboard thead th.number:visible").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().x)"
        )
        assert groups == pytest.approx(heads[2::2], abs=1)
        keep_screenshot(page, f"paper-{width}", tmp_path, full=True)


def test_the_lines_of_stages_fade_with_the_points_when_something_is_marked_or_filtered(page):
    line = page.locator(".plot .ways_marks path").first
    seen = "line => Number(getComputedStyle(line).opacity)"
    assert line.evaluate(seen) == 0.5
    page.locator("#leaderboard .pick").first.click()
    assert line.evaluate(seen) < 0.2
    page.keyboard.press("Escape")
    assert line.evaluate(seen) == 0.5
    page.fill("#text", "b-10")
    assert line.evaluate(seen) < 0.2


def test_a_point_that_is_clicked_brings_its_row_its_numbers_and_its_pages(chromium, tmp_path):
    content = make_content(names=[f"model {number}" for number in range(60)])
    last = content.points.table.filter(data_set="emoji").sort("top1")
    details = {run: f"runs/{run}.html" for run in content.points.table["run_id"]}
    write_page(tmp_path, make_content(names=[f"model {number}" for number in range(60)], details=details))
    with opened(chromium, tmp_path / "index.html") as watched:
        page = watched.page
        names = [model[0] for model in json.loads(page.locator("#data").text_content())["models"]]
        number = names.index(last.filter(pl.col("counted"))["model"][0])
        point = page.locator("figure[data-s='2'] .models_marks").locator(f"[data-m='{number}']")
        point.scroll_into_view_if_needed()
        before = page.evaluate("scrollY")
        point.click(force=True)
        row = page.locator("#leaderboard tr.on")
        inside, at = row.evaluate("row => [row.closest('.box'), row].map(one => one.getBoundingClientRect().toJSON())")
        assert inside["top"] < at["top"] and at["bottom"] <= inside["bottom"] + 1
        assert page.evaluate("scrollY") == before
        assert page.locator("#chosen-numbers").inner_text().startswith("emoji: top1 ")
        assert page.locator("#chosen-pages a").all_inner_texts() == ["digits", "fashion_mnist", "emoji"]
        assert page.locator("#chosen-pages").inner_text().startswith("pages:")
        watched.assert_quiet()


def test_words_of_the_text_filter_are_each_looked_for_in_any_case_and_order(page):
    page.fill("#text", "LAION  zoo b-10")
    assert _names(page) == ["open_clip--ViT-B-10--laion"]
    assert page.locator("#nothing").is_hidden()
    page.fill("#text", "laion nowhere")
    assert _names(page) == []
    assert page.locator("#nothing").inner_text().strip() == "No model matches."


def test_a_phone_shows_a_score_beside_the_name(chromium, report):
    with opened(chromium, report, viewport=PHONE) as watched:
        score = watched.page.locator("#leaderboard tbody tr").first.locator("td.number").first
        assert score.evaluate("cell => cell.getBoundingClientRect().right") <= 360


def test_charts_are_equally_high_and_the_ring_of_one_that_has_the_focus_lies_within_it(page):
    sizes = page.locator(".plot svg").evaluate_all("all => all.map(one => one.getAttribute('viewBox'))")
    assert len(sizes) == 3 and len(set(sizes)) == 1
    page.locator(".plot").first.focus()
    page.keyboard.press("ArrowRight")
    ring = page.locator(".plot").first.evaluate(
        "plot => ['outlineWidth', 'outlineOffset'].map(name => parseFloat(getComputedStyle(plot)[name]))"
    )
    assert ring[0] > 0 and sum(ring) <= 0


def test_what_a_point_says_covers_neither_it_nor_more_points_than_the_place_above_would(page):
    page.emulate_media(reduced_motion="reduce")  # Otherwise the page still glides while points are measured.
    page.locator(".plot").first.focus()
    points = page.locator(".plot").first.locator("[data-m]")
    boxes = [_middle(one.bounding_box()) for one in points.all()]
    for _ in boxes:
        page.keyboard.press("ArrowRight")
        tip, at = page.locator("#tip").bounding_box(), _middle(page.locator(".at").bounding_box())
        above = {**tip, "x": at["x"] + at["width"] / 2 - tip["width"] / 2, "y": at["y"] - tip["height"] - 8}
        assert not _overlaps(tip, at)
        if above["y"] >= 8 and above["x"] >= 8:
            assert sum(_overlaps(tip, box) for box in boxes) <= sum(_overlaps(above, box) for box in boxes)


def test_a_column_of_reasons_is_there_only_where_something_has_one(page):
    tables = {
        name: page.locator("table", has_text=name) for name in ("Which score ranks", "Partial rank", "Within one")
    }
    heads = {name: "Why not" in table.locator("thead").inner_text() for name, table in tables.items()}
    assert heads == {"Which score ranks": False, "Partial rank": True, "Within one": False}
