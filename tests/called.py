"""`clipkstar` as a user calls it, in the process of the test."""

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from clipkstar import cli


@dataclass(frozen=True)
class Said:
    """What a command left: its exit code, and what it wrote to stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.splitlines()[-1]


Call = Callable[..., Said]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Run `clipkstar` with these arguments."""

    def run(command: str, *more: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["clipkstar", *command.split(), *more])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int | None)
        return Said(code=ended.value.code or 0, out=said.out, err=said.err)

    yield run
    logging.disable(logging.NOTSET)
