"""Metadata of a Hugging Face model card: the results of one checkpoint under `model-index`, as front matter (YAML).

Format: https://github.com/huggingface/hub-docs/blob/main/modelcard.md, made by huggingface_hub's own classes.
`verified` is the hub's to set and stays out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from clipkstar.errors import InputError
from clipkstar.exports.front_matter import KEY, MARK, to_yaml
from clipkstar.exports.result import Exported, Result
from clipkstar.exports.titles import listed
from clipkstar.shown_names import visible
from clipkstar.task import BUILDERS

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

ZERO_SHOT = ("zero-shot-image-classification", "Zero-Shot Image Classification")

FEATURES = ("image-feature-extraction", "Image Feature Extraction")

ABOUT_EMBEDDINGS = ("nn1_accuracy", "kstar_mean", "gamma_approx")
"""Scores that no prompt has a part in; type and name of their task are FEATURES, of the others ZERO_SHOT."""

METRICS = {
    "top1": ("accuracy", "zero-shot top-1 accuracy"),
    "top5": ("top_5_accuracy", "zero-shot top-5 accuracy"),
    "mean_class_recall": ("mean_class_recall", "mean over classes of recall"),
    "worst_group_top1": ("worst_group_accuracy", "top-1 accuracy of the worst subgroup"),
    "ece": ("expected_calibration_error", "expected calibration error, 15 bins"),
    "nn1_accuracy": ("nn1_accuracy", "1-nearest-neighbour accuracy among the images"),
    "kstar_mean": ("kstar_mean", "mean k* / class size (1 = deep inside its class)"),
    "gamma_approx": ("gamma_approx", "Γ′, mean skewness of k* (lower = less fractured)"),
}
"""Score → type and name of the metric on a card, in the order shown. Cards are read by people: these are the scores one
looks at first; csv and parquet have all."""

SOURCES = {"CLIP_benchmark": "https://github.com/LAION-AI/CLIP_benchmark"}
"""Who measured, where it was somebody else."""


def as_model_index(results: Sequence[Result]) -> Exported:
    """Return the card of one checkpoint; raises InputError for several, and where no score is defined."""
    from huggingface_hub.repocard_data import eval_results_to_model_index

    checkpoints = {result.checkpoint for result in results}
    if len(checkpoints) > 1:
        raise InputError(
            f"a model card is of one checkpoint, these results are of {len(checkpoints)}: {listed(checkpoints)}; "
            "choose one with --model, or name its folder."
        )
    entries = eval_results(results)
    if not entries:
        raise InputError(
            f"none of these results has a score that a model card shows; it needs one of {', '.join(METRICS)}."
        )
    name = visible(f"{results[0].model} {results[0].pretrained}".strip())
    shown = {entry.dataset_name for entry in entries}
    left_out = sorted({visible(result.data_set) for result in results} - shown)
    return Exported(
        content=f"---\n{to_yaml({KEY: eval_results_to_model_index(name, entries)})}---\n".encode(),
        notices=tuple(
            f"'{data_set}' is left out: no score that a model card shows is defined." for data_set in left_out
        ),
    )


def eval_results(results: Sequence[Result]) -> list[EvalResult]:
    """Return one entry per result and defined score of METRICS.

    dataset_config: the name of the data set where it is not the task's, such as that of a sample, and where two are of
    one type, split and revision: by nothing else does the hub tell them apart, it would merge them. Else None.
    """
    from huggingface_hub import EvalResult

    alike = Counter((_hub_id(result.dataset), result.split, result.revision) for result in results)
    return [
        EvalResult(
            task_type=(FEATURES if score in ABOUT_EMBEDDINGS else ZERO_SHOT)[0],
            task_name=(FEATURES if score in ABOUT_EMBEDDINGS else ZERO_SHOT)[1],
            dataset_type=_hub_id(result.dataset),
            dataset_name=visible(result.data_set),
            dataset_config=visible(result.data_set)
            if result.data_set != result.task or alike[_hub_id(result.dataset), result.split, result.revision] > 1
            else None,
            dataset_split=None if result.split is None else visible(result.split),
            dataset_revision=result.revision,
            dataset_args=_how(result),
            metric_type=METRICS[score][0],
            metric_name=METRICS[score][1],
            metric_value=value,
            metric_args={"interval_95": list(result.intervals[score])} if score in result.intervals else None,
            source_name=result.source if result.source in SOURCES else None,
            source_url=SOURCES.get(result.source),
        )
        for result in results
        for score in METRICS
        if (value := result.scores.get(score)) is not None
    ]


def _hub_id(dataset: str) -> str:
    """Return the data set as the hub names one, `name` or `org/name`: a repository as it is, of files their builder."""
    builder = dataset.partition(":")[0]
    org, slash, name = (builder if builder in BUILDERS else dataset).partition("/")
    return "/".join(re.sub(r"[^\w.-]+", "-", part, flags=re.ASCII) for part in ((org, name) if slash else (org,)))


def _how(result: Result) -> dict[str, str | int]:
    """Return what was evaluated, how and with what, as far as it is known."""
    said = {
        MARK: f"{result.source} {result.clipkstar or ''}".rstrip(),
        "metric_versions": result.metric_versions,
        "task": visible(result.task),
        "dataset": visible(result.dataset) if result.dataset != _hub_id(result.dataset) else None,
        "n_images": result.n_images,
        "n_classes": result.n_classes,
        "limit": result.limit,
        "prompt_set": visible(result.prompt_set) or None,
        "precision": result.precision,
        "space": result.space,
        "fingerprint": result.fingerprint,
        "run_id": result.run_id,
    }
    return {name: value for name, value in said.items() if value is not None}
