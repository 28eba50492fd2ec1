"""Embeddings of a run, laid out in the plane in four ways."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.stratified_sample import stratified_sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Plane = Callable[[NDArray[np.float64], int], NDArray[np.float64]]

MOST_IMAGES = 500
"""Images that are laid out: 500 of 512 numbers take 2 s on one core, 1,000 take 6 s, and more hide each other."""

FEWEST_IMAGES = 5
SPECTRAL = "spectral"
PERPLEXITY = 30.0
"""Default of t-SNE in scikit-learn; a third of the images where these are few."""
NEIGHBOR_SHARE = 10
"""One in so many images is a neighbour in the graph behind the spectral map: the default of scikit-learn."""


@dataclass(frozen=True, kw_only=True)
class Projection:
    """One way of laying out. coordinates: (n, 2) float64; notices: what its algorithm warned of, in its words."""

    name: str
    coordinates: NDArray[np.float64]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Projections:
    """All ways of laying out the same images. positions: (n,) int64, ascending, among all images of the run."""

    positions: NDArray[np.int64]
    layouts: tuple[Projection, ...]


def sample(labels: NDArray[np.int64], colored: Sequence[int], *, most: int = MOST_IMAGES) -> NDArray[np.int64]:
    """Return the ascending positions of a seeded, class-stratified sample of at most `most` images.

    labels: (n_images,). colored: classes with a colour of their own; where there are others, too, half of a sample is
    of coloured ones, or all that they have: of 1,000 classes, each would have no image to show or one.
    """
    import numpy as np

    if len(labels) <= most:
        return np.arange(len(labels))
    is_colored = np.isin(labels, colored)
    inside, outside = np.flatnonzero(is_colored), np.flatnonzero(~is_colored)
    if len(inside) == 0 or len(outside) == 0:
        return stratified_sample(labels, most)
    n_inside = min(len(inside), max(most // 2, most - len(outside)))
    parts = [(inside, n_inside), (outside, most - n_inside)]
    return np.sort(np.concatenate([part[stratified_sample(labels[part], size)] for part, size in parts]))


def project(points: NDArray[np.float64], positions: NDArray[np.int64], *, seed: int = 0) -> Projections | None:
    """Lay out some of the points: PCA, t-SNE, MDS and a spectral map.

    points: (n_images, dim) finite. positions: which of them. Equal input and seed give equal coordinates on one
    machine. Neither scale nor direction of the axes means anything. None for fewer than FEWEST_IMAGES points, and where
    all of them are equal.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    chosen = points[positions] - points[positions].mean(axis=0)
    largest = np.abs(chosen).max(initial=0.0)
    if len(positions) < FEWEST_IMAGES or largest == 0:
        return None
    chosen = chosen / largest
    ways: dict[str, Plane] = {"PCA": _pca, "t-SNE": _tsne, "MDS": _mds, SPECTRAL: _spectral}
    with threadpool_limits(limits=1):  # sums over several threads would differ in their last bits from run to run
        layouts = tuple(_laid_out(name, way, chosen, seed) for name, way in ways.items())
    return Projections(positions=positions, layouts=layouts)


def _laid_out(name: str, way: Plane, points: NDArray[np.float64], seed: int) -> Projection:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        coordinates = way(points, seed)
    notices = tuple(dict.fromkeys(f"{name}: {' '.join(str(warning.message).split())}" for warning in caught))
    return Projection(name=name, coordinates=coordinates, notices=notices)


def _pca(points: NDArray[np.float64], seed: int) -> NDArray[np.float64]:  # noqa: ARG001 - nothing random in it
    import numpy as np
    from sklearn.decomposition import PCA

    if points.shape[1] == 1:
        points = np.pad(points, ((0, 0), (0, 1)))
    return np.asarray(PCA(n_components=2, svd_solver="full").fit_transform(points))


def _tsne(points: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    import numpy as np
    from sklearn.manifold import TSNE

    start = _pca(points, seed)
    start = start / start[:, 0].std() * 1e-4  # the scale that scikit-learn gives its own start by PCA
    tsne = TSNE(perplexity=min(PERPLEXITY, (len(points) - 1) / 3), init=start, learning_rate="auto", random_state=seed)
    return np.asarray(tsne.fit_transform(points), dtype=np.float64)


def _mds(points: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Metric MDS that begins with PCA, which is the classical MDS of Euclidean distances."""
    import numpy as np
    from sklearn.manifold import smacof
    from sklearn.metrics import pairwise_distances

    found = smacof(pairwise_distances(points), init=_pca(points, seed), n_init=1, random_state=seed)
    return np.asarray(found[0])


def _spectral(points: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Laplacian eigenmap of the graph of nearest neighbours, made whole by the minimum spanning tree."""
    import numpy as np
    from scipy.sparse.csgraph import minimum_spanning_tree
    from sklearn.manifold import SpectralEmbedding
    from sklearn.metrics import pairwise_distances
    from sklearn.neighbors import kneighbors_graph

    distances = pairwise_distances(points)
    tree = minimum_spanning_tree(distances + 1e-12 * distances.max()) > 0  # equal points have an edge, too
    nearest = kneighbors_graph(points, max(len(points) // NEIGHBOR_SHARE, 1), include_self=False) > 0
    edges = (tree + tree.T + nearest + nearest.T).astype(np.float64)
    return np.asarray(SpectralEmbedding(affinity="precomputed", random_state=seed).fit_transform(edges))
