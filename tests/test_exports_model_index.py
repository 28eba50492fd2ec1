"""The model card: what huggingface_hub reads from it is what the runs say."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hand_made_runs import hand_made
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results
from huggingface_hub.utils import validate_repo_id

from clipkstar.errors import InputError
from clipkstar.exports.model_index import as_model_index, eval_results
from clipkstar.exports.result import Result
from clipkstar.exports.run_results import run_results
from clipkstar.run import Run

REVISION = "0123456789abcdef0123456789abcdef01234567"
SCORES = {"top1": 0.8125, "top5": 1 / 3, "mean_class_recall": 0.1 + 0.2, "ece": 1e-5, "gamma_approx": -0.25}


def results(*runs: Run) -> list[Result]:
    return run_results(runs)[0]


def front_matter(text: str) -> dict[str, object]:
    """What stands between the two lines of dashes."""
    assert text.startswith("---\n") and text.endswith("\n---\n")
    return yaml.safe_load(text.removeprefix("---\n").removesuffix("---\n"))


def zero_shot(card: ModelCard) -> list[dict[str, dict[str, str]]]:
    """What huggingface_hub writes of a card it has read, without the results on embeddings."""
    again = yaml.safe_load(card.data.to_yaml())["model-index"][0]["results"]
    return [result for result in again if result["task"]["type"] == "zero-shot-image-classification"]


def test_a_card_says_task_data_set_metrics_and_how_they_came_about() -> None:
    run = hand_made("ViT", "final", scores=SCORES, revision=REVISION, precision="amp_bf16", limit=8)
    text = as_model_index(results(run)).content.decode()
    (model,) = front_matter(text)["model-index"]
    shown, latent = model["results"]
    assert model["name"] == "ViT final"
    assert shown["task"] == {"type": "zero-shot-image-classification", "name": "Zero-Shot Image Classification"}
    assert shown["dataset"] == {
        "name": "digits (sample of 8, amp_bf16)",
        "type": "org/digits",
        "config": "digits (sample of 8, amp_bf16)",
        "split": "test",
        "revision": REVISION,
        "args": {
            "measured_by": "clipkstar 0",
            "metric_versions": "kstar 2; zero_shot 1",
            "task": "digits",
            "n_images": 8,
            "n_classes": 4,
            "limit": 8,
            "precision": "amp_bf16",
            "space": "output",
            "fingerprint": "f" * 64,
            "run_id": run.run_id,
        },
    }
    assert shown["metrics"][0] == {
        "type": "accuracy",
        "value": 0.8125,
        "name": "zero-shot top-1 accuracy",
        "args": {"interval_95": [0.0, 1.0]},
    }
    assert {metric["type"]: metric["value"] for metric in shown["metrics"]} == {
        "accuracy": 0.8125,
        "top_5_accuracy": 1 / 3,
        "mean_class_recall": 0.1 + 0.2,
        "expected_calibration_error": 1e-5,
    }
    assert latent["task"] == {"type": "image-feature-extraction", "name": "Image Feature Extraction"}
    assert latent["dataset"] == shown["dataset"]
    assert {metric["type"]: metric["value"] for metric in latent["metrics"]} == {
        "nn1_accuracy": run.scores["nn1_accuracy"],
        "kstar_mean": run.scores["kstar_mean"],
        "gamma_approx": -0.25,
    }


def test_huggingface_hub_reads_the_card_back_as_it_was_meant(tmp_path: Path) -> None:
    runs = [
        hand_made(scores=SCORES, revision=REVISION),
        hand_made(name="emoji", dataset="org/emoji", fingerprint="e" * 64, scores={"top1": None}),
    ]
    card = tmp_path / "README.md"
    card.write_bytes(as_model_index(results(*runs)).content)
    loaded = ModelCard.load(card)
    assert loaded.data.model_name == "a final"
    assert loaded.data.eval_results == eval_results(results(*runs))
    raw = front_matter(card.read_text())["model-index"]
    assert model_index_to_eval_results(raw) == ("a final", eval_results(results(*runs)))


def test_undefined_scores_are_left_out_and_a_data_set_without_any_is_said() -> None:
    nothing = dict.fromkeys(("top1", "nn1_accuracy", "kstar_mean", "gamma_approx"), None)
    empty = hand_made(name="emoji", fingerprint="e" * 64, scores=nothing)
    exported = as_model_index(results(hand_made(scores={"top1": None}), empty))
    assert exported.notices == ("'emoji' is left out: no score that a model card shows is defined.",)
    (model,) = front_matter(exported.content.decode())["model-index"]
    (shown,) = model["results"]
    assert [metric["type"] for metric in shown["metrics"]] == ["nn1_accuracy", "kstar_mean", "gamma_approx"]
    with pytest.raises(InputError) as raised:
        as_model_index(results(empty))
    assert str(raised.value) == (
        "none of these results has a score that a model card shows; it needs one of top1, top5, mean_class_recall, "
        "worst_group_top1, ece, nn1_accuracy, kstar_mean, gamma_approx."
    )


def test_a_sample_and_the_whole_of_one_repository_stay_apart_when_the_hub_reads_and_writes_the_card(
    tmp_path: Path,
) -> None:
    runs = [
        hand_made(scores={"top1": 0.75}),
        hand_made(scores={"top1": 0.5}, limit=4, n_images=4, fingerprint="e" * 64),
        hand_made(scores={"top1": 0.25}, precision="fp16"),
    ]
    card = tmp_path / "README.md"
    card.write_bytes(as_model_index(results(*runs)).content)
    again = zero_shot(ModelCard.load(card))
    assert {one["dataset"]["name"]: one["metrics"][0]["value"] for one in again} == {
        "digits": 0.75,
        "digits (sample of 4)": 0.5,
        "digits (fp16)": 0.25,
    }


def test_two_tasks_of_one_repository_stay_apart_and_a_score_of_zero_is_shown(tmp_path: Path) -> None:
    runs = [
        hand_made(name=name, fingerprint=name * 32, scores={"top1": value})
        for name, value in (("ab", 0.0), ("cd", 1.0))
    ]
    card = tmp_path / "README.md"
    card.write_bytes(as_model_index(results(*runs)).content)
    again = zero_shot(ModelCard.load(card))
    assert [(one["dataset"]["config"], one["metrics"][0]["value"]) for one in again] == [("ab", 0.0), ("cd", 1.0)]


def test_several_checkpoints_are_refused_with_their_titles() -> None:
    with pytest.raises(InputError) as raised:
        as_model_index(results(hand_made("b"), hand_made("a"), hand_made("a", "stage1")))
    assert str(raised.value) == (
        "a model card is of one checkpoint, these results are of 3: zoo--a--final, zoo--a--stage1, zoo--b--final; "
        "choose one with --model, or name its folder."
    )


def test_equal_names_of_different_weights_are_several_checkpoints() -> None:
    runs = [hand_made(weights_sha256=letter * 64) for letter in "cd"]
    with pytest.raises(InputError) as raised:
        as_model_index(results(*runs))
    assert "of 2: zoo--a--final (cccccccc), zoo--a--final (dddddddd);" in str(raised.value)


def test_of_many_checkpoints_the_first_twelve_are_listed() -> None:
    with pytest.raises(InputError) as raised:
        as_model_index(results(*(hand_made(f"m{number:02d}") for number in range(14))))
    assert "zoo--m11--final and 2 more; choose one" in str(raised.value)


@pytest.mark.parametrize(
    "name",
    ["a\n---\nb", "'\"", ": - {[&*!|>%@`#", "yes", "null", "1e3", "=cmd()", "日本か 👀", " a ", "a\x00b", "<script>"],
)
def test_no_name_breaks_the_card(name: str, tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    run = hand_made(name, name, name=name, dataset=name, split=name, scores=SCORES)
    card.write_bytes(as_model_index(results(run)).content)
    loaded = ModelCard.load(card).data
    shown = name.replace("\n", "\ufffd").replace("\x00", "\ufffd")  # nothing that would end a line
    assert loaded.model_name == f"{shown} {shown}".strip()
    assert {(one.dataset_name, one.dataset_split) for one in loaded.eval_results} == {(shown,) * 2}
    assert {re.fullmatch(r"[A-Za-z0-9_.-]+", one.dataset_type) is None for one in loaded.eval_results} == {False}
    assert len(loaded.eval_results) == 7


def test_what_clip_benchmark_measured_says_so(tmp_path: Path) -> None:
    measured = Result(
        source="CLIP_benchmark", data_set="cars", checkpoint="ViT--openai", task="cars", model="ViT",
        pretrained="openai", dataset="cars", scores={"top1": 0.5, "top5": None, "mean_class_recall": 0.25},
    )  # fmt: skip
    card = tmp_path / "README.md"
    card.write_bytes(as_model_index([measured]).content)
    found = ModelCard.load(card).data.eval_results
    assert [(one.metric_type, one.metric_value) for one in found] == [("accuracy", 0.5), ("mean_class_recall", 0.25)]
    assert {one.source_name for one in found} == {"CLIP_benchmark"}
    assert {one.dataset_args["measured_by"] for one in found} == {"CLIP_benchmark"}
    assert {one.source_url for one in found} == {"https://github.com/LAION-AI/CLIP_benchmark"}
    own = eval_results([replace(measured, source="clipkstar")])
    assert [one.source_name for one in own] == [None, None]


def test_what_no_prompt_has_a_part_in_is_no_zero_shot_classification() -> None:
    scores = dict.fromkeys(("top1", "top5", "mean_class_recall", "ece", "worst_group_top1", "nn1_accuracy"), 0.5)
    found = eval_results(results(hand_made(scores=scores)))
    assert {one.metric_type: one.task_type for one in found} == {
        "accuracy": "zero-shot-image-classification",
        "top_5_accuracy": "zero-shot-image-classification",
        "mean_class_recall": "zero-shot-image-classification",
        "expected_calibration_error": "zero-shot-image-classification",
        "worst_group_accuracy": "zero-shot-image-classification",
        "nn1_accuracy": "image-feature-extraction",
        "kstar_mean": "image-feature-extraction",
        "gamma_approx": "image-feature-extraction",
    }


@pytest.mark.parametrize(
    "dataset, shown, said",
    [
        ("org/digits", "org/digits", None),
        ("digits", "digits", None),
        ("parquet:my digits.parquet", "parquet", "parquet:my digits.parquet"),
        ("wds/vtab/pets", "wds/vtab-pets", "wds/vtab/pets"),
        ("my pets", "my-pets", "my pets"),
    ],
)
def test_the_type_of_a_data_set_is_an_id_of_the_hub_and_what_it_leaves_out_stands_in_args(
    dataset: str, shown: str, said: str | None
) -> None:
    validate_repo_id(shown)
    found = eval_results(results(hand_made(dataset=dataset)))
    assert {(one.dataset_type, one.dataset_args.get("dataset")) for one in found} == {(shown, said)}


def test_two_files_of_one_builder_stay_apart(tmp_path: Path) -> None:
    runs = [
        hand_made(name=name, dataset=f"parquet:{name}.parquet", fingerprint=name * 32, scores={"top1": value})
        for name, value in (("ab", 0.25), ("cd", 0.75))
    ]
    card = tmp_path / "README.md"
    card.write_bytes(as_model_index(results(*runs)).content)
    again = zero_shot(ModelCard.load(card))
    assert [(one["dataset"]["args"]["dataset"], one["metrics"][0]["value"]) for one in again] == [
        ("parquet:ab.parquet", 0.25),
        ("parquet:cd.parquet", 0.75),
    ]
