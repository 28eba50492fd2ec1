"""The Markdown of a check: the verdict first, every comparison in a table, and never longer than a comment may be."""

from dataclasses import replace

import pytest
from hand_made_checks import COLLAPSED, EIGHT, FAILING, GAMMA, HOSTILE, MIXED, PASSING, THREE, UNDECIDED, check_of, many
from markdown_it import MarkdownIt

from clipkstar.regression.record import Check
from clipkstar.regression.summary import MOST_CHARACTERS, MOST_CLASSES, summary

RULE = "| :--- | :--- | :--- | ---: | ---: | ---: | ---: |"


def text_of(check: Check) -> str:
    """The summary with every space a plain one."""
    return summary(check).replace("\N{NO-BREAK SPACE}", " ")


def first_row(check: Check) -> str:
    lines = text_of(check).splitlines()
    return lines[lines.index(RULE) + 1]


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (
            check_of(PASSING),
            "Pass: no worsening beyond the tolerance is established in 1 comparison; each would show, or excludes, one "
            "that matters",
        ),
        (MIXED, "Fail: the candidate is worse in 2 of 4 comparisons"),
        (
            check_of(PASSING, UNDECIDED),
            "Undecided, which does not fail: 1 of 2 comparisons had too few images to see or exclude a worsening",
        ),
        (
            check_of(PASSING, UNDECIDED, mode="non-inferiority"),
            "Undecided, which fails here: a worsening beyond the tolerance is not excluded in 1 of 2 comparisons",
        ),
        (
            check_of(PASSING, mode="non-inferiority"),
            "Pass: a worsening beyond the tolerance is excluded in 1 comparison",
        ),
    ],
    ids=["pass", "fail", "undecided", "undecided non-inferiority", "pass non-inferiority"],
)
def test_the_first_line_is_the_verdict_in_words(check: Check, words: str) -> None:
    lines = summary(check).splitlines()
    assert lines[0] == f"## {words}"
    assert lines[2] == (
        f"Candidate zoo--tiny-p8--stage1 against baseline zoo--tiny-p8--final; mode {check.mode}, α 5 %."
    )


def test_every_comparison_is_a_row_that_says_without_colour_which_way_is_worse() -> None:
    lines = text_of(MIXED).splitlines()
    start = lines.index(RULE) - 1
    assert lines[start : start + 6] == [
        r"| verdict | data set | score | baseline → candidate | difference \[95 %\] | p (Holm) | power |",
        RULE,
        r"| ✗ fail | digits | top1 % | 96.20 → 93.06 | −3.14 worse \[−4.41, −1.87\] | &lt; 0.001 | 0.91 |",
        r"| ✗ fail | digits | gamma_approx | −1.93 → −1.51 | +0.42 worse \[+0.11, +0.73\] | 0.031 | 0.40 |",
        r"| ✓ pass | emoji_noto | top1 % | 45.27 → 45.96 | +0.69 better \[−0.75, +1.25\] | 1.000 | 0.91 |",
        r"| ? undecided | emoji_noto | ece | 0.066 → 0.071 | +0.005 worse \[−0.010, +0.021\] | 1.000 | 0.31 |",
    ]


def test_a_line_of_the_table_is_broken_before_an_interval_only() -> None:
    row = next(line for line in summary(MIXED).splitlines() if "gamma_approx" in line)
    cells = [cell.strip(" ") for cell in row.strip("|").split("|")]
    assert [cell.count(" ") for cell in cells] == [0, 0, 0, 0, 1, 0, 0]


def test_an_encoder_against_itself_is_equal_without_a_sign() -> None:
    same = replace(PASSING, candidate=PASSING.baseline, difference=0.0, low=0.0, high=0.0)
    assert first_row(check_of(same)) == (
        r"| ✓ pass | digits | top1 % | 96.20 → 96.20 | 0.00 equal \[0.00, 0.00\] | 1.000 | 0.91 |"
    )


def test_what_has_no_interval_has_dashes() -> None:
    without = replace(
        UNDECIDED, low=None, high=None, p_worse=None, p_corrected=None, p_within=None, power=None, n_needed=None
    )
    assert first_row(check_of(without)) == "| ? undecided | emoji_noto | ece | 0.066 → 0.071 | +0.005 worse | – | – |"


def test_in_non_inferiority_mode_p_is_that_of_a_worsening_within_the_tolerance() -> None:
    check = check_of(replace(PASSING, p_within=0.012), mode="non-inferiority")
    assert "| p (within) | power |\n" in text_of(check)
    assert first_row(check).endswith("| 0.012 | 0.91 |")


