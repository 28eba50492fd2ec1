"""The wheel holds all that an installed clipkstar needs, and no more."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UNBUILT = (".*", "*.egg-info", "__pycache__", "build", "dist", "runs", "site", "notebooks")
TOP_LEVEL = {"clipkstar", "clipkstar_tasks"}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in a wheel that is built from a copy of the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "copy", ignore=shutil.ignore_patterns(*UNBUILT))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), "."]
    done = subprocess.run(command, cwd=folder / "copy", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return set(wheel.namelist())


def _files(folder: str, *patterns: str) -> set[str]:
    found = {path.relative_to(ROOT).as_posix() for pattern in patterns for path in (ROOT / folder).glob(pattern)}
    assert found, f"{folder} has no {patterns}"
    return found


def test_the_wheel_holds_every_module(names: set[str]) -> None:
    assert _files("clipkstar", "**/*.py", "py.typed") <= names


def test_the_wheel_holds_every_task_with_its_pictures(names: set[str]) -> None:
    tasks = _files("tasks", "**/*.py", "_bundled/*.parquet")
    assert {f"clipkstar_{path}" for path in tasks} <= names


def test_the_wheel_holds_every_model_with_its_card_and_vocabulary(names: set[str]) -> None:
    models = _files("clipkstar/zoo", "*/*/*.safetensors", "*/*/*.json")
    assert len(models) >= 2 * 8
    assert models | {"clipkstar/zoo/CARDS.md", "clipkstar/zoo/bpe.txt.gz"} <= names


def test_the_wheel_holds_licence_and_notice(names: set[str]) -> None:
    for file in ("LICENSE", "NOTICE"):
        assert [name for name in names if name.endswith(f".dist-info/licenses/{file}")], file


def test_the_wheel_holds_no_tests_and_nothing_else(names: set[str]) -> None:
    top_level = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top_level == TOP_LEVEL
    assert not [name for name in names if "test" in Path(name).name or name.endswith(".pyc")]
