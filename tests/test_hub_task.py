"""A task and a model from the hub, by the real clients, against a stand-in of the hub on loopback.

Clients are subprocesses, because huggingface_hub reads HF_ENDPOINT on import; each does several things.
"""

import io
import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import open_clip
import pytest
import torch
from hub_stand_in import Fault, hub_stand_in
from miniature_sets import client
from PIL import Image
from safetensors.torch import save_file

from clipkstar.encoders import zoo

REPOSITORY = "djghosh/wds_cifar10_test"
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LABELS = (3, 8, 8, 0, 6, 3)
COLOURS = ("red", "green", "blue", "white", "grey", "orange")
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}

PRELUDE = """
import json, sys, time
time.sleep = lambda seconds: None  # what waits are for is tested elsewhere
from dataclasses import replace
from clipkstar.data.rows import open_rows
from clipkstar_tasks.cifar10 import TASK
SIX = replace(TASK, n_images=6)
def told(call):
    try:
        return call()
    except Exception as error:
        return [type(error).__name__, str(error)]
def opened(task, **options):
    rows = open_rows(task, **options)
    first = rows.image_bytes(range(rows.n_images))
    return {"revision": rows.revision, "labels": rows.labels.tolist(), "fingerprint": rows.fingerprint,
            "names": rows.class_names, "templates": rows.words.templates,
            "formats": [content[8:12].decode() for content in first],
            "dataset": rows.task.dataset.title}
"""
ONLINE = """
answers = {
    "wrong size": told(lambda: opened(TASK)),
    "six": told(lambda: opened(SIX)),
    "unknown revision": told(lambda: opened(SIX, revision="0" * 40)),
    "unknown repository": told(lambda: opened(replace(SIX, dataset=replace(SIX.dataset, path="org/nothing")))),
    "no such files": told(lambda: opened(replace(SIX, dataset=replace(SIX.dataset, data_files="train/*.tar")))),
}
answers["pinned"] = told(lambda: opened(SIX, revision=answers["six"]["revision"]))
print(json.dumps(answers))
"""
CACHED = """
print(json.dumps({
    "six": told(lambda: opened(SIX)),
    "pinned": told(lambda: opened(SIX, revision=sys.argv[1])),
    "never fetched": told(lambda: opened(replace(SIX, dataset=replace(SIX.dataset, path="org/nothing")))),
}))
"""
MODELS = """
import numpy as np
from clipkstar.encoder import Request
from clipkstar.encoders.open_clip import FAMILY
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
def encoded(model):
    checkpoint = FAMILY.resolve(Request(model=model))
    identity = FAMILY.identify(checkpoint)
    encoder = FAMILY.load(checkpoint, "cpu", "fp32")
    return {"names": [checkpoint.model, checkpoint.pretrained, checkpoint.lineage],
            "hashes": [identity.weights_sha256, identity.config_sha256],
            "images": encoder.encode_images(PIXELS).tolist(),
            "texts": encoder.encode_texts(["a cat", "a photo of a dog."]).tolist()}
print(json.dumps({model: told(lambda: encoded(model)) for model in sys.argv[1:]}))
"""


def _client(code: str, endpoint: str, home: Path, *arguments: str, **extra: str) -> dict[str, object]:
    return client(PRELUDE + code, endpoint, home, *arguments, **extra)


