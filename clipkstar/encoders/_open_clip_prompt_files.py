"""Files that decide how an open_clip model reads prompts: vocabularies, tokenizers and text towers of the hub."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from clipkstar.encoders._downloads import snapshot
from clipkstar.encoders._open_clip_files import from_hub, scheme_of
from clipkstar.encoders._open_clip_known_names import Config
from clipkstar.errors import InputError

if TYPE_CHECKING:
    from clipkstar.checkpoint import Checkpoint

TOKENIZER_FILES = (
    "tokenizer*", "vocab*", "merges.txt", "*.model", "special_tokens_map.json", "added_tokens.json",
)  # fmt: skip
"""What transformers reads to make a tokenizer."""


def check_packages(model: str, text_config: Config) -> None:
    """Raise InputError, before anything large is downloaded, if the prompts need a package that is not installed."""
    needs = [key for key in ("hf_tokenizer_name", "hf_model_name") if text_config.get(key)]
    if needs and find_spec("transformers") is None:
        raise InputError(f"'{model}' needs a package that is not installed (transformers, for prompts); install it.")


def vocabulary_files(checkpoint: Checkpoint, text_config: Config) -> dict[str, str]:
    """Vocabulary files of a config as absolute paths; open_clip itself would look for them in the working folder."""
    find = _vocabulary_finder(checkpoint)
    options = text_config.get("tokenizer_kwargs") or {}
    if find is None or not isinstance(options, dict) or "bpe_path" not in options:
        return {}
    return {"bpe_path": str(find(str(options["bpe_path"])))}


def prompt_files(checkpoint: Checkpoint, text_config: Config, vocabulary: dict[str, str]) -> list[Path]:
    """Return all files that decide how prompts are read, downloading them where they are not cached."""
    files = [Path(path) for path in vocabulary.values()]
    if tokenizer := text_config.get("hf_tokenizer_name"):
        files += _tokenizer_files(checkpoint, str(tokenizer))
    if tower := text_config.get("hf_model_name"):
        files.append(_tower_config(str(tower)))
    return files


def _tower_config(name: str) -> Path:
    """Config of a Hugging Face text tower, which open_clip's own config only names."""
    folder = Path(name)
    return folder / "config.json" if folder.is_dir() else from_hub(name, "config.json")


def _tokenizer_files(checkpoint: Checkpoint, name: str) -> list[Path]:
    scheme = scheme_of(checkpoint.source)
    # open_clip takes the tokenizer of a local folder from that folder, whatever its config names.
    place = checkpoint.source.removeprefix(scheme) if scheme == "local-dir:" else name
    folder = Path(place) if Path(place).is_dir() else _tokenizer_snapshot(name)
    return sorted({file for pattern in TOKENIZER_FILES for file in folder.glob(pattern)})


def _tokenizer_snapshot(name: str) -> Path:
    return snapshot(name, TOKENIZER_FILES, what=f"tokenizer '{name}'")


def _vocabulary_finder(checkpoint: Checkpoint) -> Callable[[str], Path] | None:
    scheme = scheme_of(checkpoint.source)
    place = checkpoint.source.removeprefix(scheme or "")
    if scheme == "local-dir:":
        return partial(_beside, Path(place))
    if scheme:
        return partial(_within_repository, place)
    return partial(_beside, Path(checkpoint.config_file).parent) if checkpoint.config_file else None


def _beside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_file():
        raise InputError(f"the model config in '{folder}' names the vocabulary '{name}', which is not there; add it.")
    return path


def _within_repository(repository: str, name: str) -> Path:
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise InputError(
            f"the config of the model repository '{repository}' names the vocabulary '{name}', which lies outside it; "
            "put the file into the repository."
        )
    return from_hub(repository, name).resolve()
