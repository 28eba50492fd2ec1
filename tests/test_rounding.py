"""The bound of rounding.py: no value read off a product is further from the truth than it says, and it says little."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from clipkstar.full_float32 import full_float32
from clipkstar.neighbors import own_class, rounding, search_impostors, sweep
from clipkstar.neighbors.engine import Engine
from clipkstar.neighbors.impostors import EVEN_LENGTHS
from clipkstar.neighbors.panels import lay_out
from clipkstar.neighbors.points import Points, survey
from clipkstar.neighbors.rounding import FLOAT32_UNIT, find_centre, multiply, open_store
from clipkstar.neighbors.sweep import view_of

N_IMAGES = 14
PRODUCTS = ("float32", "bfloat16")


def half_float32(values):
    """Numbers of bfloat16: float32 with the lower half of its bits cut off."""
    return (np.asarray(values, dtype=np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)


def signs(generator, dim):
    return generator.choice([-1.0, 1.0], size=(N_IMAGES, dim))


def huge_opposite_parts(generator, dim):
    """Neighbours in pairs that differ by little, far from the centre on both sides of it."""
    far = np.repeat(generator.normal(size=(N_IMAGES // 2, dim)), 2, axis=0) * 1e4
    return far * np.where(np.arange(N_IMAGES) % 4 < 2, 1, -1)[:, None] + generator.normal(size=far.shape) * 1e-3


def alternating_signs(generator, dim):
    return np.where(np.arange(dim) % 2, -1, 1) * (1 + generator.uniform(0, 1e-5, size=(N_IMAGES, dim)))


def subnormal_beside_normal(generator, dim):
    return signs(generator, dim) * np.where(np.arange(N_IMAGES)[:, None] < 3, 1, 1e-40)


def subnormal(generator, dim):
    return generator.integers(1, 50, size=(N_IMAGES, dim)) * 2.0**-149


def squares_that_underflow(generator, dim):
    """Entries whose squares are subnormal in float32, beside two images that keep the scale near one."""
    points = signs(generator, dim) * 10 ** generator.uniform(-23, -18, size=(N_IMAGES, dim))
    points[:2] = [[1.0], [-1.0]]
    return points


def entries_of_every_size(generator, dim):
    return signs(generator, dim) * 10 ** generator.uniform(-30, 0, size=(N_IMAGES, dim))


def all_rounded_down(generator, dim):
    """In bfloat16 every entry loses nearly half a unit, always in the same direction; mirrored, so the mean is zero."""
    half = 1 + 2.0**-8 - generator.integers(1, 9, size=(N_IMAGES // 2, dim)) * 2.0**-20
    return np.concatenate([half, -half])


def offset(generator, dim):
    return 1e3 + generator.normal(size=(N_IMAGES, dim))


def rays(generator, dim):
    """One direction and many lengths, as numbers of bfloat16 about a mean of zero: cosine has to cancel everything."""
    half = half_float32(generator.normal(size=dim)).astype(np.float64) * (1 + np.arange(N_IMAGES // 2))[:, None]
    half = half_float32(half) if dim > 1 else half
    return np.concatenate([half, -half])


def lengths_apart(generator, dim):
    points = generator.normal(size=(N_IMAGES, dim))
    return points / np.linalg.norm(points, axis=1, keepdims=True) * np.linspace(1, 15, N_IMAGES)[:, None]


def all_equal(generator, dim):
    return np.full((N_IMAGES, dim), 0.1)


KINDS = (
    *(huge_opposite_parts, alternating_signs, subnormal_beside_normal, subnormal, squares_that_underflow),
    *(entries_of_every_size, all_rounded_down, offset, rays, lengths_apart, all_equal),
)


def views_of(images, product):
    """Every view that the engine may have of the images: (points, store, view), and the tile that it reads."""
    n_images = len(images)
    labels = np.arange(n_images)
    seen = survey(images, labels, ("euclidean", "cosine"))
    euclidean, cosine = (
        Points(source=images, distance=distance, exponent=seen.exponent, lengths=seen.lengths)
        for distance in ("euclidean", "cosine")
    )
    # A panel of one image a class in the order of the images: slots are positions, wherever there is no padding.
    panels = lay_out(labels, np.zeros(n_images, dtype=np.int64), labels, n_images)
    kinds = [(euclidean, euclidean), (cosine, cosine)]
    if seen.length_spread <= EVEN_LENGTHS:
        kinds.append((cosine, euclidean))
    for points, rounded in kinds:
        store = open_store(rounded, panels, find_centre(rounded), product=product, device="cpu")
        derived = points is not rounded
        yield points, store, panels, view_of(points.distance, derived=derived, product=product, device="cpu")


def read(store, panels, view):
    """V and its slack, (n_images, n_images) float64 each, computed as the sweep does."""
    points = store.panel(panels[0])
    with full_float32():
        product = multiply(points.left(), points.right, torch.empty(len(points.right) ** 2))
        values = view.read(product, points, points, torch.empty(product.numel()))
        left, right = view.parts(points)
        bound = left @ right.T
        # That of all pairs at once is as large, but for the order in which float32 sums four numbers.
        assert (view.bound(points, points)[:, None] * (1 + 4 * FLOAT32_UNIT) >= bound).all()
        slack = bound + view.relative * values.abs()
    members = torch.from_numpy(panels[0].members)
    slots = torch.argsort(torch.where(members < 0, len(members), members))[: int((members >= 0).sum())]
    return (part[slots][:, slots].double().numpy() for part in (values, slack))


def halved_squares(points, n_images):
    """Minus half of every squared distance of the float64 points, as exactly as float64 can say it."""
    rows = points.rows(np.arange(n_images))
    if rows.shape[1] <= 8:
        whole = [[Fraction(value) for value in row] for row in rows.tolist()]
        pairs = [[sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) for y in whole] for x in whole]
        return np.array([[-float(pair / 2) for pair in row] for row in pairs])
    return np.array([[-math.fsum((x - y) ** 2) / 2 for y in rows] for x in rows])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dim", [1, 2, 3, 16, 257, 2048])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_value_lies_within_its_slack_of_the_truth(kind, dim, dtype):
    images = kind(np.random.default_rng(dim), dim).astype(dtype)
    for product in PRODUCTS:
        for points, store, panels, view in views_of(images, product):
            values, slack = read(store, panels, view)
            off = np.abs(values - halved_squares(points, N_IMAGES))
            assert (off <= slack).all(), (product, view, float((off / slack).max()))


@pytest.mark.parametrize("dim", [1, 2, 16, 256, 2048])
def test_the_bound_of_a_float32_product_is_a_small_multiple_of_its_unit_roundoff(dim):
    # In units of a² u: e⁺ is 1 + (dim + 2) / 2 for either side, s is (dim + 4) / 2 + 1: 2 dim + 10 together.
    images = np.random.default_rng(dim).normal(size=(N_IMAGES, dim)).astype(np.float32)
    points, store, panels, view = next(views_of(images, "float32"))
    _, slack = read(store, panels, view)
    rows = points.rows(np.arange(N_IMAGES))
    longest = np.linalg.norm(rows - rows.mean(axis=0), axis=1).max()
    assert slack.max() < 4 * (dim + 8) * FLOAT32_UNIT * longest**2


def near_ties(seed=0, n_images=150, dim=6):
    """Many images at nearly the same distances: classes mixed on a coarse grid, shaken by less than float32 tells."""
    generator = np.random.default_rng(seed)
    images = generator.integers(-3, 4, size=(n_images, dim)) / 8 + generator.normal(size=(n_images, dim)) * 1e-8
    return images + 1, generator.integers(0, 4, n_images)


def integers_of(images, labels, product, distances=("euclidean", "cosine")):
    groups = np.arange(len(labels)) % 3
    found = search_impostors(images, labels, distances, groups=groups, engine=Engine(product=product))
    elsewhere = groups != np.arange(3)[:, None]
    return {
        distance: (one.kstar.tolist(), one.positions.tolist(), one.kstar_without[elsewhere].tolist())
        for distance, one in found.items()
    }


def brute_kstar(images, labels):
    kstar = []
    for i, image in enumerate(images):
        squared = ((images - image) ** 2).sum(axis=1)
        squared[i] = np.inf
        kstar.append(1 + int((squared[labels == labels[i]] < squared[labels != labels[i]].min()).sum()))
    return kstar


def disturb(monkeypatch, change):
    """Let both passes see change(exact product, sum of its terms' sizes, their number) instead of the product."""

    def disturbed(left, right, out):
        exact, sizes = left.double() @ right.double().T, left.double().abs() @ right.double().abs().T
        tile = change(exact, sizes, left.shape[1]).float()
        if left.dtype == torch.bfloat16:
            tile = tile.bfloat16().float()
        return out[: tile.numel()].view(tile.shape).copy_(tile)

    monkeypatch.setattr(sweep, "multiply", disturbed)
    monkeypatch.setattr(own_class, "multiply", disturbed)


def allowed(exact, sizes, terms):
    """What an accumulation of so many terms in float32 may be off by, less the rounding of the sum to float32."""
    gamma = terms * FLOAT32_UNIT / (1 - terms * FLOAT32_UNIT)
    return (gamma * sizes - FLOAT32_UNIT * exact.abs()).clamp(min=0)


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("pattern", ["up", "by chance", "stripes", "away from the mean"])
@pytest.mark.parametrize("seed, dim", [(0, 1), (1, 6), (2, 24)])
def test_no_accumulation_within_the_bound_changes_an_integer(monkeypatch, product, pattern, seed, dim):
    images, labels = near_ties(seed, dim=dim)
    expected = integers_of(images, labels, product)
    assert expected["euclidean"][0] == brute_kstar(images, labels)
    draws = torch.Generator().manual_seed(seed)

    def change(exact, sizes, terms):
        way = {
            "up": lambda: torch.ones_like(exact),
            "by chance": lambda: 2.0 * torch.randint(0, 2, exact.shape, generator=draws) - 1,
            "stripes": lambda: 1 - 2.0 * (torch.arange(exact.shape[1]) % 2).expand(exact.shape),
            "away from the mean": lambda: torch.sign(exact - exact.mean()),
        }[pattern]()
        return exact + way * allowed(exact, sizes, terms)

    disturb(monkeypatch, change)
    assert integers_of(images, labels, product) == expected


@pytest.mark.parametrize("product", PRODUCTS)
def test_an_error_beyond_the_bound_does_change_integers(monkeypatch, product):
    # That the comparisons of these tests can fail at all.
    images, labels = near_ties()
    expected = brute_kstar(images, labels)
    draws = torch.Generator().manual_seed(0)

    def change(exact, sizes, terms):
        return exact + sizes * (torch.rand(exact.shape, generator=draws) - 0.5) / 4

    disturb(monkeypatch, change)
    assert integers_of(images, labels, product, ("euclidean",))["euclidean"][0] != expected


def test_a_product_that_flushes_subnormal_numbers_to_zero_changes_no_integer(monkeypatch):
    """VDPBF16PS and TDPBF16PS treat subnormal operands as zero and flush subnormal results, whatever the settings."""
    small = 2.0**-63
    images = np.outer([small, small, small, 0, -small, -small, -small, 1, -1], np.ones(1024)).astype(np.float32)
    labels = np.array([0, 0, 1, 1, 0, 0, 1, 0, 1])

    def flushed(values):
        return values.masked_fill(values.abs() < 2.0**-126, 0)

    def multiply_flushing(left, right, out):
        left, right = flushed(left.float()), flushed(right.float())
        total = torch.zeros(len(left), len(right))
        for a, b in zip(left.T, right.T, strict=True):
            total = flushed(total + flushed(a[:, None] * b[None, :]))
        return total.bfloat16().float()

    monkeypatch.setattr(sweep, "multiply", multiply_flushing)
    found = search_impostors(images, labels, engine=Engine(product="bfloat16"))["euclidean"]
    # An image coincides with one of the other class, or (the last two) has nobody of its own nearer than an impostor.
    assert found.kstar.tolist() == [1] * 9
    assert found.positions.tolist() == [2, 2, 0, 0, 6, 6, 4, 2, 0]


def test_a_product_in_bfloat16_is_rounded_by_at_most_its_relative_error():
    # 1 + 2⁻⁸ lies halfway between two numbers of bfloat16: the unit roundoff is 2⁻⁸.
    exact = torch.cat([1 + torch.arange(0, 512) / 512, torch.tensor([1 + 2.0**-8])]).double()
    rounded = exact.bfloat16().double()
    assert ((rounded - exact).abs() <= rounding.relative_error("bfloat16", "cpu") * rounded).all()
    assert rounding.relative_error("float32", "cpu") == 0
