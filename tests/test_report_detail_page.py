import re
from dataclasses import replace
from html import unescape

import numpy as np
import polars as pl
import pytest
from browser import PHONE, chromium, findings, keep_screenshot, opened  # noqa: F401 - chromium is a fixture
from synthetic_store import Plan, evaluations

from clipkstar.caching import arrays
from clipkstar.embeddings import Keys
from clipkstar.report.class_correlation import class_correlations
from clipkstar.report.detail import detail, lay_out
from clipkstar.report.detail_page import page_name, render, score_rows, write_detail

HOSTILE = (
    '<script>document.title = "run"</script>',
    "\"><img src=x onerror='document.title=1'>",
    "</svg></style></textarea>-->",
    "{{ 7 * 7 }} {% raw %}",
    "żółw 亀 🐢 " + "n" * 190,
    "a\x00b\u2028c",
    "&amp;lt; &#60;",
    "../../etc/passwd",
)


def made(n_classes=8, per_class=12, **changes):
    """A run with class embeddings of its own in the cache of the tests."""
    evaluation = next(evaluations(Plan(n_models=1, n_data_sets=1, n_classes=(n_classes,), per_class=per_class)))
    labels = evaluation.images["label"].to_numpy()
    rng = np.random.default_rng(1)
    images = (rng.normal(size=(len(labels), 6)) + 3 * rng.normal(size=(n_classes, 6))[labels]).astype(np.float32)
    arrays.remember(
        "images",
        f"detail{n_classes}x{per_class}",
        {"images": images, "has_text": np.array([True]), "logit_scale": np.array([1.0]), "logit_bias": np.array([])},
    )
    run = replace(evaluation.run, embeddings=Keys(images=f"detail{n_classes}x{per_class}"), **changes)
    return replace(evaluation, run=run)


@pytest.fixture(scope="module")
def evaluation():
    return made()


@pytest.fixture(scope="module")
def whole(evaluation):
    correlations = class_correlations(evaluation.classes, run_id=evaluation.run.run_id, data_set="set", model="model")
    return detail(evaluation, model="model", data_set="set", correlations=correlations)


def named(evaluation, names):
    return replace(evaluation, classes=evaluation.classes.with_columns(name=pl.Series(names)))


def text_of(html):
    body = re.sub(r"<(style|script)>.*?</\1>", "", html[html.index("<main") :], flags=re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body)))


def test_the_page_lies_below_the_report_and_names_its_run(whole, tmp_path):
    href = write_detail(tmp_path, whole)
    assert href == f"runs/set--model--{whole.evaluation.run.run_id[:12]}.html"
    html = (tmp_path / href).read_text(encoding="utf-8")
    assert 'href="../index.html"' in html
    assert "<title>model on set</title>" in html


def test_names_of_any_kind_give_a_file_name_and_different_runs_different_ones(whole):
    for name in HOSTILE:
        file = page_name(replace(whole, model=name * 3, data_set=name))
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,200}\.html", file), file
        assert not file.startswith(".")
    other = replace(whole.evaluation, run=replace(whole.evaluation.run, run_id="0" * 16))
    assert page_name(replace(whole, evaluation=other)) != page_name(whole)


def test_headlines_and_scores_are_those_of_the_run(evaluation, whole):
    scores, text = evaluation.run.scores, text_of(render(whole))
    low, high = evaluation.run.intervals["top1"]
    assert f"Accuracy (top-1) {100 * scores['top1']:.1f} % {100 * low:.1f} to {100 * high:.1f}" in text
    assert f"Mean k*/n {scores['kstar_mean']:.2f}" in text
    assert {row.name for row in score_rows(evaluation.run)} == set(scores)


def test_scores_say_what_they_mean_and_those_that_are_undefined_say_so(evaluation):
    run = replace(
        evaluation.run,
        scores={"theirs": 1.25, "top1": None, "gamma_approx": -0.5, "fractured": 6.0, "ece": 0.0218},
        intervals={},
    )
    assert [(row.name, row.title, row.value, row.interval, row.meaning) for row in score_rows(run)] == [
        ("gamma_approx", "Γ′ (mean over classes)", "−0.50", "", "Γ′: mean over classes of γ, the skewness of k*/n_c"),
        ("fractured", "fractured", "6", "", "classes with γ > 0.5, or every k* = 1"),
        ("top1", "Accuracy (top-1)", "–", "", "share of images whose best class is right"),
        ("ece", "ece", "0.022", "", "expected calibration error, 15 bins"),
        ("theirs", "theirs", "1.25", "", ""),
    ]


def test_every_class_has_its_row(evaluation, whole):
    html = render(whole)
    table = html[html.index('id="classes-caption"') : html.index("rank correlation of recall")]
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", table, flags=re.DOTALL)
    assert len(rows) == evaluation.classes.height
    first = evaluation.classes.row(0, named=True)
    assert text_of("<main>" + rows[0]).split() == [
        "class", "0", str(first["n_images"]), f"{100 * first['recall']:.1f}", f"{first['gamma']:.2f}".replace("-", "−"),
        f"{first['gamma_low']:.2f}".replace("-", "−"), "to", f"{first['gamma_high']:.2f}".replace("-", "−"),
        f"{first['kstar_mean']:.2f}", first["pattern"],
    ]  # fmt: skip


