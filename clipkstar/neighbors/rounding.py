"""Points rounded for a fast matrix product, with all that is needed to bound what the rounding did.

Notation: c = point minus a common centre, b = c rounded to the type of the product, q = |c|²/2. The product of the
augmented rows (b_i, 1, -q_i) · (b_j, -q_j, 1) gives V_ij ≈ b_i·b_j - q_i - q_j ≈ -|c_i - c_j|²/2: large means near.

Bound. With u the unit roundoff of float32, K the length of the rows, e_i ≥ |b_i - c_i| and a_i ≥ |b_i|, |c_i|:
- rounding moves the scalar product by at most |c_i·c_j - b_i·b_j| ≤ e_i a_j + a_i e_j;
- accumulating K terms in float32, in whatever order, errs by at most γ (a_i a_j + q_i + q_j), γ = K u / (1 - K u)
  (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1; products of bfloat16 are exact in it);
  four more terms cover the float32 comparisons that follow, and where tensor cores cut sums off, u is theirs;
- q, taken from c before it was rounded to b, is off by at most 2 u q_i + e_i a_i.
So |V_ij - true| ≤ e⁺_i a_j + a_i e⁺_j + s_i + s_j with e⁺ = e + γ a / 2 and s = (γ + 2 u) q + e a. Part of e are the
rounding of the centring (one unit of its type), of norms and unit vectors in float64, and of b. Where the product is
rounded to bfloat16 once more, r |V_ij| come on top, r = v / (1 - v), v = 2⁻⁸ its unit roundoff. Multipliers that flush
tiny numbers to zero lose less than FLOOR, which every s holds too, the largest entry of all points being ½ … 1.
All bounds are enlarged by MARGIN, which covers their own evaluation in float32.

Cosine from the same product: with w = 1/|x|, -|x_i/|x_i| - x_j/|x_j||²/2 = w_i w_j (V_ij + (|x_i| - |x_j|)²/2),
which cancels nothing but what V_ij is off by: r |V_ij| ≤ r (a_i² + a_j²) becomes a part of s here. With m = |x| less
a common value, the square errs by at most 8 u (m_i² + m_j²); the sum and the two products by a relative 6 u. That unit
vectors are themselves rounded in float64 is covered by the same part of e as their norms, since by Dunkl and Williams
(1964) |x/|x| - y/|y|| ≤ 4 |x - y| / (|x| + |y|).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from clipkstar.neighbors.engine import Engine
from clipkstar.neighbors.panels import PADDING, Panel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clipkstar.neighbors.points import Points

Product = Literal["float32", "bfloat16"]

RESIDENT_BYTES = 112 * 2**20
"""Rounded points kept in memory: 50,000 x 512 float32 fit."""
DEVICE_BYTES = 16 * 2**30
"""The same on a GPU."""
FLOAT32_UNIT = 2.0**-24
BFLOAT16_UNIT = 2.0**-8
TENSOR_CORE_UNIT = 2.0**-22
"""In place of FLOAT32_UNIT where a GPU multiplies bfloat16: it aligns the terms of a sum and cuts them off."""
MARGIN = 1.001
FLOOR = 1e-30
NEVER = -1e30
"""V of what must not be found: padding and, where impostors are sought, the own class. True V stay above -1e20."""


@dataclass(frozen=True, kw_only=True)
class Centre:
    """What is taken away before rounding; any values are right, good ones make the bounds small.

    point: (dim,) float64, near the mean of the points. norm: near the mean of their lengths.
    """

    point: NDArray[np.float64]
    norm: float


@dataclass(frozen=True, kw_only=True)
class Rounded:
    """Some points, rounded; every tensor has one row per point.

    right: (n, K) the augmented rows (b, -q, 1), in the type of the product.
    length, error, offset: a, e⁺ and s of the bound. excess: m. weight: w. All (n,) float32.
    """

    right: torch.Tensor
    length: torch.Tensor
    error: torch.Tensor
    offset: torch.Tensor
    excess: torch.Tensor
    weight: torch.Tensor

    def left(self) -> torch.Tensor:
        """Return the augmented rows (b, 1, -q), to be multiplied with another's `right`."""
        extra = n_extra(self.right.dtype)
        one, minus_q = self.right[:, -extra:], self.right[:, -2 * extra : -extra]
        return torch.cat([self.right[:, : -2 * extra], one, minus_q], dim=1)

    def take(self, index: torch.Tensor | slice) -> Rounded:
        """Return some of the points."""
        return Rounded(
            right=self.right[index],
            length=self.length[index],
            error=self.error[index],
            offset=self.offset[index],
            excess=self.excess[index],
            weight=self.weight[index],
        )


