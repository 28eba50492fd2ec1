"""Pass one: tiles of a matrix product propose, for every image, the impostors that may be the nearest.

Two images meet in one tile only, which serves both: its rows and its columns are reduced to the largest value of every
segment, and those reductions decide what is looked at further. Nothing of size n_images² is ever held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from clipkstar.neighbors.panels import PADDING, Panel
from clipkstar.neighbors.points import Distance
from clipkstar.neighbors.rounding import (
    FLOAT32_UNIT,
    MARGIN,
    NEVER,
    Product,
    Rounded,
    Store,
    multiply,
    relative_error,
)

CROWD = 256
"""Proposals for one image above which they are dropped and the image is searched in float64 instead."""
MANY = 16
"""Proposals per image of a panel above which those outdone in the meantime are dropped."""
REACHED = -1e20
"""Every V of a true pair lies above it."""
SETTLED = 1e30
"""Threshold of slots that seek nothing (any more)."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One distance, as it is read off a tile.

    derived: cosine from the product of the embeddings as they are. relative: the bound's part that grows with |V|.
    relative_of_tile: that of the product from which V is derived.
    """

    distance: Distance
    derived: bool
    relative: float
    relative_of_tile: float

    def weight(self, points: Rounded) -> torch.Tensor:
        """Return the factor of each point in every V."""
        return points.weight if self.derived else torch.ones_like(points.weight)

    def read(self, tile: torch.Tensor, left: Rounded, right: Rounded, memory: torch.Tensor) -> torch.Tensor:
        """Return V of this distance: the tile itself where nothing has to be changed, else in `memory` (flat)."""
        if not self.derived:
            return tile
        values = torch.sub(left.excess[:, None], right.excess[None, :], out=memory[: tile.numel()].view(tile.shape))
        torch.addcmul(tile, values, values, value=0.5, out=values)
        return values.mul_(left.weight[:, None]).mul_(right.weight[None, :])

    def parts(self, points: Rounded) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the bound's parts (n, 4) of each point, as the left and as the right one of a pair."""
        weight = self.weight(points)
        offset = points.offset
        if self.derived:
            offset = offset + 8 * FLOAT32_UNIT * points.excess.square() + self.relative_of_tile * points.length.square()
        left = torch.stack([points.error, points.length, offset, torch.ones_like(offset)], dim=1)
        right = torch.stack([points.length, points.error, torch.ones_like(offset), offset], dim=1)
        return left * (MARGIN * weight[:, None]), right * weight[:, None]

    def bound(self, left: Rounded, right: Rounded) -> torch.Tensor:
        """Return how far V of each left point (n,) may be off, whichever right point it is paired with."""
        return self.parts(left)[0] @ self.parts(right)[1].amax(dim=0)


