"""What decides a checkpoint's embeddings, known again without its family's packages, and never of changed files."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import open_clip
import pytest
import timm
import torch
from colors import write_parquet
from hub_stand_in import hub_stand_in
from miniature_sets import client
from safetensors.torch import save_file
from tiny_transformers import save_clip

from clipkstar import identities
from clipkstar.checkpoint import Checkpoint
from clipkstar.encoder import Family, Request
from clipkstar.encoders import fake, python, transformers, zoo
from clipkstar.encoders import open_clip as open_clip_family
from clipkstar.encoders import timm as timm_family
from clipkstar.encoders.fake import ColorEncoder
from clipkstar.errors import InputError
from clipkstar.identities import identify, known_identity

LONG_AGO = 1_600_000_000
SMALL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


class OwnEncoder(ColorEncoder):
    """A user's own encoder that says which weights it has."""

    weights_sha256 = "0" * 64


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own."""
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def settle(*places: Path) -> None:
    """Let files, and what is in folders, have changed long ago."""
    for place in places:
        for path in (*place.rglob("*"), place):
            os.utime(path, (LONG_AGO, LONG_AGO))


def append(file: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b"\n")


def of_folder(folder: Path) -> tuple[Family, Checkpoint]:
    """A folder in open_clip's format, its vocabulary beside it."""
    shutil.copytree(zoo.FOLDER / "tiny-p8" / "final", folder / "model" / "final")
    shutil.copy(zoo.FOLDER / "bpe.txt.gz", folder)
    settle(folder)
    return open_clip_family.FAMILY, open_clip_family.resolve(Request(model=f"local-dir:{folder / 'model' / 'final'}"))


def of_file(folder: Path) -> tuple[Family, Checkpoint]:
    """A file of weights with the config of its architecture."""
    folder.mkdir()
    save_file(open_clip.CLIP(**SMALL).state_dict(), folder / "epoch_1.safetensors")
    (folder / "small.json").write_text(json.dumps(SMALL))
    settle(folder)
    request = Request(
        model="small", pretrained=str(folder / "epoch_1.safetensors"), config_file=str(folder / "small.json")
    )
    return open_clip_family.FAMILY, open_clip_family.resolve(request)


def of_transformers(folder: Path) -> tuple[Family, Checkpoint]:
    save_clip(folder)
    settle(folder)
    return transformers.FAMILY, transformers.resolve(Request(model=str(folder)))


def of_timm(folder: Path) -> tuple[Family, Checkpoint]:
    folder.mkdir()
    torch.save(timm.create_model("test_vit", num_classes=0).state_dict(), folder / "own.pth")
    settle(folder)
    return timm_family.FAMILY, timm_family.resolve(Request(model="test_vit", pretrained=str(folder / "own.pth")))


KINDS: dict[str, Callable[[Path], tuple[Family, Checkpoint]]] = {
    "folder": of_folder,
    "file": of_file,
    "transformers": of_transformers,
    "timm": of_timm,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_identified_is_known_again_without_asking_the_family(kind: str, tmp_path: Path) -> None:
    family, checkpoint = KINDS[kind](tmp_path / "models")
    assert known_identity(family, checkpoint) is None
    identity = identify(family, checkpoint)
    assert identity == family.identify(checkpoint)
    unable = replace(family, identify=lambda _: pytest.fail("the family was asked"))
    assert known_identity(unable, checkpoint) == identity
    assert known_identity(unable, replace(checkpoint, notice="taken to mean something", summary="other")) == identity


def test_a_bundled_model_is_known_again() -> None:
    checkpoint = zoo.resolve(Request(model="tiny-p8", pretrained="final"))
    identity = identify(zoo.FAMILY, checkpoint)
    assert known_identity(zoo.FAMILY, checkpoint) == identity == zoo.FAMILY.identify(checkpoint)
    assert known_identity(zoo.FAMILY, zoo.resolve(Request(model="tiny-p8", pretrained="stage1"))) is None


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("folder", "model/final/open_clip_model.safetensors"),
        ("folder", "model/final/open_clip_config.json"),
        ("folder", "bpe.txt.gz"),
        ("file", "epoch_1.safetensors"),
        ("file", "small.json"),
        ("transformers", "model.safetensors"),
        ("transformers", "config.json"),
        ("transformers", "preprocessor_config.json"),
        ("transformers", "tokenizer.json"),
        ("timm", "own.pth"),
    ],
)
@pytest.mark.parametrize("change", [append, Path.unlink], ids=["changed", "gone"])
def test_it_is_not_known_after_a_file_of_it(
    kind: str, file: str, change: Callable[[Path], None], tmp_path: Path
) -> None:
    family, checkpoint = KINDS[kind](tmp_path / "models")
    identify(family, checkpoint)
    assert known_identity(family, checkpoint) is not None
    change(tmp_path / "models" / file)
    assert known_identity(family, checkpoint) is None


