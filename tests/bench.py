"""`make bench`: ratios of our times to another way's, both measured in this run; no test depends on them.

`python -m tests.bench [N_IMAGES …]` takes other sizes than 20,000 and 50,000; each needs N² · 4 bytes for the product.
"""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import torch
from scipy.spatial.distance import cdist

from clipkstar.jackknife import class_groups
from clipkstar.kstar_summary import jackknife, summarize, without_groups
from clipkstar.neighbors import Engine, search_impostors
from clipkstar.neighbors.rounding import multiplies_bfloat16
from clipkstar.skewness import class_statistics

DIM = 512
N_COMPARED = 10_000
BOTH = ("euclidean", "cosine")


def mixture(n_images: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes that overlap; float32 (n_images, DIM), labels."""
    random = np.random.default_rng(0)
    labels = random.integers(0, n_classes, n_images)
    points = random.normal(size=(n_classes, DIM))[labels] + 2 * random.normal(size=(n_images, DIM))
    return points.astype(np.float32), labels


def kstar_by_sorting(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The way of the authors' notebook: all distances, all sorted."""
    order = np.argsort(cdist(points, points), axis=1)
    return np.array([np.argmax(labels[row[row != i]] != labels[i]) + 1 for i, row in enumerate(order)])


def kstar_by_top(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """faiss: as many neighbours as the largest class has images, and one more."""
    index = faiss.IndexFlatL2(points.shape[1])
    index.add(points)
    _, lists = index.search(points, int(np.bincount(labels).max()) + 1)
    return np.array([np.argmax(labels[row[row != i]] != labels[i]) + 1 for i, row in enumerate(lists)])


def radius_by_class(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """faiss: the nearest image of every class, then of the other classes; the counting is still to come."""
    nearest = np.full(len(points), np.inf)
    for label in np.unique(labels):
        index = faiss.IndexFlatL2(points.shape[1])
        index.add(points[labels == label])
        others = labels != label
        squared, _ = index.search(points[others], 1)
        nearest[others] = np.minimum(nearest[others], squared[:, 0])
    return nearest


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Shortest of a few runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def against_a_product(n_images: int, class_counts: tuple[int, ...]) -> None:
    """Compare with one float32 product of all embeddings."""
    for n_classes in class_counts:
        points, labels = mixture(n_images, n_classes)
        tensor = torch.from_numpy(points)
        groups = class_groups(labels)
        one = seconds(lambda p=points, y=labels: search_impostors(p, y))
        product = seconds(lambda t=tensor: torch.mm(t, t.T), 2)
        out = torch.zeros(n_images, n_images)
        into = seconds(lambda t=tensor, out=out: torch.mm(t, t.T, out=out), 2)
        del out
        grouped = seconds(lambda p=points, y=labels, g=groups: search_impostors(p, y, groups=g), 2)
        both = seconds(lambda p=points, y=labels: search_impostors(p, y, BOTH), 2)
        print(
            f"  {n_images:6d} x {DIM}, {n_classes:4d} classes: {one / product:.2f} of torch.mm "
            f"({one / into:.2f} where the memory of the product is there already); "
            f"both distances {both / one:.2f}, with the jackknife's radii {grouped / one:.2f} of one search",
            flush=True,
        )


def against_other_ways(n_classes: int) -> None:
    """Compare with what a user could pick instead."""
    points, labels = mixture(N_COMPARED, n_classes)
    found = search_impostors(points, labels)["euclidean"].kstar
    ours = seconds(lambda: search_impostors(points, labels))
    by_faiss = seconds(lambda: search_impostors(points, labels, engine=Engine(backend="faiss")))
    sorting = seconds(lambda: kstar_by_sorting(points, labels), 1)
    top = seconds(lambda: kstar_by_top(points, labels), 1)
    per_class = seconds(lambda: radius_by_class(points, labels), 1)
    equal = bool((found == kstar_by_sorting(points, labels)).all())
    print(
        f"  {n_classes:4d} classes: cdist + argsort {sorting / ours:.1f}, faiss top n_c + 1 {top / ours:.1f}, "
        f"faiss k = 1 per class {per_class / ours:.1f}, our faiss backend {by_faiss / ours:.1f} times as long; "
        f"k* of float64 sorting equal: {equal}",
        flush=True,
    )


def share_of_statistics(n_images: int, n_classes: int) -> None:
    """Compare γ, Γ, patterns and intervals with the search that they come from."""
    points, labels = mixture(n_images, n_classes)
    groups = class_groups(labels)
    started = time.perf_counter()
    found = search_impostors(points, labels, groups=groups)["euclidean"]
    searched = time.perf_counter() - started

    def statistics(*, intervals: bool) -> None:
        classes = class_statistics(found.kstar, labels, np.bincount(labels))
        summary = summarize(found.kstar, labels, classes)
        if intervals:
            everyone = np.arange(n_images)
            replicates = without_groups(found, labels, asked=everyone, groups=groups, n_classes=len(classes.n_images))
            jackknife(summary, classes, replicates)

    plain, all_of_it = (seconds(partial(statistics, intervals=intervals)) for intervals in (False, True))
    print(
        f"  {n_images} images, {n_classes} classes: {100 * plain / searched:.1f} % of the search, "
        f"{100 * all_of_it / searched:.1f} % with intervals",
        flush=True,
    )


def resident() -> float:
    """Memory of this process in MiB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def search_and_watch(n_images: int, n_classes: int) -> float:
    """Search under both distances with the jackknife's radii; the peak of memory beyond what was held before, MiB."""
    points, labels = mixture(n_images, n_classes)
    few = slice(0, 4000)  # loads all that is loaded once
    search_impostors(points[few], labels[few], BOTH, groups=class_groups(labels[few]))
    before, peak, done = resident(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    search_impostors(points, labels, BOTH, groups=class_groups(labels))
    done.set()
    watcher.join()
    return peak[0] - before


def extra_memory(n_images: int, n_classes: int) -> None:
    """Measure in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        extra = pool.apply(search_and_watch, (n_images, n_classes))
    print(f"  {n_images} x {DIM}, {n_classes} classes, both distances with the jackknife's radii: {extra:.0f} MiB")


def main() -> None:
    """Print one line per comparison."""
    sizes = [int(size) for size in sys.argv[1:]] or [20_000, 50_000]
    product = "bfloat16" if multiplies_bfloat16() else "float32"
    capability = torch.backends.cpu.get_cpu_capability()
    print(f"{torch.get_num_threads()} threads, {capability}; the search multiplies in {product}.")
    print("k* search / one float32 product of all embeddings:")
    against_a_product(sizes[0], (10, 100, 1000))
    for n_images in sizes[1:]:
        against_a_product(n_images, (1000,))
    print(f"other ways / k* search, {N_COMPARED} x {DIM}:")
    for n_classes in (10, 100, 1000):
        against_other_ways(n_classes)
    print("statistics:")
    share_of_statistics(sizes[-1], 1000)
    print("extra memory of the search:")
    extra_memory(sizes[-1], 1000)


if __name__ == "__main__":
    main()