@dataclass(frozen=True, kw_only=True)
class Side:
    """One panel in a tile, seen by one view: its bound's parts, per slot and as the maximum of each segment.

    whole: start of the panel that this one is or is a half of.
    """

    panel: Panel
    whole: int
    points: Rounded
    left: torch.Tensor
    right_of_segments: torch.Tensor
    groups: torch.Tensor

    def half(self, panel: Panel) -> Side:
        """Return the part of the side that belongs to a half of its panel."""
        slots = slice(panel.start - self.panel.start, panel.slots.stop - self.panel.start)
        segments = slice(slots.start // panel.width, slots.stop // panel.width)
        return Side(
            panel=panel,
            whole=self.whole,
            points=self.points.take(slots),
            left=self.left[slots],
            right_of_segments=self.right_of_segments[segments],
            groups=self.groups[segments],
        )


Found = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Race:
    """What is known of every slot under one view while tiles come in; lower bounds of V, SETTLED where none is sought.

    first: of the nearest impostor. home: the group that it was found in. second: of the nearest one of other groups.
    taken: proposals so far. found: per panel, proposals (slots, slots of impostors, their V, how far it may be off).
    """

    first: torch.Tensor
    home: torch.Tensor
    second: torch.Tensor
    taken: torch.Tensor
    found: dict[int, list[Found]] = field(default_factory=dict)
    seeks_second: bool

    @property
    def threshold(self) -> torch.Tensor:
        """Return what an upper bound has to reach."""
        return self.second if self.seeks_second else self.first


@dataclass(frozen=True, kw_only=True)
class Proposals:
    """For one panel's images: pairs of which one is the image with its nearest impostor, and who is left.

    Where groups are given the nearest impostor outside of the nearest one's group is among them too.
    images, impostors: (n_pairs,) int64 positions. values, slack: (n_pairs,) float64, V and how far it may be off.
    crowded: positions of images that too many impostors compete for, which are not among the pairs.
    """

    images: NDArray[np.int64]
    impostors: NDArray[np.int64]
    values: NDArray[np.float64]
    slack: NDArray[np.float64]
    crowded: NDArray[np.int64]

    def take(self, pairs: NDArray[np.int64] | NDArray[np.bool_]) -> Proposals:
        """Return some of the pairs."""
        return replace(
            self,
            images=self.images[pairs],
            impostors=self.impostors[pairs],
            values=self.values[pairs],
            slack=self.slack[pairs],
        )


def propose(
    seekers: Sequence[Panel], panels: Sequence[Panel], store: Store, views: Sequence[View], *, seeks_second: bool
) -> Iterator[list[Proposals]]:
    """Yield, panel of seekers after panel, the proposals of each view.

    Where the seekers are all images (the same sequence), each tile is used for both of its sides.
    """
    symmetric = seekers is panels
    races = [_new_race(seekers, store.device, seeks_second=seeks_second) for _ in views]
    area = max(len(panel.members) for panel in seekers) * max(len(panel.members) for panel in panels)
    memory = [torch.empty(area, device=store.device) for _ in (None, *views)]
    for held in store.batches(panels):
        held_sides = [(columns, _sides(columns, store.panel(columns), views)) for columns in held]
        for rows in seekers:
            partners = [
                (columns, sides)
                for columns, sides in held_sides
                if not (symmetric and columns.start > rows.start) and not rows.is_one_class_with(columns)
            ]
            if not partners:
                continue
            row_sides = _sides(rows, store.panel(rows) if symmetric else store.fresh(rows), views)
            left = row_sides[0].points.left()
            for columns, column_sides in partners:
                if symmetric and columns is rows:
                    for tile in _triangle(row_sides):
                        tile.scan(views, races, memory)
                    continue
                Tile(rows=row_sides, left=left, columns=column_sides, both=symmetric).scan(views, races, memory)
    members = np.concatenate([panel.members for panel in panels])
    for rows in seekers:
        yield [_proposals(race, rows, members) for race in races]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Two panels that meet, a side for each view; both: their impostors are sought for the columns as well."""

    rows: Sequence[Side]
    left: torch.Tensor
    columns: Sequence[Side]
    both: bool

    def scan(self, views: Sequence[View], races: Sequence[Race], memory: Sequence[torch.Tensor]) -> None:
        """Multiply, and let every view take what the product says."""
        product = multiply(self.left, self.columns[0].points.right, memory[0])
        rows, columns = self.rows[0].panel, self.columns[0].panel
        if rows.shares_classes(columns):
            labels, others = (torch.from_numpy(panel.labels).to(product.device) for panel in (rows, columns))
            product.masked_fill_(labels[:, None] == others[None, :], NEVER)
        for number, (view, race) in enumerate(zip(views, races, strict=True)):
            row_side, column_side = self.rows[number], self.columns[number]
            values = view.read(product, row_side.points, column_side.points, memory[number + 1])
            _scan_rows(values, view, race, row_side, column_side)
            if self.both:
                _scan_columns(values, view, race, row_side, column_side)


def _triangle(sides: Sequence[Side]) -> Iterator[Tile]:
    """Cover a panel against itself, without the quarter that would only be computed twice."""
    halves = [[side.half(panel) for side in sides] for panel in sides[0].panel.halves()]
    for number, rows in enumerate(halves):
        left = rows[0].points.left()
        for columns in halves[: number + 1]:
            yield Tile(rows=rows, left=left, columns=columns, both=columns is not rows)


def _new_race(seekers: Sequence[Panel], device: str, *, seeks_second: bool) -> Race:
    members = np.concatenate([panel.members for panel in seekers])
    start = torch.from_numpy(np.where(members == PADDING, SETTLED, -SETTLED)).to(device, torch.float32)
    return Race(
        first=start,
        second=start.clone(),
        home=torch.full((len(members),), -1, device=device),
        taken=torch.zeros(len(members), dtype=torch.int64, device=device),
        seeks_second=seeks_second,
    )


def _sides(panel: Panel, points: Rounded, views: Sequence[View]) -> list[Side]:
    groups = torch.from_numpy(panel.segment_groups).to(points.right.device)
    sides = []
    for view in views:
        left, right = view.parts(points)
        of_segments = right.view(-1, panel.width, right.shape[1]).amax(dim=1)
        sides.append(
            Side(panel=panel, whole=panel.start, points=points, left=left, right_of_segments=of_segments, groups=groups)
        )
    return sides


def _scan_rows(values: torch.Tensor, view: View, race: Race, rows: Side, columns: Side) -> None:
    cells = values.view(len(values), -1, columns.panel.width)
    _scan(cells.amax(dim=2), lambda row, segment: cells[row, segment], view, race, rows, columns)


def _scan_columns(values: torch.Tensor, view: View, race: Race, rows: Side, columns: Side) -> None:
    cells = values.view(-1, rows.panel.width, values.shape[1])
    _scan(cells.amax(dim=1).T, lambda column, segment: cells[segment, :, column], view, race, columns, rows)


def _scan(
    best: torch.Tensor,
    cells_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    view: View,
    race: Race,
    seekers: Side,
    others: Side,
) -> None:
    """Take what one tile says about the seekers: raise their lower bounds, and note who may be their nearest impostor.

    best: (n_seekers, n_segments) largest V in each segment of the others. cells_of(seeker, segment): all V there.
    """
    slack = seekers.left @ others.right_of_segments.T
    if view.relative:
        slack += view.relative * best.abs()
    _raise_bounds(race, seekers.panel.slots, best - slack, others.groups)
    # A value's upper bound grows with the value, so a segment whose largest value is too small holds nobody.
    reach = race.threshold[seekers.panel.slots]
    seeker, segment = ((best + slack >= reach[:, None]) & (best > REACHED)).nonzero(as_tuple=True)
    if not len(seeker):
        return
    cells = cells_of(seeker, segment)
    around = slack[seeker, segment][:, None]
    if view.relative:
        around = around + view.relative * (cells.abs() - best[seeker, segment].abs()[:, None])
    rivals = (cells + around >= reach[seeker][:, None]) & (cells > REACHED)
    slots = seeker + seekers.panel.start
    race.taken.index_add_(0, slots, rivals.sum(dim=1))
    crowds = race.taken[slots] > CROWD
    race.first[slots[crowds]] = race.second[slots[crowds]] = SETTLED
    pair, place = (rivals & ~crowds[:, None]).nonzero(as_tuple=True)
    impostors = segment[pair] * others.panel.width + place + others.panel.start
    _note(race, seekers, (slots[pair], impostors, cells[pair, place], around.expand_as(cells)[pair, place]))


def _note(race: Race, seekers: Side, found: Found) -> None:
    """Keep proposals for a panel's images; when there are many, drop those that were outdone since."""
    known = [*race.found.get(seekers.whole, []), found]
    if sum(len(part[0]) for part in known) > MANY * len(seekers.panel.members):
        slots, impostors, values, slack = (torch.cat(parts) for parts in zip(*known, strict=True))
        kept = values + slack >= race.threshold[slots]
        known = [(slots[kept], impostors[kept], values[kept], slack[kept])]
    race.found[seekers.whole] = known


def _raise_bounds(race: Race, slots: slice, low: torch.Tensor, groups: torch.Tensor) -> None:
    """Merge lower bounds (n_seekers, n_segments) of a tile into those of the two nearest groups."""
    found, segment = low.max(dim=1)
    first = race.first[slots]
    if not race.seeks_second:
        torch.maximum(first, found, out=first)
        return
    home, second = race.home[slots], race.second[slots]
    group = groups[segment]
    other = low.masked_fill_(groups[None, :] == group[:, None], -SETTLED).amax(dim=1)
    wins = found > first
    # Of different groups: the loser of the two firsts, or the winner's own second. Of one group: the better second.
    apart = torch.maximum(torch.minimum(first, found), torch.where(wins, other, second))
    second.copy_(torch.where(group == home, torch.maximum(second, other), apart))
    home.copy_(torch.where(wins, group, home))
    torch.maximum(first, found, out=first)


def _proposals(race: Race, panel: Panel, all_members: NDArray[np.int64]) -> Proposals:
    """Return what is left of a panel's proposals now that its bounds are final."""
    seeking = panel.members != PADDING
    settled = (race.threshold[panel.slots] == SETTLED).cpu().numpy()
    nothing = torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), torch.empty(0), torch.empty(0)
    found = [tuple(part.cpu() for part in parts) for parts in race.found.pop(panel.start, [])]
    slots, impostors, values, slack = (torch.cat(parts) for parts in zip(nothing, *found, strict=True))
    kept = values + slack >= race.threshold.cpu()[slots]
    return Proposals(
        images=panel.members[slots[kept].numpy() - panel.start],
        impostors=all_members[impostors[kept].numpy()],
        values=values[kept].double().numpy(),
        slack=MARGIN * slack[kept].double().numpy(),
        crowded=panel.members[seeking & settled],
    )


def view_of(distance: Distance, *, derived: bool, product: Product, device: str) -> View:
    """Return the view of a distance on products of one type."""
    of_tile = MARGIN * relative_error(product, device)
    relative = MARGIN * 6 * FLOAT32_UNIT if derived else of_tile
    return View(distance=distance, derived=derived, relative=relative, relative_of_tile=of_tile)
