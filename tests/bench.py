"""`make bench`: ratios of our times to another way's, both measured in this run; no test depends on them."""

import time
from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import cdist

from clipkstar.neighbors import search_impostors

N_IMAGES, DIM = 4000, 256
REPEATS = 3


def kstar_by_sorting(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The way of the authors' notebook: all distances, all sorted."""
    order = np.argsort(cdist(points, points), axis=1)
    return np.array([np.argmax(labels[row[row != i]] != labels[i]) + 1 for i, row in enumerate(order)])


def seconds(work: Callable[[], object]) -> float:
    """Shortest of a few runs."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    """Print one line per comparison."""
    print(f"k* of {N_IMAGES} x {DIM} float32, one distance, time / time of sorting all distances (cdist + argsort):")
    for n_classes in (10, 100, 1000):
        rng = np.random.default_rng(0)
        labels = rng.integers(0, n_classes, N_IMAGES)
        points = (rng.normal(size=(n_classes, DIM))[labels] + 2 * rng.normal(size=(N_IMAGES, DIM))).astype(np.float32)
        exact = search_impostors(points, labels)["euclidean"].kstar
        equal = bool((exact == kstar_by_sorting(points, labels)).all())
        ours = seconds(lambda p=points, y=labels: search_impostors(p, y))
        theirs = seconds(lambda p=points, y=labels: kstar_by_sorting(p, y))
        print(f"  {n_classes:4d} classes: {ours / theirs:.2f}  (equal k*: {equal})")


if __name__ == "__main__":
    main()
