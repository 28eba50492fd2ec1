"""The device to run on, chosen without importing torch where there can only be a CPU."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from clipkstar import environment
from clipkstar.environment import pick_device
from clipkstar.errors import InputError

ALONE = """
import sys
from pathlib import Path
from clipkstar import environment
environment.DEVICE_FILES = Path(sys.argv[2])
print(environment.pick_device(sys.argv[1]), "torch" in sys.modules)
"""


def _alone(device: str, device_files: Path) -> list[str]:
    """The device picked by a process of its own, and whether it imported torch."""
    command = [sys.executable, "-c", ALONE, device, str(device_files)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_where_there_can_only_be_a_cpu_torch_is_not_imported(device: str, tmp_path: Path) -> None:
    (tmp_path / "null").touch()
    told_by_files = device == "cpu" or platform.system() == "Linux"
    assert _alone(device, tmp_path) == ["cpu", str(not told_by_files)]


class TorchWantedError(Exception):
    """Raised in place of importing torch a second time, which it refuses."""


class Watch:
    """Stands before the finders of modules and sees who imports torch."""

    @staticmethod
    def find_spec(module: str, *_: object) -> None:
        if module == "torch":
            raise TorchWantedError


@pytest.mark.parametrize("name", ["nvidia0", "nvidiactl", "nvhost-gpu", "kfd", "dxg"])
def test_a_file_of_an_accelerator_lets_torch_decide(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "DEVICE_FILES", tmp_path)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(sys, "meta_path", [Watch, *sys.meta_path])
    assert pick_device("auto") == "cpu"
    (tmp_path / name).touch()
    with pytest.raises(TorchWantedError):
        pick_device("auto")


def test_macos_tells_nothing_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "DEVICE_FILES", tmp_path)
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("auto") == "mps"


def test_a_device_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError) as raised:
        pick_device("cuda")
    assert str(raised.value) == "--device cuda was asked for, and torch sees none here; use --device auto."
