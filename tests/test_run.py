"""The record: what stands in run.json, and how it comes back."""

import json
import re
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from colors import colors_task

from clipkstar.checkpoint import Geometry
from clipkstar.data.rows import open_rows
from clipkstar.encoder import Request
from clipkstar.errors import InputError
from clipkstar.run import (
    SCHEMA,
    CheckpointRecord,
    Environment,
    Protocol,
    Run,
    Seconds,
    TaskRecord,
    from_json,
    to_json,
)
from clipkstar.runner import evaluate
from clipkstar.selection import select_checkpoint, select_metrics
from clipkstar.store import Store
from clipkstar.unit import Settings, Work

RUN = Run(
    schema=SCHEMA,
    run_id="0123456789abcdef",
    status="done",
    task=TaskRecord(
        name="farben · цвета", dataset="org/colors", revision="f" * 40, split="test", n_images=12, n_classes=3,
        limit=None, fingerprint="a" * 64,
    ),
    checkpoint=CheckpointRecord(
        family="fake", model="colors", pretrained="exact", lineage="fake/colors", weights_sha256="b" * 64,
        config_sha256="c" * 64, geometry=Geometry(size=(4, 5), resize_mode="longest"), activation="",
    ),
    protocol=Protocol(precision="fp32", space="output", templates=('a "{c}".', "{}"), batch_size=64, device="cpu"),
    metrics={"zero_shot": "1"},
    scores={"top1": 1 / 3, "top5": None, "tiny": 5e-324, "sum": 0.1 + 0.2, "count": 3.0},
    intervals={"top1": (0.1, 2 / 3)},
    seconds=Seconds(open=0.1, pixels=0.2, encode_images=0.3, encode_texts=0.4, metrics=0.5, total=1.5),
    environment=Environment(
        clipkstar="0", open_clip="1", torch="2", datasets="3", faiss="4", numpy="5", python="6", platform="Linux",
        device="cpu", commit=None,
    ),
)  # fmt: skip


def _refuse_constant(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def test_a_record_comes_back_as_it_was() -> None:
    again = from_json(to_json(RUN).encode(), where="run.json")
    assert again == RUN
    assert to_json(again) == to_json(RUN)


def test_a_record_without_geometry_and_hash_comes_back_as_it_was() -> None:
    run = replace(RUN, checkpoint=replace(RUN.checkpoint, geometry=None, weights_sha256=None))
    assert from_json(to_json(run).encode(), where="run.json") == run


def test_floats_are_written_in_full_and_undefined_is_null() -> None:
    scores = _loads(to_json(RUN))["scores"]
    assert scores == {"top1": 1 / 3, "top5": None, "tiny": 5e-324, "sum": 0.1 + 0.2, "count": 3.0}
    assert '"top5": null' in to_json(RUN)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_the_json_is_strict_whatever_the_numbers_are(value: float) -> None:
    text = to_json(replace(RUN, scores={"top1": value}))
    assert _loads(text)["scores"] == {"top1": None}


def test_the_fields_are_those_of_the_contract() -> None:
    record = _loads(to_json(RUN))
    assert {name: list(value) if isinstance(value, dict) else None for name, value in record.items()} == {
        "schema": None,
        "run_id": None,
        "status": None,
        "task": [
            *("name", "dataset", "revision", "split"),
            *("n_images", "n_classes", "limit", "fingerprint", "images_digest"),
        ],
        "checkpoint": [
            *("family", "model", "pretrained", "lineage"),
            *("weights_sha256", "config_sha256", "geometry", "activation"),
        ],
        "protocol": ["precision", "space", "templates", "batch_size", "device", "prompt_set"],
        "metrics": ["zero_shot"],
        "scores": ["top1", "top5", "tiny", "sum", "count"],
        "intervals": ["top1"],
        "seconds": ["open", "pixels", "encode_images", "encode_texts", "metrics", "total"],
        "environment": [
            *("clipkstar", "open_clip", "torch", "datasets", "faiss"),
            *("numpy", "python", "platform", "device", "commit"),
        ],
        "embeddings": ["images", "classes"],
    }


def test_a_record_from_before_the_images_had_a_digest_of_their_own_is_read() -> None:
    older = _loads(to_json(RUN))
    del older["task"]["images_digest"]
    assert from_json(json.dumps(older).encode(), where="run.json").task.images_digest == ""


def test_a_field_of_a_newer_clipkstar_is_passed_over() -> None:
    newer = _loads(to_json(RUN)) | {"mood": "good"}
    assert from_json(json.dumps(newer).encode(), where="run.json") == RUN


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "Input data was truncated"),
        (to_json(RUN).encode()[:200], "Input data was truncated"),
        (b"\x00\x01", r"JSON is malformed: invalid character (byte 0)"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "Object missing required field `schema`"),
        (to_json(RUN).replace('"done"', '"gone"').encode(), "Invalid enum value 'gone' - at `$.status`"),
        (to_json(RUN).replace('"batch_size": 64', '"batch_size": null').encode(),
         "Expected `int`, got `null` - at `$.protocol.batch_size`"),
    ],
    ids=["empty", "cut", "binary", "array", "object", "status", "null"],
)  # fmt: skip
def test_a_damaged_record_is_one_sentence_that_names_the_file(text: bytes, reason: str) -> None:
    with pytest.raises(InputError) as raised:
        from_json(text, where="runs/colors/run.json")
    assert str(raised.value) == (
        f"runs/colors/run.json is not a readable run record ({reason}); move it away or repeat with --force."
    )


def test_a_record_of_another_schema_is_one_sentence() -> None:
    with pytest.raises(InputError) as raised:
        from_json(to_json(replace(RUN, schema=2)).encode(), where="runs/colors/run.json")
    assert str(raised.value) == "runs/colors/run.json has record schema 2, this clipkstar reads 1; use other --runs."


def test_a_record_of_another_schema_with_other_fields_is_told_as_such() -> None:
    with pytest.raises(InputError) as raised:
        from_json(b'{"schema": 2, "what": "else"}', where="run.json")
    assert str(raised.value) == "run.json has record schema 2, this clipkstar reads 1; use other --runs."


@pytest.mark.parametrize("kind", [Run, TaskRecord, CheckpointRecord, Protocol, Seconds, Environment])
def test_every_record_is_frozen_and_by_keyword_only(kind: Any) -> None:
    assert is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert all(field.kw_only for field in fields(kind))


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in _strings(part)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(("model", "pretrained"), [("fake:colors", None), ("tiny-p8", "final")])
def test_no_record_holds_a_path_of_this_machine(tmp_path: Path, model: str, pretrained: str | None) -> None:
    family, checkpoint = select_checkpoint(Request(model=model, pretrained=pretrained))
    work = Work(family=family, checkpoint=checkpoint, metrics=select_metrics(()), settings=Settings())
    rows = open_rows(colors_task(tmp_path))
    (outcome,) = evaluate(work, [rows], Store(root=tmp_path / "runs"), lambda *_: None)
    texts = _strings(_loads((outcome.folder / "run.json").read_text()))
    assert "parquet:colors.parquet" in texts
    places = re.compile(rf"(^|[:\s'])[/\\]|[A-Z]:\\|{re.escape(str(tmp_path))}|{re.escape(str(Path.home()))}(/|$)")
    assert [text for text in texts if places.search(text)] == []
