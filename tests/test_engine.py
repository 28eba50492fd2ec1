"""Every engine against a row-by-row loop in float64: the same integers, whatever the embeddings and the tiles."""

import functools
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clipkstar.neighbors import DISTANCES, flat, impostors, rounding, search_impostors, settle, sweep
from clipkstar.neighbors.engine import Engine

ENGINES = (Engine(), Engine(product="float32"), Engine(product="bfloat16"), Engine(backend="faiss"))
ORDERS = (("euclidean",), ("cosine",), ("euclidean", "cosine"), ("cosine", "euclidean"))
SIDES = (2048, 150, 100, 61, 700)
N_GROUPS = 4


def reference_points(images, distance):
    """The points whose squared differences decide, in float64: one at a time, from a copy of the embeddings."""
    points = np.array(images, dtype=np.float64, order="C")
    if distance == "cosine":
        units = [point / np.abs(point).max() for point in points]
        return np.stack([unit / np.sqrt(np.einsum("i,i->", unit, unit)) for unit in units])
    # A power of two keeps the squares of huge and tiny embeddings in range and moves no tie.
    return np.ldexp(points, -int(np.frexp(np.abs(points).max())[1]))


def brute_force(images, labels, distance, groups=None):
    """k*, nearest impostors and k* without each group, from all distances of one image after the other."""
    points = reference_points(images, distance)
    kstar, positions, without = [], [], []
    for i, point in enumerate(points):
        squared = ((points - point) ** 2).sum(axis=1)
        own, impostors_at = labels == labels[i], np.where(labels == labels[i], np.inf, squared)
        own[i] = False
        positions.append(impostors_at.argmin())
        kstar.append(1 + (own & (squared < impostors_at.min())).sum())
        if groups is not None:
            kept = [groups != group for group in range(groups.max() + 1)]
            radii = [np.where(of_group, impostors_at, np.inf).min() for of_group in kept]
            pairs = zip(kept, radii, strict=True)
            without.append([1 + (own & of_group & (squared < radius)).sum() for of_group, radius in pairs])
    return np.array(kstar), np.array(positions), np.array(without).T


def groups_of(n_images):
    return np.random.default_rng(n_images).permutation(n_images) % N_GROUPS


def queries_of(n_images):
    return np.flatnonzero(np.random.default_rng(n_images + 1).random(n_images) < 0.3)


def assert_found(found, expected, groups=None, queries=None):
    """Every integer of a search, or of a part of it, is that of brute force."""
    kstar, positions, without = expected
    asked = np.arange(len(kstar)) if queries is None else queries
    assert found.kstar.tolist() == kstar[asked].tolist()
    assert found.positions.tolist() == positions[asked].tolist()
    assert (found.kstar_without is None) == (groups is None)
    if groups is not None:
        counts = groups[asked] != np.arange(groups.max() + 1)[:, None]
        assert found.kstar_without.shape == counts.shape
        assert found.kstar_without[counts].tolist() == without[:, asked][counts].tolist()


def gaussians(n_images, dim, n_classes, separation, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(n_images) % n_classes)
    centres = generator.normal(size=(n_classes, dim)) * separation / np.sqrt(2 * dim)
    return centres[labels] + generator.normal(size=(n_images, dim)), labels


def single(images, labels):
    return images.astype(np.float32), labels


def duplicates():
    images, labels = gaussians(200, 24, 5, 3, seed=1)
    images, labels = (
        np.concatenate([images, images[:60], images[:30]]),
        np.concatenate([labels, labels[:60], labels[:30]]),
    )
    labels[200:230] = (labels[200:230] + 1) % 5
    return single(images, labels)


def grid(dim, steps, seed):
    generator = np.random.default_rng(seed)
    images = (generator.integers(0, steps, size=(240, dim)) + 1) / 256
    return single(images, generator.integers(0, 4, 240))


def bfloat16_grid(dim):
    images, labels = gaussians(240, dim, 4, 2, seed=3)
    return torch.from_numpy(images).bfloat16().float().numpy(), labels


