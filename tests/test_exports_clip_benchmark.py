"""CLIP_benchmark's table: written as its own command writes it, and read from whoever wrote it."""

import csv
import io
import json
import math
import os
import subprocess
from pathlib import Path

import pytest
from hand_made_runs import hand_made

from clipkstar.errors import InputError
from clipkstar.exports.clip_benchmark import COLUMNS, as_long_csv, is_own_long_csv
from clipkstar.exports.clip_benchmark_results import clip_benchmark_results
from clipkstar.exports.result import Result
from clipkstar.exports.run_results import run_results
from clipkstar.reference import compare_with_reference
from clipkstar.reference_tables import read_published
from clipkstar.run import Run

PEERS = Path(__file__).parent.parent / ".venv-peers"

BUILT = (
    "acc1,acc5,mean_per_class_recall,dataset,model,pretrained,task,language,image_retrieval_recall@5,model_fullname\r\n"
    "0.51234567890123,nan,0.5,wds/vtab/pcam,ViT-B-32,openai,zeroshot_classification,en,,ViT-B-32 openai\r\n"
    ",,,mscoco_captions,ViT-B-32,openai,zeroshot_retrieval,en,0.5,ViT-B-32 openai\r\n"
    "0.1,0.3,0.125,imagenet1k,ViT-B-32,openai,zeroshot_classification,jp,,ViT-B-32 openai\r\n"
    "0.6,0.9,0.625,imagenet1k,ViT-B-32,openai,zeroshot_classification,en,,ViT-B-32 openai\r\n"
    "0.75,1.0,0.75,wds/my_birds,ViT-B-32,openai,zeroshot_classification,en,,ViT-B-32 openai\r\n"
)
"""As `clip_benchmark build` of version 1.6.2 writes it, but that the order of its columns changes from call to call."""


def results(*runs: Run) -> list[Result]:
    return run_results(runs)[0]


def written(folder: Path, text: str, name: str = "built.csv") -> Path:
    file = folder / name
    file.write_text(text, newline="")
    return file


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_a_run_is_a_row_of_the_table() -> None:
    scores = {"top1": 1 / 3, "top5": 0.1 + 0.2, "mean_class_recall": 0.25}
    exported = as_long_csv(results(hand_made("ViT-B-32", "openai", name="pets", scores=scores)))
    assert exported.content.decode() == (
        "acc1,acc5,mean_per_class_recall,dataset,model,pretrained,task,language,model_fullname\n"
        "0.3333333333333333,0.30000000000000004,0.25,vtab/pets,ViT-B-32,openai,zeroshot_classification,en,"
        "ViT-B-32 openai\n"
    )
    assert exported.notices == ()


def test_data_sets_have_the_names_of_clip_benchmark_and_say_what_no_column_says() -> None:
    runs = [
        hand_made(name="imagenet_a", fingerprint="a" * 64),
        hand_made(name="clevr_count", fingerprint="c" * 64),
        hand_made(name="my_birds", fingerprint="1" * 64),
        hand_made(name="digits", fingerprint="2" * 64),
        hand_made(name="digits", fingerprint="3" * 64, prompt_set="de"),
        hand_made(name="digits", fingerprint="4" * 64, limit=8),
        hand_made(name="digits", fingerprint="2" * 64, precision="fp16"),
        hand_made(name="digits", fingerprint="5" * 64, limit=8, prompt_set="plain"),
    ]
    named = {(row["dataset"], row["language"]) for row in rows(as_long_csv(results(*runs)).content)}
    assert named == {
        ("imagenet-a", "en"),
        ("vtab/clevr_count_all", "en"),
        ("my_birds", "en"),
        ("digits", "en"),
        ("digits", "de"),
        ("digits (sample of 8)", "en"),
        ("digits (fp16)", "en"),
        ("digits (sample of 8, prompts plain)", "plain"),
    }


def test_what_is_undefined_is_an_empty_cell_and_runs_without_accuracy_are_counted() -> None:
    few = hand_made(scores={"top1": 0.5, "top5": None, "mean_class_recall": 0.5})
    image_only = hand_made("b", scores={"top1": None})
    exported = as_long_csv(results(few, image_only))
    (row,) = rows(exported.content)
    assert (row["acc1"], row["acc5"]) == ("0.5", "")
    assert exported.notices == ("1 result without a zero-shot accuracy left out.",)
    with pytest.raises(InputError) as raised:
        as_long_csv(results(image_only))
    assert str(raised.value) == (
        "none of these results has a zero-shot accuracy, which CLIP_benchmark's table is about; --format csv and "
        "parquet take every score."
    )


