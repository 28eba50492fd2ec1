"""A stored run of a bundled model on bundled pictures, all of it recomputed by other means."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import open_clip
import polars as pl
import pytest
import torch
from numpy.typing import NDArray

from clipkstar import cli
from clipkstar.data.rows import Rows, open_rows
from clipkstar.discovery import TASKS, find
from clipkstar.encoders import zoo
from clipkstar.pixels import decode

FOLDER = f"local-dir:{zoo.FOLDER / 'tiny-p8' / 'final'}"
BATCH = 64
SPACES = ("euclidean", "cosine")
PREFIX = {"euclidean": "", "cosine": "cosine_"}


@dataclass(frozen=True)
class Stored:
    """One run as it lies on disk. record: run.json; images, classes: its tables."""

    record: dict[str, dict[str, object]]
    images: pl.DataFrame
    classes: pl.DataFrame

    @property
    def scores(self) -> dict[str, float | None]:
        return self.record["scores"]  # type: ignore[return-value]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stored]:
    """tiny-p8 on every bundled task, by task."""
    runs = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        command = (
            f"clipkstar eval --model tiny-p8 --pretrained final --suite bundled --batch-size {BATCH} --runs {runs}"
        )
        patch.setattr(sys, "argv", command.split())
        cli.main()
    assert not ended.value.code
    return {
        record.relative_to(runs).parts[0]: Stored(
            json.loads(record.read_text()),
            pl.read_parquet(record.with_name("images.parquet")),
            pl.read_parquet(record.with_name("classes.parquet")),
        )
        for record in runs.glob("*/*/*/run.json")
    }


@pytest.fixture(scope="module")
def run(stored: dict[str, Stored]) -> Stored:
    return stored["emoji_noto"]


@pytest.fixture(scope="module")
def rows() -> Rows:
    return open_rows(find(TASKS, "emoji_noto")[0])


@pytest.fixture(scope="module")
def images(rows: Rows) -> NDArray[np.float32]:
    """Embeddings by open_clip alone, in batches of the same size, the last one filled up with its own last picture."""
    model, _, preprocess = open_clip.create_model_and_transforms(FOLDER)
    pictures = [decode(content, where="emoji_noto") for content in rows.image_bytes(range(rows.n_images))]
    pixels = torch.stack([preprocess(picture) for picture in pictures])
    filled = torch.cat([pixels, pixels[-1:].expand(-len(pixels) % BATCH, -1, -1, -1)])
    with torch.inference_mode():
        parts = [model.eval().encode_image(filled[start : start + BATCH]) for start in range(0, len(filled), BATCH)]
    return torch.cat(parts)[: len(pixels)].numpy()


def sorted_kstar(images: NDArray[np.float32], labels: NDArray[np.int64], space: str) -> list[int]:
    """k* of each image from its full ranking: the place of the first other class, which comes first in a tie."""
    points = images.astype(np.float64)
    if space == "cosine":
        points = np.stack([point / math.sqrt(math.fsum(point * point)) for point in points])
    found = []
    for row, point in enumerate(points):
        squared = np.square(points - point).sum(axis=1)
        ranking = [other for other in np.lexsort((labels == labels[row], squared)) if other != row]
        found.append(1 + next(place for place, other in enumerate(ranking) if labels[other] != labels[row]))
    return found


def moment_skewness(values: Sequence[float]) -> float:
    """m3 / m2^1.5 with exact sums."""
    mean = math.fsum(values) / len(values)
    second = math.fsum((value - mean) ** 2 for value in values) / len(values)
    return math.fsum((value - mean) ** 3 for value in values) / len(values) / second**1.5


@pytest.fixture(scope="module")
def kstar(images: NDArray[np.float32], rows: Rows) -> dict[str, list[int]]:
    return {space: sorted_kstar(images, rows.labels, space) for space in SPACES}


def fractions_by_class(kstar: list[int], labels: NDArray[np.int64]) -> list[list[float]]:
    sizes = [int(size) for size in np.bincount(labels)]
    return [
        [k / sizes[label] for k, own in zip(kstar, labels, strict=True) if own == label] for label in range(len(sizes))
    ]


@pytest.mark.parametrize("space", SPACES)
def test_kstar_of_every_image_is_that_of_a_full_ranking(space: str, run: Stored, kstar: dict[str, list[int]]) -> None:
    assert run.images.height == 433
    assert run.images[f"{PREFIX[space]}kstar"].to_list() == kstar[space]


@pytest.mark.parametrize("space", SPACES)
def test_every_impostor_is_the_nearest_image_of_another_class(
    space: str, run: Stored, rows: Rows, images: NDArray[np.float32]
) -> None:
    points = images.astype(np.float64)
    if space == "cosine":
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    impostors = run.images[f"{PREFIX[space]}impostor_row"].to_numpy()
    for row, impostor in enumerate(impostors):
        distances = np.linalg.norm(points - points[row], axis=1)
        assert rows.labels[impostor] != rows.labels[row]
        assert distances[impostor] <= distances[rows.labels != rows.labels[row]].min() + 1e-12


@pytest.mark.parametrize("space", SPACES)
def test_every_gamma_and_the_gammas_of_the_whole_space_are_those_of_exact_sums(
    space: str, run: Stored, rows: Rows, kstar: dict[str, list[int]]
) -> None:
    prefix, by_class = PREFIX[space], fractions_by_class(kstar[space], rows.labels)
    gammas = [moment_skewness(fractions) for fractions in by_class]
    anchored = [moment_skewness([*fractions, 0.0, 1.0]) for fractions in by_class]
    pool = [fraction for fractions in by_class for fraction in fractions]
    assert run.classes[f"{prefix}gamma"].to_list() == pytest.approx(gammas, rel=1e-9)
    assert run.classes[f"{prefix}gamma_anchored"].to_list() == pytest.approx(anchored, rel=1e-9)
    means = [math.fsum(fractions) / len(fractions) for fractions in by_class]
    assert run.classes[f"{prefix}kstar_mean"].to_list() == pytest.approx(means, rel=1e-12)
    expected = {
        "kstar_mean": math.fsum(means) / len(means),
        "gamma_approx": math.fsum(gammas) / len(gammas),
        "gamma_approx_anchored": math.fsum(anchored) / len(anchored),
        "gamma_true": moment_skewness(pool),
        "gamma_true_anchored": moment_skewness([*pool, 0.0, 1.0]),
        "nn1_accuracy": sum(k > 1 for k in kstar[space]) / len(pool),
        "fractured": sum(gamma > 0.5 for gamma in gammas),
        "overlapped": sum(-0.5 <= gamma <= 0.5 for gamma in gammas),
        "clustered": sum(gamma < -0.5 for gamma in gammas),
        "gamma_undefined": 0,
        "singleton_classes": 0,
    }
    assert {name: run.scores[prefix + name] for name in expected} == pytest.approx(expected, rel=1e-9)


@pytest.fixture(scope="module")
def logits(images: NDArray[np.float32], rows: Rows) -> torch.Tensor:
    """Logits of open_clip's own zero-shot classifier on the same images."""
    model = open_clip.create_model(FOLDER).eval()
    tokenizer = open_clip.get_tokenizer(FOLDER, bpe_path=str(zoo.FOLDER / "bpe.txt.gz"))
    with torch.inference_mode():
        classifier = open_clip.build_zero_shot_classifier(
            model,
            tokenizer,
            rows.class_names,
            [lambda name, template=template: template.replace("{c}", name) for template in rows.task.templates],
        )
        unit = torch.nn.functional.normalize(torch.from_numpy(images), dim=-1)
        return model.logit_scale.exp() * unit @ classifier


