"""What open_clip knows by name, remembered for its version, so that naming a checkpoint does not import it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import open_clip
import pytest
from open_clip.transform import PreprocessCfg, merge_preprocess_dict

from clipkstar.encoders import _open_clip_known_names as names
from clipkstar.encoders._open_clip_files import Configured

MODULES = "import json, sys; from clipkstar.encoders import _open_clip_known_names as names\n"
EVERYTHING = """
print(json.dumps({
    "models": {name: names.model_config(name) for name in names.built_in_models()},
    "tags": {model: names.tags_of(model) for model in names.built_in_models()},
    "pairs": {f"{model} {tag}": names.tag_config(model, tag) for model, tag in names.pairs()},
    "preprocess": names.default_preprocess(),
    "nothing": [names.model_config("none"), names.tags_of("none"), names.tag_config("none", "none")],
    "as typed": names.tag_config("ViT-B-32", "LAION2B-s34b-b79k"),
    "imported": "open_clip" in sys.modules,
}))
"""


def _told(cache: Path, *, version: str = "", before: str = "") -> dict[str, object]:
    """What a process of its own tells of every name. version: of open_clip, "" = the true one."""
    code = MODULES + before + (f"names.version = lambda _: {version!r}\n" if version else "") + EVERYTHING
    done = subprocess.run(
        [sys.executable, "-c", code], env={"CLIPKSTAR_CACHE": str(cache)}, capture_output=True, text=True, check=True
    )
    return cast("dict[str, object]", json.loads(done.stdout))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that a process has filled; the tests' own process has open_clip imported and remembers nothing."""
    folder = tmp_path_factory.mktemp("cache")
    assert _told(folder)["imported"]
    return folder


def test_what_is_remembered_is_what_open_clip_says_and_needs_no_import(cache: Path) -> None:
    told = _told(cache)
    models = [
        name for name in open_clip.list_models() if not name.startswith(names.OWN)
    ]  # other tests may have added some
    expected = {
        "models": {name: open_clip.get_model_config(name) for name in models},
        "tags": {model: open_clip.list_pretrained_tags_by_model(model) for model in models},
        "pairs": {
            f"{model} {tag}": open_clip.get_pretrained_cfg(model, tag) for model, tag in open_clip.list_pretrained()
        },
        "preprocess": vars(PreprocessCfg()),
        "nothing": [None, [], {}],
        "as typed": open_clip.get_pretrained_cfg("ViT-B-32", "laion2b_s34b_b79k"),
        "imported": False,
    }
    assert told == json.loads(json.dumps(expected))
    assert list(cast("dict[str, object]", told["pairs"])) == list(cast("dict[str, object]", expected["pairs"]))


def test_another_version_and_a_damaged_entry_ask_open_clip_again(cache: Path) -> None:
    (entry,) = (cache / "names").iterdir()
    entry.write_bytes(entry.read_bytes().replace(b"gelu", b"silu"))
    told = _told(cache)
    assert (told["imported"], "silu" in json.dumps(told)) == (True, False)
    assert not _told(cache)["imported"]
    assert _told(cache, version="99")["imported"]


def test_a_process_that_has_open_clip_asks_it_for_what_was_added_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path))
    added = {"embed_dim": 1, "vision_cfg": {}, "text_cfg": {}}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "added", added)
    assert "added" in names.built_in_models()
    assert names.model_config("added") == added
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "overlay", [{}, {"mean": [0.5], "std": None, "size": 7, "unknown": 1}, {"resize_mode": "squash", "fill_color": 3}]
)
def test_a_preprocessing_is_completed_as_open_clip_does(overlay: dict[str, object]) -> None:
    config = Configured(model_config={"vision_cfg": {"image_size": 32}}, overlay=overlay)
    assert config.preprocess == merge_preprocess_dict(PreprocessCfg(), overlay) | {"size": 32}