def huge_and_tiny():
    images, _ = gaussians(440, 8, 1, 0, seed=4)
    return single(images, np.concatenate([np.zeros(200, dtype=np.int64), 7 + np.arange(240) // 2 * 3]))


def some_alone():
    images, labels = gaussians(200, 6, 3, 2, seed=5)
    labels[::9] = 100 + np.arange(len(labels[::9]))
    return single(images, labels)


def lengths_apart():
    images, labels = gaussians(240, 16, 4, 4, seed=6)
    return single(images * np.exp(np.random.default_rng(6).uniform(-6, 6, size=(240, 1))), labels)


def two_far_clusters(dtype):
    images, labels = gaussians(240, 4, 3, 3, seed=7)
    return (images * 1e-3 + np.where(np.arange(240) % 2, 1e4, -1e4)[:, None]).astype(dtype), labels


def rays():
    """Few directions, many lengths, as numbers of bfloat16; every image has its mirror image, so the mean is zero."""
    generator = np.random.default_rng(8)
    directions = generator.integers(-8, 9, size=(6, 16))
    half = directions[generator.integers(0, 6, 120)] * generator.integers(1, 9, size=(120, 1))
    half += (generator.random(half.shape) < 0.1) * generator.integers(-1, 2, size=half.shape)
    return single(np.concatenate([half, -half]), generator.integers(0, 3, 240))


def small_rays():
    images = np.array([[7, -6], [-30, 35], [-48, 56], [-7, 6], [30, -35], [48, -56]])
    return single(images, np.array([1, 0, 1, 0, 1, 1]))


def hub():
    """Everybody's nearest impostor is one image in the middle of a sphere, all of it equally far."""
    images = np.concatenate([np.eye(100), -np.eye(100), np.full((1, 100), 1e-3)])
    return single(images, np.append(np.arange(200) % 2, 2))


def wide_range():
    generator = np.random.default_rng(9)
    images = generator.choice([-1.0, 1.0], size=(240, 12)) * 10.0 ** generator.uniform(-30, 0, size=(240, 12))
    return single(images, generator.integers(0, 3, 240))


def tiny_beside_large():
    """A cluster whose squares are subnormal in float32, and two images that keep the scale near one."""
    images, labels = gaussians(240, 16, 3, 3, seed=10)
    images *= 1e-19
    images[0], images[1] = 1, -1
    return single(images, labels)


def scaled_gaussians(dtype, scale, offset=0.0):
    images, labels = gaussians(240, 12, 3, 3, seed=11)
    return (images * scale + offset).astype(dtype), labels


CASES = {
    "random": lambda: single(*gaussians(240, 32, 4, 0)),
    "overlapping": lambda: single(*gaussians(240, 32, 4, 3)),
    "clustered": lambda: single(*gaussians(240, 32, 4, 40)),
    "duplicates": duplicates,
    "8-bit grid, dim 3": lambda: grid(3, 4, seed=2),
    "8-bit grid, dim 32": lambda: grid(32, 2, seed=2),
    "bfloat16 grid, dim 2": lambda: bfloat16_grid(2),
    "bfloat16 grid, dim 24": lambda: bfloat16_grid(24),
    "offset 1e3": lambda: scaled_gaussians(np.float32, 1, 1e3),
    "offset 1e3, float64": lambda: scaled_gaussians(np.float64, 1e-3, 1e3),
    "norms 1e4": lambda: scaled_gaussians(np.float32, 1e4),
    "huge and tiny classes": huge_and_tiny,
    "classes of one": some_alone,
    "every image alone": lambda: single(gaussians(120, 5, 1, 0)[0], np.arange(120)[::-1].copy()),
    "two images a class": lambda: single(*gaussians(240, 8, 120, 5)),
    "dim 1": lambda: single(*gaussians(240, 1, 4, 3)),
    "dim 2": lambda: single(*gaussians(240, 2, 4, 3)),
    "dim 3": lambda: single(*gaussians(240, 3, 4, 3)),
    "dim 1024": lambda: single(*gaussians(200, 1024, 4, 6)),
    "all equal": lambda: single(np.full((120, 5), 0.3), np.arange(120) % 3),
    "lengths apart": lengths_apart,
    "far clusters, float32": lambda: two_far_clusters(np.float32),
    "far clusters, float64": lambda: two_far_clusters(np.float64),
    "rays": rays,
    "small rays": small_rays,
    "hub": hub,
    "wide range": wide_range,
    "tiny beside large": tiny_beside_large,
    "largest float32": lambda: scaled_gaussians(np.float32, 4e37),
    "subnormal float32": lambda: scaled_gaussians(np.float32, 1e-43),
    "largest float64": lambda: scaled_gaussians(np.float64, 1e307),
    "smallest float64": lambda: scaled_gaussians(np.float64, 1e-300),
    "negative labels": lambda: single(gaussians(240, 8, 1, 0)[0], np.arange(240) % 3 - 2),
}
LARGE_CASES = {
    "one class beyond a panel": lambda: single(
        gaussians(1700, 16, 1, 0)[0], np.concatenate([np.zeros(1450, dtype=np.int64), 1 + np.arange(250) // 4])
    ),
    "overlapping": lambda: single(*gaussians(1500, 24, 10, 4)),
    "8-bit grid": lambda: single(
        np.random.default_rng(5).integers(1, 4, size=(1500, 6)) / 256, np.random.default_rng(6).integers(0, 300, 1500)
    ),
}


@functools.cache
def case(name):
    """Images, labels and what brute force finds under each distance; a subnormal image may be zero: it is moved."""
    images, labels = {**CASES, **{f"large: {key}": make for key, make in LARGE_CASES.items()}}[name]()
    images[~images.any(axis=1), 0] = images[images != 0].min()
    groups = groups_of(len(labels))
    return images, labels, {distance: brute_force(images, labels, distance, groups) for distance in DISTANCES}


# An orthogonal array of strength 2: five columns (engine, order of distances, side, memory, options) of four levels,
# any two of which show all 16 pairs; sums and products are those of the field of four elements. Of its 16 rows a case
# takes those of a single distance or of both, which are read off one product, by turns.
TWICE, THRICE = (0, 2, 3, 1), (0, 3, 1, 2)
ROWS = [(a, b, a ^ b, a ^ TWICE[b], a ^ THRICE[b]) for a in range(4) for b in range(4)]
TURNS = [(name, row) for turn, name in enumerate(CASES) for row in ROWS if row[1] in (turn % 2, 2 + turn // 2 % 2)]


def search_row(name, row, engine=None):
    """Search a case as one row of the array says, and compare with brute force."""
    images, labels, expected = case(name)
    chosen, order, side, resident, options = row
    groups = groups_of(len(labels)) if options in (1, 3) else None
    queries = queries_of(len(labels)) if options in (2, 3) else None
    if queries is not None and len(queries) == 0:
        queries = np.array([1])
    with pytest.MonkeyPatch.context() as patch:
        for device in ("cpu", "cuda"):
            patch.setitem(impostors.PANEL, device, SIDES[side])
        if resident in (1, 3):
            patch.setattr(rounding, "RESIDENT_BYTES", 3 * 4 * 61 * images.shape[1])
            patch.setattr(rounding, "DEVICE_BYTES", 3 * 4 * 61 * images.shape[1])
        found = search_impostors(
            images, labels, ORDERS[order], groups=groups, queries=queries, engine=engine or ENGINES[chosen]
        )
    assert set(found) == set(ORDERS[order])
    for distance in found:
        assert_found(found[distance], expected[distance], groups, queries)


@pytest.mark.parametrize("name, row", TURNS, ids=[f"{name}-{''.join(map(str, row))}" for name, row in TURNS])
def test_every_engine_finds_the_integers_of_brute_force(name, row):
    search_row(name, row)


# One row for each engine, in the manner of the array, with larger tiles.
@pytest.mark.parametrize("row", [(0, 2, 4, 0, 1), (1, 3, 4, 1, 0), (2, 2, 0, 0, 3), (3, 2, 4, 0, 1)])
@pytest.mark.parametrize("name", LARGE_CASES)
def test_every_engine_finds_the_integers_of_brute_force_among_thousands(name, row):
    search_row(f"large: {name}", row)


def stored(images, layout, folder):
    """The same embeddings, or those of another type, in another place or order."""
    if layout == "memory-mapped":
        np.save(folder / "images.npy", images)
        return np.load(folder / "images.npy", mmap_mode="r")
    if layout == "every second of a wider array":
        wide = np.zeros((2 * len(images), 3 * images.shape[1]), dtype=images.dtype)
        wide[::2, ::-3] = images
        return wide[::2, ::-3]
    if layout == "Fortran":
        return np.asfortranarray(images)
    return images.astype(layout)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: f"{engine.backend}-{engine.product}")
@pytest.mark.parametrize(
    "layout",
    ["memory-mapped", "every second of a wider array", "Fortran", ">f4", ">f8", "<f2", ">f2", "float32", "float64"],
)
def test_embeddings_are_read_alike_however_they_are_stored_and_never_changed(layout, engine, tmp_path):
    images, labels = gaussians(230, 40, 4, 3, seed=12)
    held = stored(images.astype(np.float32), layout, tmp_path)
    before, groups = np.array(held), groups_of(len(labels))
    held.flags.writeable = False
    found = search_impostors(held, labels, DISTANCES, groups=groups, engine=engine)
    for distance in DISTANCES:
        assert_found(found[distance], brute_force(before, labels, distance, groups), groups)
    assert held.tobytes() == before.tobytes()


def numbers():
    """Numbers of float32 that tie, cancel, vanish beside others or lie at the ends of its range."""
    small = st.integers(-3, 3).map(float)
    powers = st.tuples(st.sampled_from((-1.0, 1.0)), st.integers(-149, 126)).map(
        lambda drawn: drawn[0] * 2.0 ** drawn[1]
    )
    near = st.tuples(small, st.integers(-2, 2)).map(lambda drawn: drawn[0] + drawn[1] * 2.0**-20)
    anything = st.floats(allow_nan=False, allow_infinity=False, width=32)
    return st.one_of(small, powers, near, anything)


drawn_images = st.integers(2, 12).flatmap(
    lambda n_images: st.tuples(
        st.integers(1, 4).flatmap(lambda dim: arrays(np.float32, (n_images, dim), elements=numbers())),
        arrays(np.int64, n_images, elements=st.integers(0, 3)),
        arrays(np.int64, n_images, elements=st.integers(0, N_GROUPS - 1)),
        st.lists(st.integers(0, n_images - 1), min_size=1, unique=True).map(sorted),
    )
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    drawn_images,
    st.sampled_from(ENGINES),
    st.sampled_from(ORDERS),
    st.integers(1, 6),
    st.booleans(),
    st.booleans(),
    st.sampled_from((1, 2, 256)),
)
def test_whatever_is_drawn_every_engine_finds_the_integers_of_brute_force(
    drawn, engine, distances, side, with_groups, with_queries, crowd
):
    images, labels, groups, queries = drawn
    groups, queries = groups if with_groups else None, np.array(queries) if with_queries else None
    assume(len(set(labels.tolist())) > 1)
    assume("cosine" not in distances or images.any(axis=1).all())
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(impostors.PANEL, "cpu", side)
        patch.setattr(sweep, "CROWD", crowd)
        patch.setattr(flat, "N_NEAREST", min(crowd, 16))
        found = search_impostors(images, labels, distances, groups=groups, queries=queries, engine=engine)
    for distance in distances:
        assert_found(found[distance], brute_force(images, labels, distance, groups), groups, queries)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: f"{engine.backend}-{engine.product}")
@pytest.mark.parametrize("name", ["bfloat16 grid, dim 2", "duplicates"])
def test_a_permutation_of_the_images_permutes_kstar_and_a_second_search_repeats_it(name, engine):
    images, labels, _ = case(name)
    groups, order = groups_of(len(labels)), np.random.default_rng(1).permutation(len(labels))
    first, second = (search_impostors(images, labels, DISTANCES, groups=groups, engine=engine) for _ in range(2))
    moved = search_impostors(images[order], labels[order], DISTANCES, groups=groups[order], engine=engine)
    elsewhere = groups[order] != np.arange(N_GROUPS)[:, None]
    for distance in DISTANCES:
        one, again, other = first[distance], second[distance], moved[distance]
        assert one.kstar.tobytes() == again.kstar.tobytes()
        assert one.positions.tobytes() == again.positions.tobytes()
        assert one.kstar_without.tobytes() == again.kstar_without.tobytes()
        assert other.kstar.tolist() == one.kstar[order].tolist()
        assert other.kstar_without[elsewhere].tolist() == one.kstar_without[:, order][elsewhere].tolist()


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: f"{engine.backend}-{engine.product}")
@pytest.mark.parametrize(
    "name", ["overlapping", "duplicates", "8-bit grid, dim 3", "lengths apart", "all equal", "hub"]
)
def test_images_with_too_many_proposals_are_searched_in_float64_with_the_same_result(monkeypatch, name, engine):
    images, labels, expected = case(name)
    searched, real = [], settle.settle_crowded

    def counted(radii, crowded, *rest):
        searched.append((radii.nearest.points.distance, len(crowded)))
        real(radii, crowded, *rest)

    monkeypatch.setattr(settle, "settle_crowded", counted)
    monkeypatch.setattr(sweep, "CROWD", 0)
    monkeypatch.setattr(flat, "N_NEAREST", 1)
    for groups in (None, groups_of(len(labels))):
        searched.clear()
        found = search_impostors(images, labels, DISTANCES, groups=groups, engine=engine)
        for distance in DISTANCES:
            assert_found(found[distance], expected[distance], groups)
            if engine.backend != "faiss":
                assert sum(number for one, number in searched if one == distance) == len(labels)
            else:
                assert any(one == distance for one, _ in searched)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: f"{engine.backend}-{engine.product}")
def test_where_one_group_holds_all_impostors_everybody_of_the_own_class_is_inside_without_it(engine):
    images, labels = single(*gaussians(60, 4, 2, 1, seed=13))
    groups = np.where(labels == 0, np.arange(60) % 3, 3)
    found = search_impostors(images, labels, DISTANCES, groups=groups, engine=engine)
    for distance in DISTANCES:
        assert_found(found[distance], brute_force(images, labels, distance, groups), groups)
        assert found[distance].kstar_without[3][labels == 0].tolist() == [(labels == 0).sum()] * (labels == 0).sum()


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: f"{engine.backend}-{engine.product}")
def test_queries_of_one_class_whose_label_is_minus_one_are_searched(engine):
    images, labels = np.array([[1.0], [2.0], [9.0], [3.5], [12.0]]), np.array([-1, -1, -1, 0, 0])
    found = search_impostors(images, labels, queries=np.array([0, 1, 2]), engine=engine)["euclidean"]
    # 1: impostor at 2.5, own at 1 and 8; 2: impostor at 1.5, own at 1 and 7; 9: impostor at 3, own at 7 and 8.
    assert found.kstar.tolist() == [2, 2, 1]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: f"{engine.backend}-{engine.product}")
def test_a_squared_distance_that_is_the_smallest_number_is_not_zero(engine):
    # (2.3e-162)² is the smallest subnormal number, and half of it would be 0; the two images at 0 are nearer.
    images, labels = np.array([[0.0], [0.0], [2.3e-162], [0.6], [0.7]]), np.array([0, 0, 1, 1, 0])
    assert search_impostors(images, labels, engine=engine)["euclidean"].kstar.tolist() == [2, 2, 1, 1, 1]


MEASURE = """
import re, sys
from pathlib import Path
import numpy as np
from clipkstar.neighbors import search_impostors

images = np.load(sys.argv[1], mmap_mode=sys.argv[2] or None)
labels, groups = np.arange(20_000) % 100, np.arange(20_000) // 100 % 20
search_impostors(np.array(images[:400]), labels[:400], ("euclidean", "cosine"), groups=groups[:400])
kib = lambda name: int(re.search(rf"{name}:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
before = kib("VmRSS")
search_impostors(images, labels, groups=None if sys.argv[2] else groups)
print(kib("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")
@pytest.mark.parametrize("mmap_mode", ["", "r"], ids=["in memory", "memory-mapped"])
def test_a_search_needs_less_than_256_mib_beside_the_embeddings(mmap_mode, tmp_path):
    # In a process of its own: the largest resident size (VmHWM; ru_maxrss would inherit that of the parent) after the
    # search less the resident size before it. Before, the embeddings are held (or mapped) and a small search has loaded
    # every library; pages of the map that the search reads count as its memory, which only makes the test harder.
    images = np.random.default_rng(0).normal(size=(20_000, 256)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "images.npy", mmap_mode], capture_output=True, text=True, check=True
    )
    assert 0 < int(done.stdout) < 256 * 1024
