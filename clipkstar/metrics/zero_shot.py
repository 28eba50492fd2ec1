"""Zero-shot classification through the text tower."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.class_logits import class_logits, label_ranks
from clipkstar.metric import Measured, Metric, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.embeddings import Embeddings
    from clipkstar.neighbors import Neighbors

ECE_BINS = 15
"""Equal-width bins of the expected calibration error (Guo et al. 2017)."""

NORMAL_975 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


def compute(embeddings: Embeddings, neighbors: Neighbors) -> Measured:  # noqa: ARG001 - every metric is called alike
    """Classify every image by its nearest class embedding; the first class index wins a tie.

    top1, top5, mean_class_recall, ece in 0 … 1. top5 is None below 5 classes; all are None without a text tower.
    mean_class_recall averages over the classes that have images. Intervals of top1 and top5 are Wilson's.
    """
    import numpy as np
    import polars as pl

    if embeddings.classes is None:
        return Measured(
            scores=dict.fromkeys((score.name for score in METRIC.scores), None),
            notices=("without text embeddings in this space the zero-shot scores are null.",),
        )
    labels = embeddings.labels
    logits = class_logits(embeddings)
    predictions = logits.argmax(axis=1)
    confidences = confidence(logits, sigmoid=embeddings.logit_bias is not None)
    correct = predictions == labels
    in_top5 = label_ranks(logits, labels) < 5
    sizes = np.bincount(labels, minlength=embeddings.n_classes)
    hits = np.bincount(labels[correct], minlength=embeddings.n_classes)
    recalls = [int(hit) / int(size) if size else None for hit, size in zip(hits, sizes, strict=True)]
    return Measured(
        scores={
            "top1": float(correct.mean()),
            "top5": float(in_top5.mean()) if embeddings.n_classes >= 5 else None,
            "mean_class_recall": float(np.mean([recall for recall in recalls if recall is not None])),
            "ece": expected_calibration_error(confidences, correct),
        },
        intervals={"top1": wilson(correct)} | ({"top5": wilson(in_top5)} if embeddings.n_classes >= 5 else {}),
        images=pl.DataFrame({"prediction": predictions, "confidence": confidences}),
        classes=pl.DataFrame({"recall": recalls}, schema={"recall": pl.Float64}),
    )


def confidence(logits: NDArray[np.float32], *, sigmoid: bool) -> NDArray[np.float64]:
    """Largest probability of each image (n_images,): softmax over the classes, or sigmoid of each for such models."""
    import numpy as np

    wide = logits.astype(np.float64)
    largest = wide.max(axis=1)
    if sigmoid:
        from scipy.special import expit  # which takes a tenth of a second to import

        return np.asarray(expit(largest))
    return np.asarray(1 / np.exp(wide - largest[:, None]).sum(axis=1))


def expected_calibration_error(confidences: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Mean over images of |accuracy - mean confidence| of the image's bin; 15 equal-width bins, right end included."""
    import numpy as np

    gaps = np.bincount(confidence_bins(confidences), weights=correct - confidences, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / len(correct))


def confidence_bins(confidences: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bin 0 … 14 of each image (n_images,): 15 bins of equal width, the right end included."""
    import numpy as np

    bins: NDArray[np.int64] = np.ceil(confidences * ECE_BINS).astype(np.int64) - 1
    return np.clip(bins, 0, ECE_BINS - 1)


def wilson(successes: NDArray[np.bool_]) -> tuple[float, float]:
    """95 % Wilson score interval of a proportion. Source: Wilson, JASA 22 (1927)."""
    n, z2 = len(successes), NORMAL_975**2
    hits = int(successes.sum())
    middle = (hits + z2 / 2) / (n + z2)
    half_width = (z2 * (hits * (n - hits) / n + z2 / 4)) ** 0.5 / (n + z2)
    return (middle - half_width if hits else 0.0), (middle + half_width if hits < n else 1.0)


METRIC = Metric(
    name="zero_shot",
    version="1",
    summary="classification through the text tower: top1, top5, mean_class_recall, ece",
    scores=(
        Score(name="top1", meaning="share of images whose best class is right", better="higher", low=0, high=1),
        Score(name="top5", meaning="share with the right class among the best 5", better="higher", low=0, high=1),
        Score(name="mean_class_recall", meaning="mean over classes of recall", better="higher", low=0, high=1),
        Score(name="ece", meaning="expected calibration error, 15 bins", better="lower", low=0, high=1),
    ),
    compute=compute,
    source="Radford et al., arXiv 2103.00020; Guo et al., arXiv 1706.04599 (ece)",
)