def test_correlations_of_other_runs_are_left_out(evaluation, whole):
    other = [replace(each, run_id="other") for each in whole.correlations]
    found = detail(evaluation, model="m", data_set="d", correlations=[*other, *whole.correlations])
    assert found.correlations == whole.correlations != ()


def test_the_map_is_drawn_from_cached_embeddings_and_the_same_each_time(evaluation, whole):
    assert [picture.name for picture in whole.map.pictures] == ["PCA", "t-SNE", "MDS", "spectral"]
    assert whole.map.n_images == evaluation.images.height
    assert lay_out(evaluation) == whole.map


@pytest.mark.parametrize("key", ["gone", None, "detail3x4"], ids=["not kept", "never kept", "of other images"])
def test_a_map_that_cannot_be_drawn_says_how_to_get_it(evaluation, key):
    made(3, 4)
    found = lay_out(replace(evaluation, run=replace(evaluation.run, embeddings=Keys(images=key))))
    assert found.pictures == ()
    assert found.absent == (
        "No map: the embeddings of this run are not in the cache any more; the same eval or sweep with --force on this "
        "machine makes them again, and the next report draws them."
    )


def test_a_run_without_embeddings_pictures_and_text_tower_still_has_a_page(evaluation):
    images = evaluation.images.with_columns(prediction=pl.lit(None, dtype=pl.Int64))
    bare = replace(
        evaluation,
        run=replace(evaluation.run, embeddings=Keys(), scores={**evaluation.run.scores, "top1": None}),
        images=images,
        classes=evaluation.classes.with_columns(recall=pl.lit(None, dtype=pl.Float64)),
    )
    text = text_of(render(detail(bare, model="m", data_set="d")))
    assert "This encoder has no text tower, so there are no predictions." in text
    assert "No map: the embeddings of this run are not in the cache any more" in text
    assert "No pictures: the task 'set00' is not among those of 'clipkstar tasks'" in text
    assert "None" not in text
    assert "nan" not in text.lower().split()


def test_classes_of_equal_names_are_drawn_apart():
    same = made(3, 4)
    html = render(detail(named(same, ["crane", "cat", "crane"]), model="m", data_set="d"))
    assert [html.count(f">{name}</text>") for name in ("cat", "crane", "crane (2)")] == [1, 1, 1]


def test_a_run_without_confusions_says_so(evaluation):
    right = replace(evaluation, images=evaluation.images.with_columns(prediction="label"))
    assert "Every image is predicted as its own class." in text_of(render(detail(right, model="m", data_set="d")))


def test_thumbnails_stand_in_the_page_itself(whole):
    first = whole.gallery.classes[0]
    shown = replace(first.worst[0], image=replace(first.worst[0].image, jpeg=b"\xff\xd8 a picture"))
    gallery = replace(whole.gallery, classes=(replace(first, worst=(shown,)),), absent="", credit="Pictures: ours.")
    html = render(replace(whole, gallery=gallery))
    assert '<img src="data:image/jpeg;base64,/9ggYSBwaWN0dXJl"' in html
    assert "Pictures: ours." in html


def test_the_page_asks_for_nothing_from_outside(whole):
    html = render(whole)
    assert "default-src 'none'" in unescape(html)
    addresses = re.findall(r'(?:src|href|xlink:href)="([^"#]+)"', html)
    assert {address.split(",")[0] for address in addresses} <= {"../index.html", "data:", "data:image/jpeg;base64"}
    assert not re.search(r"url\(|@import", html)


def test_a_page_of_a_thousand_classes_stays_small():
    large = made(1000, 5)
    found = detail(large, model="model", data_set="set")
    assert found.map.legend.n_others == 990
    assert len(render(found).encode()) < 1_500_000


def test_hostile_names_are_shown_as_text(evaluation, tmp_path, chromium):
    odd = detail(named(evaluation, HOSTILE), model=HOSTILE[0], data_set=HOSTILE[1])
    file = tmp_path / write_detail(tmp_path, odd)
    with opened(chromium, file) as watched:
        watched.assert_quiet()
        page = watched.page
        seen = page.locator("#content").inner_text()
        for name in HOSTILE:
            shown = name.replace("\x00", "\ufffd").replace("\u2028", "\ufffd")
            assert shown in seen, name
        assert page.title().startswith("<script>")
        assert page.locator("#content img").count() == 0
        assert page.locator("#content script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_quiet_accessible_and_sorts(whole, tmp_path, chromium, scheme):
    file = tmp_path / write_detail(tmp_path, whole)
    with opened(chromium, file, scheme=scheme) as watched:
        page = watched.page
        keep_screenshot(page, f"detail-{scheme}", tmp_path, full=True)
        assert findings(page) == []
        table = page.locator("table", has=page.locator("#classes-caption"))
        table.get_by_role("button", name="γ").click()
        shown = [float(text.replace("−", "-")) for text in table.locator("tbody td:nth-child(4)").all_inner_texts()]
        assert shown == sorted(shown, reverse=True)
        watched.assert_quiet()


def test_a_phone_shows_the_page_without_scrolling_sideways(whole, tmp_path, chromium):
    long = replace(whole, model="m" * 200, data_set="d" * 200)
    file = tmp_path / write_detail(tmp_path, long)
    with opened(chromium, file, viewport=PHONE) as watched:
        keep_screenshot(watched.page, "detail-phone", tmp_path, full=True)
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