@pytest.mark.parametrize(
    ("kind", "file"), [("folder", "model/final/open_clip_pytorch_model.bin"), ("transformers", "added_tokens.json")]
)
def test_it_is_not_known_after_a_file_came_that_may_be_taken(kind: str, file: str, tmp_path: Path) -> None:
    family, checkpoint = KINDS[kind](tmp_path / "models")
    identify(family, checkpoint)
    assert known_identity(family, checkpoint) is not None
    (tmp_path / "models" / file).touch()
    assert known_identity(family, checkpoint) is None


def test_it_is_not_known_to_another_version_or_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family, checkpoint = of_file(tmp_path / "models")
    identity = identify(family, checkpoint)
    assert known_identity(replace(family, version="0"), checkpoint) is None
    assert known_identity(replace(family, name="mine"), checkpoint) is None
    assert known_identity(family, replace(checkpoint, activation="quick_gelu")) is None
    assert known_identity(family, checkpoint) == identity
    for package in identities.PACKAGES:
        other = lambda name, package=package: "0" if name == package else "1"  # noqa: E731
        monkeypatch.setattr(identities, "version", other)
        assert known_identity(family, checkpoint) is None


def test_a_relative_path_means_the_files_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for name in ("a", "b"):
        of_file(tmp_path / name)
        (tmp_path / name / "small.json").write_text(json.dumps(SMALL | {"quick_gelu": name == "b"}))
        settle(tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        request = Request(model="small", pretrained="./epoch_1.safetensors", config_file="small.json")
        checkpoint = open_clip_family.resolve(request)
        assert known_identity(open_clip_family.FAMILY, checkpoint) is None
        found[name] = identify(open_clip_family.FAMILY, checkpoint)
        assert known_identity(open_clip_family.FAMILY, checkpoint) == found[name]
    assert found["a"].config_sha256 != found["b"].config_sha256


@pytest.mark.parametrize(
    ("family", "request_"),
    [
        (fake.FAMILY, Request(model="colors")),
        (python.FAMILY, Request(model=f"{__name__}:OwnEncoder")),
        (open_clip_family.FAMILY, Request(model="test-is-random", pretrained="random")),
        (timm_family.FAMILY, Request(model="test_vit", pretrained="random")),
    ],
    ids=["fake", "python", "open_clip", "timm"],
)
def test_what_no_file_tells_is_asked_each_time(
    family: Family, request_: Request, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "test-is-random", SMALL)
    checkpoint = family.resolve(request_)
    assert identify(family, checkpoint).files == ()
    assert known_identity(family, checkpoint) is None
    assert not (cache / "identities").exists()


def test_files_that_have_just_changed_are_not_remembered(tmp_path: Path, cache: Path) -> None:
    family, checkpoint = of_file(tmp_path / "models")
    (tmp_path / "models" / "small.json").touch()
    identify(family, checkpoint)
    assert known_identity(family, checkpoint) is None
    assert not (cache / "identities").exists()


def test_a_damaged_entry_is_no_entry(tmp_path: Path, cache: Path) -> None:
    family, checkpoint = of_file(tmp_path / "models")
    identity = identify(family, checkpoint)
    (entry,) = (cache / "identities").iterdir()
    entry.write_bytes(entry.read_bytes().replace(b'"gelu"', b'"silu"'))
    assert known_identity(family, checkpoint) is None
    identify(family, checkpoint)
    assert known_identity(family, checkpoint) == identity


# Files that disappear midway.


GONE = "the file '{}' cannot be read (No such file or directory); restore it, or name another."


@pytest.mark.parametrize(
    ("kind", "file", "sentence"),
    [
        ("folder", "model/final/open_clip_model.safetensors", "'{folder}' holds no weights; it needs an "
         "open_clip_model.safetensors."),
        ("folder", "bpe.txt.gz", "the model config in '{folder}' names the vocabulary '../../bpe.txt.gz', which is not "
         "there; add it."),
        ("folder", "model/final/open_clip_config.json", "'{file}' is no readable model config in JSON ([Errno 2] No "
         "such file or directory: '{file}'); check the path."),
        ("file", "epoch_1.safetensors", "the file '{file}' cannot be read (No such file or directory); restore it, or "
         "name another."),
        ("file", "small.json", "'{file}' is no readable model config in JSON ([Errno 2] No such file or directory: "
         "'{file}'); check the path."),
        ("transformers", "model.safetensors", "'{name}' has no complete model.safetensors or pytorch_model.bin, in one "
         "file or in shards with their index; connect once, or name another model."),
        ("transformers", "config.json", "'{name}' has no readable config.json (No such file or directory); check the "
         "name or the files."),
        ("timm", "own.pth", "the file '{file}' cannot be read (No such file or directory); restore it, or name "
         "another."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("use", ["identify", "load"])
def test_a_file_that_disappeared_is_one_sentence(kind: str, file: str, sentence: str, use: str, tmp_path: Path) -> None:
    family, checkpoint = KINDS[kind](tmp_path / "models")
    identify(family, checkpoint)
    path = tmp_path / "models" / file
    path.unlink()
    with pytest.raises(InputError) as raised:
        if use == "identify":
            identify(family, checkpoint)
        else:
            family.load(checkpoint, "cpu", "fp32")
    assert str(raised.value) == sentence.format(file=path, folder=path.parent, name="models").replace(
        f"'{tmp_path / 'models'}' names", f"'{tmp_path / 'models' / 'model' / 'final'}' names"
    )


@pytest.mark.parametrize("listed", ["{}", "[1", '{"weight_map": 3}'])
def test_a_list_of_shards_that_is_none_is_one_sentence(listed: str, tmp_path: Path) -> None:
    family, checkpoint = of_transformers(tmp_path / "models")
    (tmp_path / "models" / "model.safetensors").unlink()
    index = tmp_path / "models" / "model.safetensors.index.json"
    index.write_text(listed)
    with pytest.raises(InputError) as raised:
        identify(family, checkpoint)
    assert str(raised.value) == f"'{index}' does not list the shards of the weights; fetch or save it again."


# A finished sweep that is asked for again.


LOOK = """
import json, sys
from clipkstar.data.openings import known_opening
from clipkstar.encoder import Request
from clipkstar.identities import identify, known_identity
from clipkstar.selection import select_checkpoint, select_tasks
verb, epoch, parquet = sys.argv[1:]
requests = [Request(model="tiny-p8", pretrained="final"), Request(model="ViT-B-32", pretrained="laion2b"),
            Request(model="ViT-B-32", pretrained=epoch)]
selected = [select_checkpoint(request) for request in requests]
tasks = select_tasks(["digits", parquet], None)
if verb == "find":
    from clipkstar.data.rows import open_rows
    found = [identify(*one) for one in selected], [open_rows(task).opening for task in tasks]
else:
    found = [known_identity(*one) for one in selected], [known_opening(task) for task in tasks]
heavy = [name for name in ("torch", "open_clip", "datasets", "transformers", "torchvision") if name in sys.modules]
print(json.dumps({"found": repr(found), "selected": repr([one[1] for one in selected]), "heavy": heavy}))
"""
TAG_PLACE = "models--laion--CLIP-ViT-B-32-laion2B-s34B-b79K"


def test_a_finished_sweep_is_recognised_without_importing_what_runs_models_and_opens_data(tmp_path: Path) -> None:
    repository = tmp_path / "home" / "hf" / "hub" / TAG_PLACE
    snapshot = repository / "snapshots" / ("0" * 40)
    for folder in (snapshot, repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (snapshot / "open_clip_model.safetensors").write_bytes(b"weights of the tag")
    (tmp_path / "epoch_3.pt").write_bytes(b"weights of the user")
    write_parquet(tmp_path / "colors.parquet")
    settle(tmp_path / "epoch_3.pt", tmp_path / "colors.parquet")
    places = (str(tmp_path / "epoch_3.pt"), str(tmp_path / "colors.parquet"))
    answers = [
        client(LOOK, "http://127.0.0.1:9", tmp_path / "home", verb, *places, HF_HUB_OFFLINE="1")
        for verb in ("find", "look")
    ]
    assert answers[1]["found"] == answers[0]["found"]
    assert answers[1]["selected"] == answers[0]["selected"]
    assert {"torch", "open_clip", "datasets"} <= set(cast("list[str]", answers[0]["heavy"]))
    assert answers[1]["heavy"] == []


OF_HUB = """
import json, sys
from clipkstar.encoder import Request
from clipkstar.encoders.open_clip import FAMILY
from clipkstar.identities import identify, known_identity
checkpoint = FAMILY.resolve(Request(model="hf-hub:org/tiny"))
found = identify(FAMILY, checkpoint).weights_sha256 if sys.argv[1] == "find" else None
known = known_identity(FAMILY, checkpoint)
print(json.dumps({"found": found, "known": known and known.weights_sha256}))
"""


def test_weights_of_the_hub_are_known_until_it_names_another_commit(tmp_path: Path) -> None:
    served, home = tmp_path / "root" / "models" / "org" / "tiny", tmp_path / "home"
    served.mkdir(parents=True)
    save_file(open_clip.CLIP(**SMALL).state_dict(), served / "open_clip_model.safetensors")
    (served / "open_clip_config.json").write_text(json.dumps({"model_cfg": SMALL}))
    with hub_stand_in(tmp_path / "root") as hub:
        first = client(OF_HUB, hub.endpoint, home, "find")
        n_before = len(hub.requests)
        again = client(OF_HUB, hub.endpoint, home, "look")
        asked = [path for _, path in hub.requests[n_before:] if "org/tiny" in path]
        offline = client(OF_HUB, hub.endpoint, home, "look", HF_HUB_OFFLINE="1")
        append(served / "open_clip_config.json")
        moved = client(OF_HUB, hub.endpoint, home, "look")
    gone = client(OF_HUB, hub.endpoint, home, "look")
    assert first["known"] == first["found"] is not None
    assert [answer["known"] for answer in (again, offline, gone, moved)] == [*[first["found"]] * 3, None]
    assert asked == ["/api/models/org/tiny/revision/main"]
