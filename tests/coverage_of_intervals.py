"""How often the 95 % intervals hold the truth, simulated from embeddings: images are drawn, k* is searched.

Data: Gaussian classes of equal size in DIM dimensions, unit spread around centres that are drawn once and stay. A data
set is a fresh draw of all images around these centres. Truth: the expectation of the score of such a data set, at this
number of classes and images (k*/n and γ depend on both), estimated as the mean over TRUTH_TIMES as many data sets as
the intervals are taken from, none of them the same. That estimate is itself off by sd / sqrt(number of data sets),
which for 600 lowers the coverage by about 0.0002 (t φ(t) / 600, t = 1.96).

`python -m tests.coverage_of_intervals [--replicates 300] [--classes 10 100] [--images-per-class 20 50 200]`
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import t

from clipkstar.jackknife import CONFIDENCE, N_GROUPS, class_groups
from clipkstar.kstar_summary import INTERVAL_RANGES, jackknife, summarize, without_groups
from clipkstar.neighbors import search_impostors
from clipkstar.skewness import class_statistics

DIM = 16
SEPARATION = 1.2
"""Standard deviation of the class centres, in that of a class: with 10 classes nine of ten images are nearest to their
own class, with 100 seven of ten, and mean k*/n lies between 0.05 and 0.4."""
TRUTH_TIMES = 2

Scores = dict[str, float | None]
Intervals = dict[str, tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What one score's intervals did.

    truth: the score's expectation. sd: its standard deviation over data sets. n_intervals: data sets that gave one.
    n_covered: intervals that hold the truth. mean_width: of the intervals; ideal_width: of one that knows sd.
    """

    truth: float
    sd: float
    n_intervals: int
    n_covered: int
    mean_width: float

    @property
    def ideal_width(self) -> float:
        """Width of an interval with the same degrees of freedom and the true standard deviation."""
        return 2 * float(t.ppf((1 + CONFIDENCE) / 2, N_GROUPS - 1)) * self.sd


def data_sets(
    n_classes: int, per_class: int, separation: float, role: int, number: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield embeddings and labels; data sets of another role are others, around the same centres."""
    centres = np.random.default_rng(n_classes).normal(size=(n_classes, DIM)) * separation
    labels = np.repeat(np.arange(n_classes), per_class)
    for replicate in range(number):
        random = np.random.default_rng([n_classes, per_class, role, replicate])
        yield (centres[labels] + random.normal(size=(len(labels), DIM))).astype(np.float32), labels


def scores_of(points: np.ndarray, labels: np.ndarray, *, intervals: bool) -> tuple[Scores, Intervals]:
    """Measure one data set as clipkstar.kstar does under the Euclidean distance, without the permutation null."""
    groups = class_groups(labels) if intervals else None
    found = search_impostors(points, labels, groups=groups)["euclidean"]
    classes = class_statistics(found.kstar, labels, np.bincount(labels))
    summary = summarize(found.kstar, labels, classes)
    everyone = np.arange(len(labels))
    replicates = without_groups(found, labels, asked=everyone, groups=groups, n_classes=len(classes.n_images))
    limits, _ = jackknife(summary, classes, replicates)
    return summary, limits


def coverage(n_classes: int, per_class: int, replicates: int, separation: float = SEPARATION) -> dict[str, Coverage]:
    """Simulate one setting; returns the coverage of every score that has an interval."""
    truths = [
        scores_of(*data, intervals=False)[0]
        for data in data_sets(n_classes, per_class, separation, 0, TRUTH_TIMES * replicates)
    ]
    limits = [
        scores_of(*data, intervals=True)[1] for data in data_sets(n_classes, per_class, separation, 1, replicates)
    ]
    found = {}
    for name in INTERVAL_RANGES:
        values = [scores[name] for scores in truths if scores[name] is not None]
        truth, given = float(np.mean(values)), [interval[name] for interval in limits if name in interval]
        found[name] = Coverage(
            truth=truth,
            sd=float(np.std(values, ddof=1)),
            n_intervals=len(given),
            n_covered=sum(low <= truth <= high for low, high in given),
            mean_width=float(np.mean([high - low for low, high in given])) if given else np.nan,
        )
    return found


def main() -> None:
    """Print one line per setting and score."""
    options = argparse.ArgumentParser()
    options.add_argument("--replicates", type=int, default=300)
    options.add_argument("--classes", type=int, nargs="+", default=[10, 100])
    options.add_argument("--images-per-class", type=int, nargs="+", default=[20, 50, 200])
    options.add_argument("--separation", type=float, default=SEPARATION)
    asked = options.parse_args()
    torch.set_num_threads(1)  # these searches are too small for more
    print(f"{asked.replicates} replicates, separation {asked.separation}; ± is twice the standard error of a coverage.")
    print("classes  images per class  score          truth  coverage        mean width  ideal width")
    for n_classes in asked.classes:
        for per_class in asked.images_per_class:
            started = time.perf_counter()
            for name, found in coverage(n_classes, per_class, asked.replicates, asked.separation).items():
                share = found.n_covered / max(found.n_intervals, 1)
                error = 2 * (share * (1 - share) / max(found.n_intervals, 1)) ** 0.5
                missing = asked.replicates - found.n_intervals
                print(
                    f"{n_classes:7d}  {per_class:16d}  {name:13s}  {found.truth:5.3f}  {100 * share:5.1f} ± {error:.1%}"
                    f"  {found.mean_width:10.4f}  {found.ideal_width:11.4f}{f'  {missing} without' if missing else ''}",
                    flush=True,
                )
            print(f"         {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
