"""Which runs of one data set have equal embeddings, as far as their latent scores tell.

The same weights in another file format have another hash, and another loader computes them with other roundings: scores
that are smooth in the embeddings then agree almost to the last digits, those of ranks and neighbours less closely.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from clipkstar.report.latent import latent_scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.run import Run

SHARES = ("nn1_accuracy", "cosine_nn1_accuracy", "knn20_accuracy")
"""Latent scores that count images: different embeddings may well agree in them."""

OF_NEIGHBORS = ("kstar", "gamma", "cosine_kstar", "cosine_gamma", "hubness")
"""Beginnings of scores in which one rounding may swap two neighbours."""

SMOOTH_TOLERANCE = 1e-4
"""Relative difference between two loaders of the same weights in fp32, with room; of what is about 0, see NEAR_ZERO."""

NEAR_ZERO = 1e-6
"""Difference of two smooth scores that is none whatever their size."""

NEIGHBOR_TOLERANCE = 1e-2
"""Difference in scores of neighbours, relative above 1, that a few swapped neighbours make."""

LEAST_EQUAL = 3
"""Different numbers in which two runs agree before their embeddings are taken to be equal."""


def equal_embeddings(runs: Sequence[Run], order: Sequence[int]) -> dict[int, int]:
    """Return for each run that has the embeddings of an earlier one in the order that one's number.

    order: numbers of the runs to compare. Embeddings are equal where at least LEAST_EQUAL smooth scores agree within
    SMOOTH_TOLERANCE and those of neighbours within NEIGHBOR_TOLERANCE, or where all scores, as many, agree to the last
    digit. Scores that one of the two lacks say nothing.
    """
    import numpy as np

    table = np.array([_scores(runs[n]) for n in order], dtype=np.float64).reshape(len(order), len(_names()))
    allowed = _allowed(table)
    found: dict[int, int] = {}
    counted: list[int] = []
    for row, n in enumerate(order):
        others = table[counted]
        known = ~np.isnan(others) & ~np.isnan(table[row])
        far = known & (np.abs(others - table[row]) > np.maximum(allowed[counted], allowed[row]))
        same = (other for other in np.flatnonzero(~far.any(axis=1)) if _tell(table[row], others[other], known[other]))
        first = next(same, None)
        if first is None:
            counted.append(row)
        else:
            found[n] = order[counted[first]]
    return found


def _tell(scores: NDArray[np.float64], others: NDArray[np.float64], known: NDArray[np.bool_]) -> bool:
    """Whether scores that agree are enough to call the embeddings equal."""
    if len(set(scores[known & _is_smooth()])) >= LEAST_EQUAL:
        return True
    return bool((scores[known] == others[known]).all()) and len(set(scores[known])) >= LEAST_EQUAL


def _allowed(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far another run's score may be from each."""
    import numpy as np

    sizes = np.abs(table)
    smooth = np.maximum(SMOOTH_TOLERANCE * sizes, NEAR_ZERO)
    return np.where(_is_smooth(), smooth, NEIGHBOR_TOLERANCE * np.maximum(sizes, 1))


def _scores(run: Run) -> list[float | None]:
    """Return the latent scores that tell embeddings apart, in the order of _names(); None = not known.

    Those of k* do not where all k*/n are equal: then every perfect space has the same.
    """
    perfect = tuple(
        f"{prefix}{of}"
        for prefix in ("", "cosine_")
        if run.scores.get(f"{prefix}gamma_true") is None
        for of in ("kstar", "gamma")
    )
    return [None if perfect and name.startswith(perfect) else run.scores.get(name) for name in _names()]


@cache
def _names() -> tuple[str, ...]:
    return tuple(name for name in latent_scores() if name not in SHARES)


@cache
def _is_smooth() -> NDArray[np.bool_]:
    import numpy as np

    return np.array([not name.startswith(OF_NEIGHBORS) for name in _names()])
