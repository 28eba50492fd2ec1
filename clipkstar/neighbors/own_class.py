"""Pass two: how many images of its own class lie inside the radius of every image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from clipkstar.neighbors.panels import runs_of_classes
from clipkstar.neighbors.radii import Radii, Radius
from clipkstar.neighbors.rounding import FLOAT32_UNIT, NEVER, Store, multiply
from clipkstar.neighbors.sweep import REACHED, View

RUN = 256
"""Images of small classes that are multiplied with each other at a time."""
TILE = 1024
"""Side of a tile within one large class."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Own-class images inside a radius by group, (n_images, n_groups) int32; one column where there are no groups.

    inside: inside the radius. wider: inside the radius that holds once the nearest impostor's group is left out.
    """

    inside: NDArray[np.int32]
    wider: NDArray[np.int32] | None


@dataclass(frozen=True, kw_only=True)
class Block:
    """Images (positions) whose pairs of one class are counted; both: for `columns` as well as for `rows`."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    both: bool


def blocks(labels: NDArray[np.int64], chosen: NDArray[np.int64] | None) -> Iterator[Block]:
    """Cover every pair (chosen image, image) of one class once, or (chosen = None: all) every unordered pair."""
    order = np.argsort(labels, kind="stable")
    sorted_labels = labels[order]
    asked = np.ones(len(labels), dtype=bool)
    if chosen is not None:
        asked[:] = False
        asked[chosen] = True
    for start, stop in runs_of_classes(sorted_labels, RUN):
        members = order[start:stop]
        if len(members) <= TILE or sorted_labels[start] != sorted_labels[stop - 1]:
            yield Block(rows=members[asked[members]], columns=members, both=False)
            continue
        pieces = np.array_split(members, -(-len(members) // TILE))
        for number, rows in enumerate(pieces):
            for columns in pieces[number:] if chosen is None else pieces:
                yield Block(rows=rows[asked[rows]], columns=columns, both=chosen is None and columns is not rows)


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """V above which an image of the own class lies inside the radius of each image; arrays (n_images,) float32.

    slack: by how much V has to differ from `middle`, beside its own bound, for that to be certain.
    """

    radius: Radius
    middle: torch.Tensor
    slack: torch.Tensor

    @staticmethod
    def of(radius: Radius, view: View, device: str) -> Threshold:
        """Return the threshold of a radius; nobody is inside 0, everybody inside infinity."""
        middle = np.where(radius.exact == 0, -NEVER, np.maximum(radius.middle, REACHED))
        # Near the middle, V is off by its relative error and by its rounding to float32; twice that is more.
        slack = radius.slack + (2 * view.relative + 4 * FLOAT32_UNIT) * (np.abs(middle) + radius.slack)
        return Threshold(
            radius=radius,
            middle=torch.from_numpy(middle).to(device, torch.float32),
            slack=torch.from_numpy(slack).to(device, torch.float32),
        )


def count_inside(
    store: Store,
    views: Sequence[View],
    radii: Sequence[Radii],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    chosen: NDArray[np.int64] | None,
) -> list[Counts]:
    """Count, for every (chosen) image and under every view, the images of its class inside its radii."""
    tallies = [_Tally.start(view, radius, groups, store.device) for view, radius in zip(views, radii, strict=True)]
    memory = [torch.empty(0, device=store.device) for _ in ("tile", "comparison", *views)]
    for block in blocks(labels, chosen):
        if not len(block.rows):
            continue
        rows, columns = store.images(block.rows), store.images(block.columns)
        if memory[0].numel() < len(block.rows) * len(block.columns):
            memory = [torch.empty(len(block.rows) * len(block.columns), device=store.device) for _ in memory]
        tile = multiply(rows.left(), columns.right, memory[0])
        _bar_others(tile, block, labels)
        for view, tally, free in zip(views, tallies, memory[2:], strict=True):
            values = view.read(tile, rows, columns, free)
            space = memory[1][: values.numel()].view(values.shape)
            tally.add(values, block.rows, block.columns, view.bound(rows, columns), space)
            if block.both:
                tally.add(values.T, block.columns, block.rows, view.bound(columns, rows), space.T)
    return [tally.counts() for tally in tallies]


def _bar_others(tile: torch.Tensor, block: Block, labels: NDArray[np.int64]) -> None:
    """Take out of a tile the images themselves and the pairs of two classes."""
    left, right = labels[block.rows], labels[block.columns]
    if right[0] != right[-1]:
        left_there, right_there = (torch.from_numpy(side).to(tile.device) for side in (left, right))
        tile.masked_fill_(left_there[:, None] != right_there[None, :], NEVER)
    if not block.both:
        _, at_row, at_column = np.intersect1d(block.rows, block.columns, assume_unique=True, return_indices=True)
        tile[torch.from_numpy(at_row), torch.from_numpy(at_column)] = NEVER


@dataclass(frozen=True, kw_only=True)
class _Tally:
    """Counts of one view while blocks come in: one threshold and one table of counts for each kind of radius.

    groups: (n_images,) int64. membership: (n_groups, n_groups) float32, a row that counts into each group.
    """

    thresholds: tuple[Threshold, ...]
    tables: tuple[NDArray[np.int32], ...]
    groups: NDArray[np.int64]
    membership: torch.Tensor

    @staticmethod
    def start(view: View, radii: Radii, groups: NDArray[np.int64] | None, device: str) -> _Tally:
        n_images = len(radii.nearest.position)
        known = np.zeros(n_images, dtype=np.int64) if groups is None else groups
        membership = torch.eye(int(known.max()) + 1, device=device)
        radiuses = (radii.nearest,) if groups is None else (radii.nearest, radii.without_home)
        return _Tally(
            thresholds=tuple(Threshold.of(radius, view, device) for radius in radiuses),
            tables=tuple(np.zeros((n_images, membership.shape[1]), dtype=np.int32) for _ in radiuses),
            groups=known,
            membership=membership,
        )

    def add(
        self,
        values: torch.Tensor,
        images: NDArray[np.int64],
        others: NDArray[np.int64],
        bound: torch.Tensor,
        space: torch.Tensor,
    ) -> None:
        """Count the others inside the radius of each image.

        values: V (n_images, n_others) float32. bound: (n_images,), how far they may be off. space: memory like values.
        """
        index = torch.from_numpy(images).to(values.device)
        membership = self.membership[torch.from_numpy(self.groups[others]).to(values.device)]
        for threshold, table in zip(self.thresholds, self.tables, strict=True):
            middle, slack = threshold.middle[index], threshold.slack[index] + bound
            low, high = (middle - slack)[:, None], (middle + slack)[:, None]
            # Comparisons that write 0.0 and 1.0 take a quarter of the time of those that write booleans.
            perhaps = torch.ge(values, low, out=space).sum(dim=1)
            inside = torch.gt(values, high, out=space)
            by_group = inside @ membership if membership.shape[1] > 1 else inside.sum(dim=1)[:, None]
            counts = by_group.cpu().numpy()
            unclear = (perhaps > by_group.sum(dim=1)).nonzero()[:, 0]
            if len(unclear):
                number, column = ((values[unclear] >= low[unclear]) & (inside[unclear] == 0)).nonzero(as_tuple=True)
                row = unclear[number].cpu().numpy()
                image, other = images[row], others[column.cpu().numpy()]
                squared = threshold.radius.points.squared_distances(image, other)
                near = squared < threshold.radius.squared(image)
                np.add.at(counts, (row[near], self.groups[other[near]]), 1)
            table[images] += counts.astype(np.int32)

    def counts(self) -> Counts:
        """Return what was counted."""
        return Counts(inside=self.tables[0], wider=self.tables[1] if len(self.tables) > 1 else None)