def test_checkpoints_that_the_table_cannot_tell_apart_are_refused() -> None:
    with pytest.raises(InputError) as raised:
        as_long_csv(results(hand_made(family="timm"), hand_made(family="open_clip", weights_sha256="b" * 64)))
    assert str(raised.value) == (
        "CLIP_benchmark's table cannot tell open_clip--a--final from timm--a--final on digits: it names a checkpoint "
        "by 'a' and 'final' alone; choose one with --model, or name the folder of one run."
    )


def test_names_that_need_quotes_come_back(tmp_path: Path) -> None:
    run = hand_made('a,"b"\nc', "=cmd()", name="my\nset", scores={"top1": 0.5})
    exported = as_long_csv(results(run))
    (found,), notices = clip_benchmark_results(written(tmp_path, exported.content.decode()))
    assert (found.model, found.pretrained, found.task, notices) == ('a,"b"\nc', "=cmd()", "my\nset", [])
    assert "'=cmd()'" in exported.notices[0]


def test_a_table_of_ours_is_read_back_as_it_was_written_and_written_again_the_same(tmp_path: Path) -> None:
    scores = {"top1": 0.1 + 0.2, "top5": None, "mean_class_recall": 2 / 3}
    runs = [
        hand_made("m", scores=scores, name=name, fingerprint=letter * 64, **more)
        for name, letter, more in (
            ("pcam", "a", {}),
            ("digits", "b", {}),
            ("digits", "c", {"prompt_set": "de"}),
            ("digits", "d", {"limit": 8, "prompt_set": "de"}),
        )
    ]
    first = as_long_csv(results(*runs))
    found, notices = clip_benchmark_results(written(tmp_path, first.content.decode()))
    assert notices == [] and {tuple(one.scores.items()) for one in found} == {tuple(scores.items())}
    assert {(one.task, one.prompt_set) for one in found} >= {("pcam", ""), ("digits", ""), ("digits", "de")}
    again = rows(as_long_csv(found).content)
    assert sorted(again, key=str) == sorted(rows(first.content), key=str)


def test_the_reference_gate_reads_our_table_as_it_reads_clip_benchmarks(tmp_path: Path) -> None:
    run = hand_made("ViT-B-32", "openai", name="cifar10", scores={"top1": 0.8765})
    file = written(tmp_path, as_long_csv(results(run)).content.decode())
    (row,) = compare_with_reference([run], file).to_dicts()
    assert (row["ours"], row["reference"], row["delta"]) == (0.8765, 0.8765, 0)


def test_a_table_of_clip_benchmark_is_read(tmp_path: Path) -> None:
    found, notices = clip_benchmark_results(written(tmp_path, BUILT))
    assert notices == ["'built.csv': 1 row without zero-shot accuracy left out."]
    assert [(one.task, one.data_set, one.dataset, one.prompt_set) for one in found] == [
        ("imagenet1k", "imagenet1k", "imagenet1k", ""),
        ("imagenet1k", "imagenet1k (prompts jp)", "imagenet1k", "jp"),
        ("my_birds", "my_birds", "wds/my_birds", ""),
        ("pcam", "pcam", "wds/vtab/pcam", ""),
    ]
    assert {(one.source, one.checkpoint, one.family) for one in found} == {("CLIP_benchmark", "ViT-B-32--openai", None)}
    assert found[0].scores == {"top1": 0.6, "top5": 0.9, "mean_class_recall": 0.625}
    assert found[3].scores == {"top1": 0.51234567890123, "top5": None, "mean_class_recall": 0.5}


def test_the_json_of_one_evaluation_is_read(tmp_path: Path) -> None:
    record = {
        "dataset": "wds/cars",
        "model": "ViT-B-32",
        "pretrained": "openai",
        "task": "zeroshot_classification",
        "metrics": {"acc1": 0.5, "acc5": float("nan"), "mean_per_class_recall": 0.25, "dataset": "of the metrics"},
        "language": "en",
        "classnames": ["a", "b"],
    }
    (found,), notices = clip_benchmark_results(written(tmp_path, json.dumps(record), "one.json"))
    assert (found.task, found.dataset, notices) == ("cars", "wds/cars", [])
    assert found.scores == {"top1": 0.5, "top5": None, "mean_class_recall": 0.25}


def test_what_is_known_to_be_wrong_with_clevr_distance_is_said(tmp_path: Path) -> None:
    text = BUILT.replace("wds/my_birds", "vtab/clevr_closest_object_distance")
    assert clip_benchmark_results(written(tmp_path, text))[1][-1] == (
        "'built.csv': CLEVR Distance was evaluated with one class name blank; its numbers do not compare with ours."
    )