@dataclass(frozen=True, kw_only=True)
class Store:
    """Where rounded points come from: all kept in memory where they fit in RESIDENT_BYTES, else rounded when asked for.

    whole: every slot's point, or None. slots: (n_images,) int64, slot of each position (only where whole is there).
    """

    points: Points
    centre: Centre
    product: Product
    device: str
    whole: Rounded | None
    slots: NDArray[np.int64]

    def panel(self, panel: Panel) -> Rounded:
        """Return a panel's points, one per slot."""
        return self.fresh(panel) if self.whole is None else self.whole.take(panel.slots)

    def fresh(self, panel: Panel) -> Rounded:
        """Return the points of a panel of other slots than those that the store knows."""
        return round_points(self.points, panel.members, self.centre, product=self.product, device=self.device)

    def images(self, positions: NDArray[np.int64]) -> Rounded:
        """Return the points of some images."""
        if self.whole is not None:
            return self.whole.take(torch.from_numpy(self.slots[positions]).to(self.device))
        return round_points(self.points, positions, self.centre, product=self.product, device=self.device)

    def batches(self, panels: Sequence[Panel]) -> Iterator[Sequence[Panel]]:
        """Cut the panels into batches whose points may be held at the same time."""
        if self.whole is not None:
            yield panels
            return
        held = max(1, RESIDENT_BYTES // max(len(panel.members) * self.points.source.shape[1] * 4 for panel in panels))
        for start in range(0, len(panels), held):
            yield panels[start : start + held]


def open_store(points: Points, panels: Sequence[Panel], centre: Centre, *, product: Product, device: str) -> Store:
    """Return the points of the panels' images, rounded; those of other images can not be asked for."""
    n_slots = panels[-1].slots.stop
    columns = points.source.shape[1] + 2 * n_extra(_dtype(product))
    limit = RESIDENT_BYTES if device == "cpu" else DEVICE_BYTES
    store = Store(
        points=points, centre=centre, product=product, device=device, whole=None, slots=np.empty(0, dtype=np.int64)
    )
    if n_slots * columns * _dtype(product).itemsize > limit:
        return store
    right = torch.empty(n_slots, columns, dtype=_dtype(product), device=device)
    parts = []
    for panel in panels:
        rounded = store.panel(panel)
        right[panel.slots] = rounded.right
        parts.append((rounded.length, rounded.error, rounded.offset, rounded.excess, rounded.weight))
    length, error, offset, excess, weight = (torch.cat(part) for part in zip(*parts, strict=True))
    whole = Rounded(right=right, length=length, error=error, offset=offset, excess=excess, weight=weight)
    members = np.concatenate([panel.members for panel in panels])
    slots = np.full(len(points.source), PADDING)
    slots[members[members != PADDING]] = np.flatnonzero(members != PADDING)
    return replace(store, whole=whole, slots=slots)


def _dtype(product: Product) -> torch.dtype:
    return torch.bfloat16 if product == "bfloat16" else torch.float32


def n_extra(dtype: torch.dtype) -> int:
    """Columns that hold q: one float32, or three bfloat16 whose sum is q to 2⁻²⁴."""
    return 3 if dtype == torch.bfloat16 else 1


def find_centre(points: Points) -> Centre:
    """Average some thousand points, evenly taken."""
    n_images = len(points.source)
    rows = points.rows(np.arange(0, n_images, -(-n_images // 4096)))
    # A float32 number, so that taking it away from float32 embeddings rounds once.
    return Centre(
        point=rows.mean(axis=0).astype(np.float32).astype(np.float64), norm=float(np.linalg.norm(rows, axis=1).mean())
    )


def round_points(
    points: Points, members: NDArray[np.int64], centre: Centre, *, product: Product, device: str
) -> Rounded:
    """Round the points of the members (positions or PADDING, which nobody ever finds)."""
    dtype = _dtype(product)
    there = torch.from_numpy(members != PADDING)
    positions = np.maximum(members, 0)
    centred = points.coarse_rows(positions)
    dim = centred.shape[1]
    centred -= centre.point.astype(centred.dtype)
    half_squares = torch.from_numpy(np.einsum("ij,ij->i", centred, centred, dtype=np.float64) / 2)
    right = torch.empty(len(members), dim + 2 * n_extra(dtype), dtype=dtype)
    right[:, :dim] = body = torch.from_numpy(centred)
    right[:, dim:] = 1
    right[:, dim : dim + n_extra(dtype)] = _split(torch.where(there, -half_squares, NEVER), dtype)
    right[~there, :dim] = 0
    lengths = torch.from_numpy(points.lengths[positions] if points.distance == "euclidean" else np.ones(len(members)))
    length = torch.sqrt(2 * half_squares)
    error = float(np.finfo(centred.dtype).eps / 2) * length
    error += (dim + 8) * 2.0**-52 * (lengths + float(np.linalg.norm(centre.point)))
    if body.dtype != dtype:
        error += torch.linalg.vector_norm(body - right[:, :dim], dim=1)
    length += error
    terms = right.shape[1] + 4
    unit = TENSOR_CORE_UNIT if dtype == torch.bfloat16 and device == "cuda" else FLOAT32_UNIT
    gamma = terms * unit / (1 - terms * unit)

    def scalar(values: torch.Tensor) -> torch.Tensor:
        return torch.where(there, values, 0.0).to(device, torch.float32)

    return Rounded(
        right=right.to(device),
        length=scalar(length * MARGIN),
        error=scalar((error + gamma / 2 * length) * MARGIN),
        offset=scalar(((gamma + 2 * FLOAT32_UNIT) * half_squares + error * length) * MARGIN + FLOOR),
        excess=scalar(lengths - centre.norm),
        weight=torch.where(there, 1 / lengths.clamp(min=1e-300), 1.0).to(device, torch.float32),
    )


def _split(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Write values (n,) float64 as the sum of n_extra(dtype) columns."""
    columns = []
    for _ in range(n_extra(dtype)):
        columns.append(values.to(dtype))
        values = values - columns[-1]
    return torch.stack(columns, dim=1)


def multiply(left: torch.Tensor, right: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Return V (n_left, n_right) float32; `out` is memory for it (a flat float32 tensor, long enough)."""
    if left.dtype == torch.float32:
        tile = out[: len(left) * len(right)].view(len(left), len(right))
        return torch.mm(left, right.T, out=tile)
    if left.device.type == "cuda":
        return torch.mm(left, right.T, out_dtype=torch.float32)
    if multiplies_bfloat16():
        return torch.mm(left, right.T).float()
    # What such hardware would give: exact products of rounded numbers, summed in float32, rounded once.
    return torch.mm(left.float(), right.float().T).bfloat16().float()


def multiplies_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 itself (AVX512-BF16 or AMX), summing in float32."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def relative_error(product: Product, device: str) -> float:
    """Relative part of the bound: bfloat16 products are rounded to bfloat16 but on CUDA, which gives float32."""
    return BFLOAT16_UNIT / (1 - BFLOAT16_UNIT) if product == "bfloat16" and device != "cuda" else 0.0


def pick_product(engine: Engine) -> Product:
    """Return the type of the product that an engine multiplies in."""
    if engine.backend == "faiss" or engine.product == "float32":
        return "float32"
    if engine.product == "bfloat16":
        return "bfloat16"
    return "bfloat16" if engine.device == "cpu" and multiplies_bfloat16() and _keeps_its_bound() else "float32"


def _keeps_its_bound() -> bool:
    """Whether a product of bfloat16 on this CPU, tried on numbers that cancel, stays within the bound assumed of it."""
    draws = torch.Generator().manual_seed(0)
    left, right = (torch.randn(64, 512, generator=draws).bfloat16() for _ in range(2))
    right[:, 256:] = left[:, :256] - right[:, :256]
    exact = left.double() @ right.double().T
    terms = left.double().abs() @ right.double().abs().T
    found = torch.mm(left, right.T).double()
    allowed = relative_error("bfloat16", "cpu") * found.abs() + left.shape[1] * FLOAT32_UNIT * terms
    return bool(((found - exact).abs() <= allowed).all())
