"""What is found on the way reaches the listener, the innermost one, and nobody where there is none."""

import pytest

from clipkstar.notices import listening, notice


def test_a_notice_reaches_the_innermost_listener() -> None:
    outer: list[str] = []
    inner: list[str] = []
    with listening(outer.append):
        notice("one")
        with listening(inner.append):
            notice("two")
        notice("three")
    assert (outer, inner) == (["one", "three"], ["two"])


def test_without_a_listener_nobody_hears_it(capfd: pytest.CaptureFixture[str]) -> None:
    notice("one")
    assert capfd.readouterr() == ("", "")


def test_who_left_with_an_error_listens_no_more() -> None:
    heard: list[str] = []
    with pytest.raises(KeyboardInterrupt), listening(heard.append):
        raise KeyboardInterrupt
    notice("one")
    assert heard == []
