import itertools

import numpy as np
import pytest

from clipkstar.neighbors.panels import PADDING, SEGMENTS, lay_out, runs_of_classes

CLASSES = {
    "few large": np.repeat([3, 1, 7], [500, 90, 210]),
    "many small": np.arange(700) // 3,
    "one huge, many tiny": np.concatenate([np.full(600, 5), 10 + np.arange(150) // 2]),
    "every image alone": np.arange(130),
    "two images": np.array([0, 1]),
}


def shuffled(name):
    return np.random.default_rng(len(name)).permutation(CLASSES[name])


def groups_of(n_images, n_groups):
    return None if n_groups is None else np.random.default_rng(n_images).integers(0, n_groups, n_images)


def laid_out(name, n_groups, size, share=1.0):
    labels = shuffled(name)
    groups = groups_of(len(labels), n_groups)
    chosen = np.flatnonzero(np.random.default_rng(1).random(len(labels)) < share)
    return labels, groups, chosen, lay_out(labels, groups, chosen, size)


@pytest.mark.parametrize("share", [1.0, 0.4])
@pytest.mark.parametrize("size", [1, 7, 64, 2048])
@pytest.mark.parametrize("n_groups", [None, 1, 4, 20])
@pytest.mark.parametrize("name", CLASSES)
def test_every_chosen_image_has_one_slot_and_the_others_none(name, n_groups, size, share):
    if name == "two images":
        share = 1.0
    labels, groups, chosen, panels = laid_out(name, n_groups, size, share)
    members = np.concatenate([panel.members for panel in panels])
    assert sorted(members[members != PADDING].tolist()) == chosen.tolist()
    start = 0
    for panel in panels:
        there = panel.members != PADDING
        assert panel.slots == slice(start, start + len(panel.members))
        assert 0 < there.sum() <= size
        assert len(panel.members) == len(panel.segment_groups) * panel.width
        assert panel.labels[there].tolist() == labels[panel.members[there]].tolist()
        assert (panel.labels[~there] == PADDING).all()
        segments = there.reshape(-1, panel.width)
        # Padding ends a segment, and no segment is all padding.
        assert segments[:, 0].all()
        assert (np.diff(segments.astype(int), axis=1) <= 0).all()
        if groups is not None:
            homes = np.where(there, groups[panel.members], np.repeat(panel.segment_groups, panel.width))
            assert (homes.reshape(-1, panel.width) == panel.segment_groups[:, None]).all()
        start = panel.slots.stop


@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_not_torn_apart_unless_larger_than_a_panel(name):
    labels, _, _, panels = laid_out(name, None, 64)
    for label in np.unique(labels):
        holders = [panel for panel in panels if (panel.labels == label).any()]
        if (labels == label).sum() <= 64:
            assert len(holders) == 1
        else:
            assert all(set(panel.labels.tolist()) <= {label, PADDING} for panel in holders)
    firsts = [panel.first_label for panel in panels]
    assert firsts == sorted(firsts)
    assert all(before.last_label <= after.first_label for before, after in itertools.pairwise(panels))


def test_padding_stays_a_small_part():
    for name in ("few large", "many small", "one huge, many tiny"):
        for n_groups in (None, 4, 20):
            labels, _, _, panels = laid_out(name, n_groups, 2048)
            assert sum(len(panel.members) for panel in panels) <= 4 / 3 * len(labels) + SEGMENTS


def test_panels_know_what_classes_they_share():
    labels = np.array([0] * 5 + [1] * 2 + [2] * 2)
    panels = lay_out(labels, None, np.arange(9), 3)
    # Class 0 is larger than a panel and is cut in two; 1 and 2 are together too many for one.
    held = [sorted(panel.members[panel.members != PADDING].tolist()) for panel in panels]
    assert held == [[0, 1, 2], [3, 4], [5, 6], [7, 8]]
    assert [(panel.first_label, panel.last_label) for panel in panels] == [(0, 0), (0, 0), (1, 1), (2, 2)]
    assert [panels[0].shares_classes(panel) for panel in panels] == [True, True, False, False]
    assert [panels[0].is_one_class_with(panel) for panel in panels] == [True, True, False, False]
    mixed = lay_out(labels, None, np.array([3, 5, 6, 8]), 4)
    assert [panel.shares_classes(mixed[0]) for panel in panels] == [True] * 4
    assert [panel.is_one_class_with(mixed[0]) for panel in panels] == [False] * 4


@pytest.mark.parametrize("n_groups", [None, 1, 3, 20])
@pytest.mark.parametrize("name", CLASSES)
def test_the_halves_of_a_panel_are_the_panel_cut_between_segments(name, n_groups):
    for panel in laid_out(name, n_groups, 64)[3]:
        halves = panel.halves()
        assert len(halves) == min(2, len(panel.segment_groups))
        assert np.concatenate([half.members for half in halves]).tolist() == panel.members.tolist()
        assert np.concatenate([half.labels for half in halves]).tolist() == panel.labels.tolist()
        assert np.concatenate([half.segment_groups for half in halves]).tolist() == panel.segment_groups.tolist()
        assert halves[0].start == panel.start
        assert halves[-1].slots.stop == panel.slots.stop
        assert all(half.width == panel.width for half in halves)
        assert all(len(half.members) == half.width * len(half.segment_groups) for half in halves)


@pytest.mark.parametrize(
    "classes, size, runs",
    [
        ([4], 10, [(0, 4)]),
        ([2, 2, 2], 4, [(0, 4), (4, 6)]),
        ([2, 2, 2], 5, [(0, 4), (4, 6)]),
        ([2, 2, 2], 6, [(0, 6)]),
        ([1, 9, 1], 4, [(0, 1), (1, 10), (10, 11)]),
        ([9, 1, 1], 4, [(0, 9), (9, 11)]),
        ([1, 1, 1], 1, [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_runs_hold_whole_classes(classes, size, runs):
    assert runs_of_classes(np.repeat(np.arange(len(classes)), classes), size) == runs
