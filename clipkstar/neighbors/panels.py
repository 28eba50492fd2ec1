"""The images in the order of the search: class after class, in panels of about the size of one tile's side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

PADDING = -1
SEGMENTS = 16
"""Segments of a panel where the images are in no groups."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Some whole classes, or a part of one, in segments of equal width; all images of a segment are in one group.

    start: number of its first slot among the slots of all panels.
    members: (n_slots,) int64, position of the image in each slot, PADDING where a segment is not full.
    labels: (n_slots,) int64, PADDING alike.
    segment_groups: (n_segments,) int64. n_slots = n_segments · width.
    """

    start: int
    members: NDArray[np.int64]
    labels: NDArray[np.int64]
    segment_groups: NDArray[np.int64]
    width: int

    @property
    def slots(self) -> slice:
        """The panel's slots among those of all panels."""
        return slice(self.start, self.start + len(self.members))

    @property
    def first_label(self) -> int:
        """Smallest label."""
        return int(self.labels[self.labels != PADDING].min())

    @property
    def last_label(self) -> int:
        """Largest label."""
        return int(self.labels.max())

    def halves(self) -> list[Panel]:
        """Return the panel in two parts, cut between segments."""
        middle = (len(self.segment_groups) + 1) // 2
        return [
            replace(
                self,
                start=self.start + first * self.width,
                members=self.members[first * self.width : last * self.width],
                labels=self.labels[first * self.width : last * self.width],
                segment_groups=self.segment_groups[first:last],
            )
            for first, last in ((0, middle), (middle, len(self.segment_groups)))
            if first < last
        ]

    def shares_classes(self, other: Panel) -> bool:
        """Whether some class may have images in both."""
        return self.first_label <= other.last_label and other.first_label <= self.last_label

    def is_one_class_with(self, other: Panel) -> bool:
        """Whether all images of both are of one class: nobody here is anyone's impostor."""
        return self.first_label == self.last_label == other.first_label == other.last_label


def lay_out(
    labels: NDArray[np.int64], groups: NDArray[np.int64] | None, chosen: NDArray[np.int64], size: int
) -> list[Panel]:
    """Arrange the chosen images (positions) in panels of at most `size` images, padding not counted."""
    panels: list[Panel] = []
    start = 0
    for members in _cut(chosen[np.argsort(labels[chosen], kind="stable")], labels, size):
        segments = np.arange(len(members)) % SEGMENTS if groups is None else groups[members]
        panel = _arrange(members, labels, segments, start)
        panels.append(panel)
        start += len(panel.members)
    return panels


def runs_of_classes(sorted_labels: NDArray[np.int64], size: int) -> list[tuple[int, int]]:
    """Cut images sorted by class into runs (start, stop) of whole classes, `size` images or one larger class each."""
    ends = np.append(np.flatnonzero(np.diff(sorted_labels)) + 1, len(sorted_labels)).tolist()
    runs, start, stop = [], 0, 0
    for end in ends:
        if end - start > size and stop > start:
            runs.append((start, stop))
            start = stop
        stop = end
    return [*runs, (start, stop)]


def _cut(order: NDArray[np.int64], labels: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    pieces: list[NDArray[np.int64]] = []
    for start, stop in runs_of_classes(labels[order], size):
        pieces += np.array_split(order[start:stop], -(-(stop - start) // size))
    return pieces


def _arrange(members: NDArray[np.int64], labels: NDArray[np.int64], segments: NDArray[np.int64], start: int) -> Panel:
    groups, counts = np.unique(segments, return_counts=True)
    # Wide segments are padded more, narrow ones are many: a segment costs about as much as two slots.
    width = min(np.unique(np.append(counts, 32)).tolist(), key=lambda w: int((-(-counts // w)).sum()) * (w + 2))
    n_segments = -(-counts // width)
    first_segment = np.cumsum(n_segments) - n_segments
    order = np.argsort(segments, kind="stable")
    within = np.arange(len(members)) - np.repeat(np.cumsum(counts) - counts, counts)
    places = np.repeat(first_segment * width, counts) + within
    filled = np.full(int(n_segments.sum()) * width, PADDING, dtype=np.int64)
    filled[places] = members[order]
    return Panel(
        start=start,
        members=filled,
        labels=np.where(filled == PADDING, PADDING, labels[filled]),
        segment_groups=np.repeat(groups, n_segments),
        width=width,
    )
