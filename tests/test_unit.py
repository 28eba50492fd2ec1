"""What decides a run, and what decides the embeddings that runs share: any change of it is another name."""

import gc
import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from colors import LABELS, colors_task

from clipkstar import unit as module
from clipkstar.data.rows import Rows, open_rows
from clipkstar.embeddings import NO_KEYS
from clipkstar.encoder import Family, Request
from clipkstar.encoders.fake import FAMILY
from clipkstar.errors import InputError
from clipkstar.selection import select_metrics
from clipkstar.unit import Settings, Unit, Work, load_encoder
from clipkstar.versions import version

CHECKPOINT = FAMILY.resolve(Request(model="colors"))


@pytest.fixture
def colors(tmp_path: Path) -> Rows:
    return open_rows(colors_task(tmp_path))


def unit(
    rows: Rows,
    *,
    family: Family = FAMILY,
    device: str = "cpu",
    metrics: tuple[str, ...] = (),
    identity: dict[str, Any] | None = None,
    **settings: Any,
) -> Unit:
    return Unit(
        work=Work(
            family=family,
            checkpoint=CHECKPOINT,
            metrics=select_metrics(metrics),
            settings=Settings(device="cpu", **settings),
        ),
        identity=replace(FAMILY.identify(CHECKPOINT), **(identity or {})),
        device=device,
        rows=rows,
    )


ENCODERS: list[Any] = [
    pytest.param({"precision": "bf16"}, id="precision"),
    pytest.param({"space": "pre_projection"}, id="space"),
    pytest.param({"device": "cuda"}, id="device"),
    pytest.param({"identity": {"weights_sha256": "0" * 64}}, id="weights"),
    pytest.param({"identity": {"config_sha256": "0" * 64}}, id="config"),
    pytest.param({"family": replace(FAMILY, version="2")}, id="family version"),
    pytest.param({"family": replace(FAMILY, name="other")}, id="family"),
]


@pytest.mark.parametrize("change", ENCODERS)
def test_the_run_id_and_both_keys_change_with_the(colors: Rows, change: dict[str, Any]) -> None:
    one, other = unit(colors), unit(colors, **change)
    assert other.run_id != one.run_id
    assert other.keys.images != one.keys.images
    assert other.keys.classes != one.keys.classes


@pytest.mark.parametrize(
    ("change", "images_stay", "classes_stay"),
    [
        pytest.param({"limit": 6}, False, True, id="limit"),
        pytest.param({"labels": LABELS[:9]}, False, True, id="images"),
        pytest.param({"task": {"templates": ("{}",)}}, True, False, id="templates"),
        pytest.param({"names": ("red", "green", "navy")}, True, False, id="class names"),
    ],
)
def test_the_run_id_changes_with_all_of_a_task_and_each_key_with_its_part(
    colors: Rows, tmp_path: Path, change: dict[str, Any], images_stay: bool, classes_stay: bool
) -> None:
    limit = change.get("limit")
    task = colors_task(tmp_path, name="b", **{name: value for name, value in change.items() if name != "limit"})
    one, other = unit(colors), unit(open_rows(task, limit=limit))
    assert other.run_id != one.run_id
    assert (other.keys.images == one.keys.images) is images_stay
    assert (other.keys.classes == one.keys.classes) is classes_stay


def test_the_run_id_and_both_keys_change_with_the_version_of_open_clip(
    colors: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, keys = unit(colors).run_id, unit(colors).keys
    known = version
    monkeypatch.setattr(module, "version", lambda name: "0.0.1" if name == "open_clip_torch" else known(name))
    after = unit(colors)
    assert after.run_id != before
    assert (after.keys.images == keys.images, after.keys.classes == keys.classes) == (False, False)


@pytest.mark.parametrize("change", [{"metrics": ("kstar",)}, {"keep_pixels": True}, {"force": True}], ids=str)
def test_neither_the_run_id_nor_the_keys_change_with(colors: Rows, change: dict[str, Any]) -> None:
    one, other = unit(colors), unit(colors, **change)
    assert (other.run_id, other.keys) == (one.run_id, one.keys)


def test_image_embeddings_are_those_of_one_way_of_decoding_and_one_torch_and_class_embeddings_of_one_torch(
    colors: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = unit(colors).keys
    with monkeypatch.context() as other:
        other.setattr(module, "decoders", lambda: {"PIL": "0.0.1"})
        assert unit(colors).keys.images != keys.images
        assert unit(colors).keys.classes == keys.classes
    known = version
    monkeypatch.setattr(module, "version", lambda name: "0.0.1" if name == "torch" else known(name))
    assert unit(colors).keys.images != keys.images
    assert unit(colors).keys.classes != keys.classes


def test_the_batch_size_changes_the_last_bits_of_image_embeddings_and_so_their_key_alone(colors: Rows) -> None:
    one, other = unit(colors), unit(colors, batch_size=3)
    assert other.run_id == one.run_id
    assert other.keys.classes == one.keys.classes
    assert other.keys.images != one.keys.images


def test_without_a_weights_hash_nothing_is_kept_and_no_id_comes_twice(colors: Rows) -> None:
    nameless = [unit(colors, identity={"weights_sha256": None}) for _ in range(2)]
    assert nameless[0].run_id != nameless[1].run_id
    assert nameless[0].run_id == nameless[0].run_id  # one unit keeps its id
    assert [each.keys for each in nameless] == [NO_KEYS] * 2


def test_a_file_of_embeddings_says_where_they_come_from(colors: Rows, tmp_path: Path) -> None:
    about = unit(colors).about()
    assert about == {
        "task": "colors",
        "fingerprint": colors.fingerprint,
        "checkpoint": "fake--colors--exact",
        "weights_sha256": FAMILY.identify(CHECKPOINT).weights_sha256,
        "precision": "fp32",
        "space": "output",
        "device": "cpu",
    }
    sample = open_rows(colors_task(tmp_path, name="b"), limit=6)
    assert unit(sample).about()["limit"] == "6"


def test_a_space_that_a_family_does_not_have_is_refused(colors: Rows) -> None:
    with pytest.raises(InputError) as raised:
        load_encoder(unit(colors, space="pre_projection").work, "cpu")
    assert str(raised.value) == (
        "--space pre_projection was asked for, and encoders of the family 'fake' have no embeddings before a "
        "projection; leave it out."
    )


def load_what_imports(work: Work, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Load an encoder whose family imports a module first; return an object of that module."""
    (folder / "made_at_import.py").write_text("THINGS = [[]]\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "made_at_import", raising=False)

    def load(*asked: Any) -> Any:
        importlib.import_module("made_at_import")
        return FAMILY.load(*asked)

    load_encoder(replace(work, family=replace(FAMILY, load=load)), "cpu")
    return list(sys.modules["made_at_import"].THINGS)


def is_old(thing: object) -> bool:
    return any(each is thing for each in gc.get_objects(generation=2))


def test_what_loading_imports_is_old_for_the_collector_at_once_and_is_still_collected(
    colors: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (thing,) = load_what_imports(unit(colors).work, tmp_path, monkeypatch)
    assert is_old(thing)
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, 0)


def test_what_somebody_froze_stays_frozen_when_a_model_loads(
    colors: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = unit(colors).work
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        load_what_imports(work, tmp_path, monkeypatch)
        assert gc.get_freeze_count() > frozen * 0.9  # a few of them are no longer needed
    finally:
        gc.unfreeze()
