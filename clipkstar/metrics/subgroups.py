"""Zero-shot classification of the rarest classes and of the worst part of the population."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.class_logits import class_logits, label_ranks
from clipkstar.metric import Measured, Metric, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.embeddings import Embeddings
    from clipkstar.neighbors import Neighbors

FEW_IMAGES = 30
"""In a smaller subgroup one image moves the share by more than three points."""


def compute(embeddings: Embeddings, neighbors: Neighbors) -> Measured:  # noqa: ARG001 - every metric is called alike
    """Find the F1 of the average class, and the subgroup of images that is classified worst.

    All in 0 … 1, higher is better; all are None without a text tower. Ties as in zero_shot.
    f1_macro: mean over the classes that have images of 2·TP / (2·TP + FP + FN), as WILDS; where a class without images
    is predicted, that costs the recall of others only. Published for iWildCam (F1-macro_all).
    worst_group_top1, worst_group_top5: smallest top1 and top5 over the subgroups that have images; None where the data
    set names no subgroups, top5 also below 5 classes. Published for FMoW by region (acc_worst_region), GeoDE by region
    (acc_wg) and Dollar Street by income (acc_top5_wg). Every subgroup counts, as in DataComp's evaluation, which made
    the published numbers; WILDS itself leaves the region "Other" of FMoW out. DataComp means to, but looks for the
    region's name where it has numbers only, so that a few images of "Other" make many a published FMoW score 0.
    No intervals: the worst of several subgroups is a choice made by the same images, and F1 is no share of trials.
    """
    import numpy as np
    from sklearn.metrics import f1_score

    scores: dict[str, float | None] = dict.fromkeys((score.name for score in METRIC.scores), None)
    if embeddings.classes is None:
        return Measured(scores=scores)
    labels = embeddings.labels
    logits = class_logits(embeddings)
    f1 = f1_score(labels, logits.argmax(axis=1), labels=np.unique(labels), average="macro", zero_division=0)
    scores["f1_macro"] = float(f1)
    if embeddings.subgroups is None:
        return Measured(scores=scores)
    ranks = label_ranks(logits, labels)
    notices = []
    for k in (1, 5):
        if k <= embeddings.n_classes:
            name = f"worst_group_top{k}"
            scores[name], group, size = worst_subgroup(ranks < k, embeddings.subgroups)
            if size < FEW_IMAGES:
                notices.append(f"{name} is that of subgroup {group}, which has {size} images only.")
    return Measured(scores=scores, notices=tuple(notices))


def worst_subgroup(correct: NDArray[np.bool_], subgroups: NDArray[np.int64]) -> tuple[float, int, int]:
    """Return the smallest share of `correct` in a subgroup, the number of that subgroup and how many images it has.

    correct, subgroups: (n_images,). Of equal shares the subgroup of the smallest number is named.
    """
    import numpy as np

    numbers, member, sizes = np.unique(subgroups, return_inverse=True, return_counts=True)
    shares = np.bincount(member, weights=correct) / sizes
    worst = int(shares.argmin())
    return float(shares[worst]), int(numbers[worst]), int(sizes[worst])


METRIC = Metric(
    name="subgroups",
    version="1",
    summary="classification of rare classes and of the worst subgroup: f1_macro, worst_group_top1, worst_group_top5",
    scores=(
        Score(name="f1_macro", meaning="mean over classes of F1", better="higher", low=0, high=1),
        Score(name="worst_group_top1", meaning="smallest top1 of a subgroup of images", better="higher", low=0, high=1),
        Score(name="worst_group_top5", meaning="smallest top5 of a subgroup of images", better="higher", low=0, high=1),
    ),
    compute=compute,
    source="Koh et al., arXiv 2012.07421 (WILDS); Gadre et al., arXiv 2304.14108 (DataComp)",
)
