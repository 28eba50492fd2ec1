"""Pass one by another way: faiss's flat index proposes the impostors that may be the nearest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from clipkstar.neighbors.panels import PADDING, Panel
from clipkstar.neighbors.rounding import MARGIN, NEVER, Store, multiply
from clipkstar.neighbors.sweep import REACHED, Proposals, View

N_NEAREST = 16
"""Impostors asked for on each side of the own class; an image whose last one may still tie is searched in float64."""


@dataclass(frozen=True, kw_only=True)
class Best:
    """The impostors of largest V of some images: values (n, k) float32, slots (n, k) int64 of all panels.

    complete: (n,) float32, no impostor beside these has a larger V.
    """

    values: NDArray[np.float32]
    slots: NDArray[np.int64]
    complete: NDArray[np.float32]


def propose_flat(
    seekers: Sequence[Panel], panels: Sequence[Panel], store: Store, view: View, groups: NDArray[np.int64] | None
) -> Iterator[Proposals]:
    """Yield, panel of seekers after panel, the proposals as `sweep.propose` does; one distance at a time.

    Holds all rounded points in memory, whatever their number.
    """
    rounded = [store.panel(panel) for panel in panels]
    right = torch.cat([part.right for part in rounded]).cpu().numpy()
    parts = torch.cat([view.parts(part)[1] for part in rounded]).cpu()
    members = np.concatenate([panel.members for panel in panels])
    for rows in seekers:
        points = store.fresh(rows)
        seeking = rows.members != PADDING
        best = _best(points.left(), rows, panels, right, store.device)
        left = view.parts(points)[0].cpu()
        slack = torch.einsum("rp,rkp->rk", left, parts[torch.from_numpy(best.slots)]).numpy() * np.float32(MARGIN)
        low = np.where(best.values > REACHED, best.values - slack, -np.inf)
        reach = low.max(axis=1)
        if groups is not None:
            of_slots = groups[members[best.slots]]
            home = np.take_along_axis(of_slots, low.argmax(axis=1)[:, None], axis=1)
            reach = np.where(of_slots == home, -np.inf, low).max(axis=1)
        limit = (left @ parts.amax(dim=0)).numpy() * np.float32(MARGIN)
        crowded = seeking & (best.complete > REACHED) & (best.complete + limit >= reach)
        row, column = np.nonzero(
            (best.values + slack >= reach[:, None]) & (best.values > REACHED) & (seeking & ~crowded)[:, None]
        )
        yield Proposals(
            images=rows.members[row],
            impostors=members[best.slots[row, column]],
            values=best.values[row, column].astype(np.float64),
            slack=slack[row, column].astype(np.float64),
            crowded=rows.members[crowded],
        )


def _best(left: torch.Tensor, rows: Panel, panels: Sequence[Panel], right: NDArray[np.float32], device: str) -> Best:
    """Search the slots before and after all panels that share a class with the rows, and those panels tile by tile."""
    shared = [panel for panel in panels if panel.shares_classes(rows)]
    start, stop = shared[0].slots.start, shared[-1].slots.stop
    found = [
        _search(left.cpu().numpy(), right[side], side.start, device)
        for side in (slice(0, start), slice(stop, len(right)))
        if side.start < side.stop
    ]
    found += [_within(left, rows, panel, right) for panel in shared if not rows.is_one_class_with(panel)]
    return Best(
        values=np.concatenate([best.values for best in found], axis=1),
        slots=np.concatenate([best.slots for best in found], axis=1),
        complete=np.max([best.complete for best in found], axis=0),
    )


def _search(left: NDArray[np.float32], right: NDArray[np.float32], first_slot: int, device: str) -> Best:
    import faiss

    k = min(N_NEAREST, len(right))
    if device == "cuda":
        resources = faiss.StandardGpuResources()
        values, slots = faiss.knn_gpu(resources, left, right, k, metric=faiss.METRIC_INNER_PRODUCT)
    else:
        values, slots = faiss.knn(left, right, k, metric=faiss.METRIC_INNER_PRODUCT)
    missing = slots < 0  # values that are not there, as with a padded row's
    values = np.where(missing, np.float32(NEVER), values)
    complete = np.full(len(left), NEVER, dtype=np.float32) if k == len(right) else values[:, -1]
    return Best(values=values, slots=np.where(missing, 0, slots) + first_slot, complete=complete)


def _within(left: torch.Tensor, rows: Panel, panel: Panel, right: NDArray[np.float32]) -> Best:
    """Search one panel that shares classes with the rows."""
    side = torch.from_numpy(right[panel.slots]).to(left.device)
    tile = multiply(left, side, torch.empty(len(left) * len(side), device=left.device)).cpu().numpy()
    tile[rows.labels[:, None] == panel.labels[None, :]] = NEVER
    k = min(N_NEAREST, tile.shape[1])
    places = np.argpartition(-tile, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(tile, places, axis=1)
    complete = np.full(len(tile), NEVER, dtype=np.float32) if k == tile.shape[1] else values.min(axis=1)
    return Best(values=values, slots=places + panel.start, complete=complete)