@pytest.mark.parametrize(
    "name, text, message",
    [
        (
            "a.csv",
            "name,pretrained,ImageNet 1k\nRN50,openai,0.5\n",
            "'a.csv' is no table of CLIP_benchmark; it needs the columns dataset, model, pretrained, acc1, acc5, "
            "mean_per_class_recall.",
        ),
        (
            "a.csv",
            BUILT.replace("0.1,0.3", "10.1,0.3"),
            "'a.csv' has for ViT-B-32 openai on imagenet1k in the column 'acc1' '10.1'; it needs a number from 0 to 1.",
        ),
        (
            "a.csv",
            BUILT.replace(",jp,", ",en,"),
            "'a.csv' has two results of ViT-B-32 openai on imagenet1k; remove one.",
        ),
        (
            "run.json",
            '{"schema": 1, "metrics": {"kstar": "2"}}',
            "'run.json' is no result of CLIP_benchmark; it needs dataset, model, pretrained and metrics (runs of "
            "clipkstar are named by their folder).",
        ),
        (
            "a.json",
            "[1]",
            "'a.json' is no result of CLIP_benchmark; it needs dataset, model, pretrained and metrics (runs of "
            "clipkstar are named by their folder).",
        ),
    ],
)
def test_another_file_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        clip_benchmark_results(written(tmp_path, text, name))
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "name, beginning", [("a.csv", "there is no file of published results"), ("a.json", "there is")]
)
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, name: str, beginning: str) -> None:
    with pytest.raises(InputError, match=beginning):
        clip_benchmark_results(tmp_path / name)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match="is no readable JSON file"):
        clip_benchmark_results(file)


def test_other_languages_and_tasks_do_not_stand_in_the_way_of_the_reference_gate(tmp_path: Path) -> None:
    linear = "0.9,1.0,0.9,imagenet1k,ViT-B-32,openai,linear_probe,en,,ViT-B-32 openai\r\n"
    published = read_published(written(tmp_path, BUILT + linear), {"imagenet1k": "top1", "pcam": "top1"})
    assert {key: number.value for key, number in published.items()} == {
        ("imagenet1k", "ViT-B-32", "openai"): 0.6,
        ("pcam", "ViT-B-32", "openai"): 0.51234567890123,
    }


def test_only_a_table_with_our_order_of_columns_is_taken_for_an_earlier_export(tmp_path: Path) -> None:
    own = written(tmp_path, as_long_csv(results(hand_made())).content.decode(), "own.csv")
    assert (is_own_long_csv(own), is_own_long_csv(written(tmp_path, BUILT))) == (True, False)
    assert set(COLUMNS) <= set(BUILT.splitlines()[0].split(","))


def test_what_the_command_of_clip_benchmark_builds_is_read(tmp_path: Path) -> None:
    command = PEERS / "bin" / "clip_benchmark"
    if not (PEERS / ".installed").exists():
        sentence = "there is no .venv-peers with CLIP_benchmark; 'make .venv-peers/.installed' builds it."
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    names = {"model": "ViT-B-32", "pretrained": "openai", "language": "en"}
    measured = [
        {
            "dataset": "wds/vtab/pcam",
            "task": "zeroshot_classification",
            "metrics": {"acc1": 0.1 + 0.2, "acc5": math.nan},
        },
        {"dataset": "cars", "task": "zeroshot_classification", "metrics": {"acc1": 0.5, "mean_per_class_recall": 1e-5}},
        {"dataset": "mscoco_captions", "task": "zeroshot_retrieval", "metrics": {"image_retrieval_recall@5": 0.5}},
    ]
    files = [written(tmp_path, json.dumps(names | one), f"{number}.json") for number, one in enumerate(measured)]
    table = tmp_path / "built.csv"
    subprocess.run([command, "build", *files, "--output", table], check=True, capture_output=True, timeout=200)
    found, notices = clip_benchmark_results(table)
    assert {one.task: one.scores for one in found} == {
        "pcam": {"top1": 0.1 + 0.2, "top5": None, "mean_class_recall": None},
        "cars": {"top1": 0.5, "top5": None, "mean_class_recall": 1e-5},
    }
    assert notices == ["'built.csv': 1 row without zero-shot accuracy left out."]
    assert found == [clip_benchmark_results(file)[0][0] for file in (files[1], files[0])]
    with table.open(newline="") as file:
        assert set(COLUMNS) <= set(csv.DictReader(file).fieldnames or ())


def test_a_formula_in_any_of_its_cells_is_said_and_in_none_that_it_lacks() -> None:
    run = hand_made(split="=split", scores={"top1": 0.5, "=score": 0.5})
    assert as_long_csv(run_results([run])[0]).notices == ()
    run = hand_made(prompt_set="@words", scores={"top1": 0.5})
    assert as_long_csv(run_results([run])[0]).notices == (
        "the name '@words' begins as a formula does, which a spreadsheet would compute; import the file there as text.",
    )