def _write_cifar10(folder: Path) -> None:
    (folder / "test").mkdir(parents=True)
    (folder / "classnames.txt").write_text("\n".join(NAMES) + "\n")
    (folder / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\na blurry photo of a {c}.\n")
    (folder / "test" / "nshards.txt").write_text("1\n")
    with tarfile.open(folder / "test" / "0.tar", "w") as tar:
        for row, (label, colour) in enumerate(zip(LABELS, COLOURS, strict=True)):
            webp = io.BytesIO()
            Image.new("RGB", (32, 32), colour).save(webp, "WEBP", lossless=True)
            for member, content in ((f"s{row:07}.cls", str(label).encode()), (f"s{row:07}.webp", webp.getvalue())):
                header = tarfile.TarInfo(member)
                header.size = len(content)
                tar.addfile(header, io.BytesIO(content))


@dataclass(frozen=True)
class Answers:
    """What the clients were told with the hub there, with the hub gone, and in offline mode, and what they fetched."""

    sha: str
    online: dict[str, object]
    fetched: list[str]
    endpoint: str
    stopped: dict[str, object]
    offline: dict[str, object]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    folder = tmp_path_factory.mktemp("hub")
    _write_cifar10(folder / "root" / "datasets" / REPOSITORY)
    with hub_stand_in(folder / "root") as hub:
        online = _client(ONLINE, hub.endpoint, folder / "home")
    sha = cast(dict[str, str], online["six"])["revision"]
    fetched = [path for method, path in hub.requests if method == "GET" and "/resolve/" in path]
    stopped = _client(CACHED, hub.endpoint, folder / "home", sha)
    offline = _client(CACHED, hub.endpoint, folder / "home", sha, HF_HUB_OFFLINE="1")
    return Answers(sha=sha, online=online, fetched=fetched, endpoint=hub.endpoint, stopped=stopped, offline=offline)


def test_a_copy_with_another_number_of_images_is_refused(answers: Answers) -> None:
    assert answers.online["wrong size"] == [
        "InputError",
        "task 'cifar10' should have 10000 images, its data set has 6; this is another split or copy of the data.",
    ]


def test_a_task_of_the_hub_is_read_and_its_commit_recorded(answers: Answers) -> None:
    six = cast(dict[str, object], answers.online["six"])
    assert len(answers.sha) == 40
    assert (six["labels"], six["formats"], six["dataset"]) == (list(LABELS), ["WEBP"] * 6, REPOSITORY)
    assert six["names"] == list(NAMES)
    assert six["templates"] == ["a photo of a {c}.", "a blurry photo of a {c}."]
    assert answers.online["pinned"] == six


def test_only_the_tar_and_the_words_are_fetched_and_only_once(answers: Answers) -> None:
    names = ("classnames.txt", "test/0.tar", "zeroshot_classification_templates.txt")
    assert sorted(answers.fetched) == [f"/datasets/{REPOSITORY}/resolve/{answers.sha}/{name}" for name in names]


def test_what_was_fetched_works_when_the_hub_is_gone(answers: Answers) -> None:
    for later in (answers.stopped, answers.offline):
        assert later["six"] == later["pinned"] == answers.online["six"]


def test_a_revision_that_the_hub_lacks_is_one_sentence(answers: Answers) -> None:
    assert answers.online["unknown revision"] == [
        "InputError",
        f"the data set '{REPOSITORY}' of task 'cifar10' has no revision '{'0' * 40}'; correct it.",
    ]


def test_a_repository_that_the_hub_lacks_is_one_sentence(answers: Answers) -> None:
    assert answers.online["unknown repository"] == [
        "InputError",
        "the hub has no data set 'org/nothing' of task 'cifar10', or it is private; "
        "correct the name, or log in with 'hf auth login'.",
    ]


def test_files_that_the_repository_lacks_are_one_sentence(answers: Answers) -> None:
    assert answers.online["no such files"] == [
        "InputError",
        f"task 'cifar10' cannot read its data (FileNotFoundError: '{REPOSITORY}' has no file train/*.tar); "
        "check its dataset and the files.",
    ]


@pytest.mark.parametrize("when", ["stopped", "offline"])
def test_a_repository_that_cannot_be_reached_is_named(when: str, answers: Answers) -> None:
    reason = "offline mode is on" if when == "offline" else f"no connection to {answers.endpoint}"
    told = cast(dict[str, object], getattr(answers, when))
    assert told["never fetched"] == [
        "UnreachableError",
        f"the data set 'org/nothing' of task 'cifar10' cannot be reached ({reason}), and the cache has no complete "
        "copy; connect, then repeat the command.",
    ]


NOWHERE = "http://127.0.0.1:9"
FAULTS = {
    "busy": Fault("/org/busy/*", status=429),
    "ill": Fault("/org/ill/*.safetensors", status=500, method="GET"),
    "barred": Fault("/org/barred/*", status=403),
    "stranger": Fault("/org/stranger/*", status=401),
    "closed": Fault("/org/closed/*", status=403, code="GatedRepo"),
    "shaky": Fault("/org/shaky/*.safetensors", status=500, times=2),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What comes of hub models: open_clip's own vocabulary, one of the zoo, one without weights, one missing."""
    folder = tmp_path_factory.mktemp("models")
    served = folder / "root" / "models" / "org"
    (served / "tiny").mkdir(parents=True)
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**TINY).state_dict(), served / "tiny" / "open_clip_model.safetensors")
    (served / "tiny" / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY}))
    shutil.copytree(zoo.FOLDER / "tiny-p8" / "final", served / "pruned")
    shutil.copytree(served / "tiny", served / "empty", ignore=shutil.ignore_patterns("*.safetensors"))
    shutil.copytree(served / "pruned", served / "wordless")
    config = json.loads((served / "wordless" / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["tokenizer_kwargs"]["bpe_path"] = "words.txt.gz"
    (served / "wordless" / "open_clip_config.json").write_text(json.dumps(config))
    shutil.copytree(served / "tiny", served / "shaky")
    (served / "shaky" / "open_clip_pytorch_model.bin").write_bytes(b"other weights")
    for name in FAULTS:
        if not (served / name).exists():
            shutil.copytree(served / "tiny", served / name)
    names = [f"hf-hub:org/{name}" for name in ("tiny", "pruned", "empty", "nothing", "wordless", *FAULTS)]
    with hub_stand_in(folder / "root") as hub:
        hub.faults += FAULTS.values()
        return _client(MODELS, hub.endpoint, folder / "home", *names, f"local-dir:{served / 'tiny'}")


def test_a_model_of_the_hub_is_the_same_as_its_folder(models: dict[str, object]) -> None:
    of_hub = cast(dict[str, object], models["hf-hub:org/tiny"])
    of_folder = next(cast(dict[str, object], value) for name, value in models.items() if name.startswith("local-dir:"))
    assert of_hub["names"] == ["org/tiny", "hf-hub", "hf-hub/org/tiny"]
    for part in ("hashes", "images", "texts"):
        assert of_hub[part] == of_folder[part], part


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "empty",
            "the hub has no file 'open_clip_model.safetensors' for the model repository 'org/empty'; correct the name.",
        ),
        (
            "nothing",
            "the hub has no model repository 'org/nothing', or it is private; correct the name, or log in with "
            "'hf auth login'.",
        ),
        ("wordless", "the hub has no file 'words.txt.gz' for the model repository 'org/wordless'; correct the name."),
        (
            "busy",
            "the hub had too many requests from here (429) and does not give the model repository 'org/busy'; wait "
            "a few minutes and repeat the command, or log in with 'hf auth login', which allows more, or use the "
            "bundled models, which need no network ('clipkstar models tiny-*').",
        ),
        (
            "ill",
            "the hub has a fault of its own (500) and does not give the model repository 'org/ill'; repeat the "
            "command later, or use the bundled models, which need no network ('clipkstar models tiny-*').",
        ),
        (
            "barred",
            "the hub refuses the model repository 'org/barred' to this login (403); log in with 'hf auth login' "
            "as another.",
        ),
        (
            "stranger",
            "the hub has no model repository 'org/stranger', or it is private; correct the name, or log in "
            "with 'hf auth login'.",
        ),
        (
            "closed",
            "the hub keeps the model repository 'org/closed' for those who asked for access; ask on its page, "
            "then log in with 'hf auth login'.",
        ),
    ],
)
def test_what_the_hub_does_not_give_of_a_model_is_one_sentence(
    name: str, sentence: str, models: dict[str, object]
) -> None:
    kind = "UnreachableError" if "bundled" in sentence else "InputError"
    assert models[f"hf-hub:org/{name}"] == [kind, sentence]


