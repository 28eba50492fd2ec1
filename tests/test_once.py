"""Work that is done when its result is first asked for."""

import threading

import pytest

from clipkstar.once import ahead, once


def test_each_name_is_made_once_and_everybody_gets_the_same() -> None:
    made: list[str] = []

    def make(name: str) -> list[str]:
        made.append(name)
        return [name]

    give = once(make)
    first = give("a")
    assert give("a") is first
    assert give("b") == ["b"]
    assert made == ["a", "b"]


def test_what_was_raised_is_raised_again_and_not_tried_again() -> None:
    tried: list[str] = []

    def make(name: str) -> None:
        tried.append(name)
        raise ValueError(name)

    give = once(make)
    raised = []
    for _ in range(3):
        with pytest.raises(ValueError, match=r"^a$") as caught:
            give("a")
        raised.append(caught.value)
    assert tried == ["a"]
    assert raised[0] is raised[1] is raised[2]


def test_who_asks_while_another_makes_it_waits_for_that_one() -> None:
    begun, may_end = threading.Event(), threading.Event()
    made: list[str] = []

    def make(name: str) -> int:
        made.append(name)
        begun.set()
        assert may_end.wait(timeout=60)
        return 7

    give = once(make)
    got: list[int] = []
    ahead(give, "a")
    assert begun.wait(timeout=60)
    asking = threading.Thread(target=lambda: got.append(give("a")))
    asking.start()
    assert got == []
    may_end.set()
    asking.join(timeout=60)
    assert (got, made) == ([7], ["a"])


def test_a_name_is_given_while_another_is_being_made() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def make(name: str) -> str:
        if name == "slow":
            begun.set()
            assert may_end.wait(timeout=60)
        return name

    give = once(make)
    ahead(give, "slow")
    assert begun.wait(timeout=60)
    assert give("quick") == "quick"
    may_end.set()
    assert give("slow") == "slow"


def test_what_goes_wrong_ahead_is_raised_where_the_result_is_asked_for() -> None:
    def make(name: str) -> None:
        raise ValueError(name)

    give = once(make)
    ahead(give, "a")
    with pytest.raises(ValueError, match=r"^a$"):
        give("a")


def test_an_interrupt_goes_up_at_once_and_leaves_nobody_waiting() -> None:
    def make(_: str) -> None:
        raise KeyboardInterrupt

    give = once(make)
    with pytest.raises(KeyboardInterrupt):
        give("a")
    with pytest.raises(KeyboardInterrupt):
        give("a")