def test_failures_are_said_with_their_reason_the_surest_first() -> None:
    lines = summary(check_of(GAMMA, FAILING)).splitlines()
    start = lines.index("## Failed") + 2
    assert lines[start : start + 2] == [
        r"- digits, top1: a worsening beyond 0 is established: "
        r"−3.14 points \[−4.41, −1.87\], p &lt; 0.001 after Holm's correction; 4.0 % of the images are right for "
        r"exactly one of the two, exact McNemar p &lt; 0.001.",
        r"- digits, gamma_approx: a worsening beyond 0 is established: "
        r"+0.42 \[+0.11, +0.73\], p = 0.031 after Holm's correction; over 8 of 10 classes, the other 2 are undefined "
        r"for one side or without a group of images.",
    ]


def test_where_a_side_has_no_value_the_row_has_dashes() -> None:
    assert first_row(check_of(COLLAPSED)) == "| ? undecided | digits | gamma_approx | −1.93 → – | – | – | – |"


def test_what_is_undecided_says_how_many_images_would_decide_it() -> None:
    lines = summary(MIXED).splitlines()
    assert lines[lines.index("## Undecided") + 2] == (
        "- emoji_noto, ece: 433 images show a worsening of 0.01 with a chance of 31 %; about 2,200 would decide it."
    )
    assert "## Undecided" not in summary(check_of(PASSING))


def test_classes_that_became_worse_are_folded_and_say_what_may_be_chance() -> None:
    lines = text_of(MIXED).splitlines()
    start = lines.index("<summary>digits: 2 classes became worse, 1 of them established</summary>")
    assert lines[start + 4 : start + 6] == [
        r"| 8 | recall % | 78 | 95.00 → 83.00 | −12.00 \[−21.00, −5.00\] | 0.004 | established |",
        r"| 3 | gamma | 78 | −2.10 → −0.90 | +1.20 \[−0.10, +2.50\] | 0.200 | may be chance |",
    ]


def test_of_many_classes_the_first_are_shown_and_the_rest_counted() -> None:
    classes = [replace(THREE, name=f"c{number}") for number in range(MOST_CLASSES + 3)]
    text = summary(check_of(FAILING, classes=classes))
    assert f"| c{MOST_CLASSES - 1} |" in text
    assert f"| c{MOST_CLASSES} |" not in text
    assert "\n\n3 more rows are in `--json`.\n" in text


def test_of_one_class_more_it_is_said_that_it_is_there() -> None:
    classes = [replace(THREE, name=f"c{number}") for number in range(MOST_CLASSES + 1)]
    assert "\n\n1 more row is in `--json`.\n" in summary(check_of(FAILING, classes=classes))


def test_a_class_that_became_worse_in_two_ways_is_one_class() -> None:
    text = summary(check_of(FAILING, classes=[EIGHT, replace(THREE, name="8"), replace(THREE, name="9")]))
    assert "<summary>digits: 2 classes became worse, 1 of them established</summary>" in text


def test_notices_are_listed() -> None:
    lines = summary(MIXED).splitlines()
    assert lines[lines.index("## Notices") + 2] == f"- {MIXED.notices[0]}"


@pytest.mark.parametrize("name", ["task", HOSTILE, "x" * 500, "*&<" * 200], ids=["plain", "hostile", "long", "escaped"])
def test_it_fits_into_a_comment_with_200_data_sets_and_says_what_it_left_out(name: str) -> None:
    text = summary(many(200, name))
    assert 20_000 < len(text) <= MOST_CHARACTERS
    assert "more comparisons left out here" in text
    assert "more data sets are in `--json`." in text
    assert text.endswith("</details>\n")


def test_in_a_table_that_is_too_long_what_fails_stays() -> None:
    text = text_of(many(200))
    n_failing, n_shown = 120, text.count("| ✗ fail |")
    assert n_shown == n_failing
    assert text.count("| ✓ pass |") < 720
    order = [line.split(" | ")[1] for line in text.splitlines() if " | task" in line]
    assert order == sorted(order)


def test_of_too_many_failures_it_says_how_many_are_left_out() -> None:
    text = text_of(check_of(*(replace(FAILING, task=f"t{number:04}") for number in range(1000))))
    n_shown = text.count("| ✗ fail |")
    assert 200 < n_shown < 1000
    n_left = 1000 - n_shown
    assert (
        f"\n\n{n_left} more comparisons left out here, {n_left} of which fail; `--json` and the JUnit file have all.\n"
    ) in text


def test_no_name_breaks_the_table_or_becomes_html() -> None:
    hostile = check_of(
        replace(FAILING, task=HOSTILE), classes=[replace(EIGHT, task=HOSTILE, name=HOSTILE)], notices=[HOSTILE]
    )
    shown = r"a\|b�&lt;script>\`\_x\_\`&lt;/script> ]]> &amp; ���\[31m�� 100 %, title=x::error::名前"
    shown = shown.replace("]]>", r"\]\]>")
    assert first_row(hostile).startswith(f"| ✗ fail | {shown}")
    html = MarkdownIt("commonmark").enable("table").render(summary(hostile))
    assert "<script" not in html
    rows = [part.split("</tr>")[0] for part in html.split("<tr>")[1:]]
    assert [row.count("</td>") + row.count("</th>") for row in rows] == [7, 7, 7, 7]
