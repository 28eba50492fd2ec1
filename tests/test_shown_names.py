"""Names are shown so that nothing breaks on them."""

from clipkstar.shown_names import distinct_names, visible


def test_what_neither_html_nor_svg_may_hold_is_replaced() -> None:
    assert visible("a\n\x00\u2028\ud800é😀\u202eb\u2067") == "a\ufffd\ufffd\ufffd\ufffdé😀\ufffdb\ufffd"


def test_equal_names_are_told_apart() -> None:
    assert distinct_names(["cat", "crane", "cat", "a\x00b", "cat (2)"]) == [
        *("cat", "crane", "cat (2)", "a\ufffdb", "cat (2) (2)"),
    ]