def test_safe_weights_that_the_hub_fails_to_give_are_not_replaced_by_others(models: dict[str, object]) -> None:
    shaky = cast(dict[str, object], models["hf-hub:org/shaky"])
    assert shaky["hashes"] == cast(dict[str, object], models["hf-hub:org/tiny"])["hashes"]


def test_a_model_of_the_hub_whose_vocabulary_lies_outside_is_one_sentence(models: dict[str, object]) -> None:
    assert models["hf-hub:org/pruned"] == [
        "InputError",
        "the config of the model repository 'org/pruned' names the vocabulary '../../bpe.txt.gz', "
        "which lies outside it; put the file into the repository.",
    ]


@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_model_whose_hub_cannot_be_reached_is_one_sentence_with_the_way_out(offline: str, tmp_path: Path) -> None:
    more = {"HF_HUB_OFFLINE": "1"} if offline == "1" else {}
    answers = _client(MODELS, NOWHERE, tmp_path, "hf-hub:org/far", **more)
    reason = "offline mode is on" if offline == "1" else f"no connection to {NOWHERE}"
    assert answers["hf-hub:org/far"] == [
        "UnreachableError",
        f"the model repository 'org/far' cannot be reached ({reason}), and the cache has no complete copy; connect, "
        "then repeat the command, or use the bundled models, which need no network ('clipkstar models tiny-*').",
    ]
