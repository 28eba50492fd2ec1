"""Ctrl-C waits for what must not be left half done, and is never lost."""

import signal
import threading

import pytest

from clipkstar.interrupts import held_interrupts


def _ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_is_raised_when_the_block_is_done() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), held_interrupts():
        _ctrl_c()
        _ctrl_c()
        done.append("the rest of the block")
    assert done == ["the rest of the block"]


def test_ctrl_c_is_raised_where_the_block_fails_too() -> None:
    with pytest.raises(KeyboardInterrupt) as raised, held_interrupts():
        _ctrl_c()
        raise ValueError("of the block")
    assert isinstance(raised.value.__context__, ValueError)


def test_without_ctrl_c_the_block_is_as_it_is() -> None:
    with held_interrupts():
        pass
    with pytest.raises(ValueError, match="of the block"), held_interrupts():
        raise ValueError("of the block")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_that_ignores_ctrl_c_goes_on_ignoring_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with held_interrupts():
            _ctrl_c()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_holds_nothing_back_as_it_never_gets_ctrl_c() -> None:
    handlers = []

    def work() -> None:
        with held_interrupts():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