def test_predictions_and_zero_shot_scores_are_those_of_the_classifier_of_open_clip(
    run: Stored, rows: Rows, logits: torch.Tensor
) -> None:
    labels = torch.from_numpy(rows.labels)
    predictions = logits.argmax(dim=1)
    assert run.images["prediction"].to_list() == predictions.tolist()
    best = logits.softmax(dim=1).amax(dim=1)
    np.testing.assert_allclose(run.images["confidence"], best, atol=1e-5)
    assert run.scores["top1"] == pytest.approx((predictions == labels).double().mean().item(), abs=1e-12)
    in_top5 = (logits.topk(5).indices == labels[:, None]).any(dim=1)
    assert run.scores["top5"] == pytest.approx(in_top5.double().mean().item(), abs=1e-12)
    recalls = [(predictions == label)[labels == label].double().mean().item() for label in range(8)]
    assert run.classes["recall"].to_list() == pytest.approx(recalls, abs=1e-12)
    assert run.scores["mean_class_recall"] == pytest.approx(sum(recalls) / 8, abs=1e-12)


def test_the_tables_and_the_record_tell_of_the_same_images(run: Stored, rows: Rows) -> None:
    assert run.images["row"].to_list() == list(range(433))
    assert run.images["label"].to_list() == rows.labels.tolist()
    assert run.classes["class"].to_list() == list(range(8))
    assert run.classes["name"].to_list() == list(rows.class_names)
    assert run.classes["n_images"].to_list() == np.bincount(rows.labels).tolist()
    task = run.record["task"]
    assert (task["n_images"], task["n_classes"], task["limit"], task["fingerprint"]) == (433, 8, None, rows.fingerprint)
    assert run.record["protocol"]["templates"] == list(rows.task.templates)
    right = (run.images["prediction"] == run.images["label"]).mean()
    assert run.scores["top1"] == pytest.approx(right, abs=1e-12)
    assert all(value is None or math.isfinite(value) for value in run.scores.values())


def test_the_bundled_model_is_good_on_digits_and_clothes(stored: dict[str, Stored]) -> None:
    assert (stored["digits"].scores["top1"] or 0) >= 0.90
    assert (stored["fashion_mnist_2k"].scores["top1"] or 0) >= 0.78


@pytest.mark.parametrize("task", ["emoji_noto", "emoji_fluent"])
def test_the_bundled_model_beats_the_largest_class_on_emoji_it_never_saw(task: str, stored: dict[str, Stored]) -> None:
    sizes = stored[task].classes["n_images"]
    low, high = stored[task].record["intervals"]["top1"]  # type: ignore[misc]
    assert low < stored[task].scores["top1"] < high
    assert low > sizes.max() / sizes.sum()  # type: ignore[operator]
