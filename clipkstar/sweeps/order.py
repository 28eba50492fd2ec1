"""In which order a sweep visits data sets and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from clipkstar.errors import InputError

if TYPE_CHECKING:
    from clipkstar.checkpoint import Geometry, Identity, Listing
    from clipkstar.sweeps.sweep import Member
    from clipkstar.task import Task

HUB_SCHEME = "hf-hub:"


def blocks(tasks: Sequence[Task], n_bytes: Callable[[Task], int], bound: int) -> list[list[Task]]:
    """Cut tasks, in their order, into blocks whose sizes sum to at most `bound`; a larger task has its own block."""
    cut: list[list[Task]] = []
    used = 0
    for task in tasks:
        size = n_bytes(task)
        if not cut or used + size > bound:
            cut.append([])
            used = 0
        cut[-1].append(task)
        used += size
    return cut


def by_geometry(geometries: Mapping[str, Geometry | None]) -> list[str]:
    """Bring the labels of one geometry together, in the order of their first; those that cannot be told come last."""
    order = list(dict.fromkeys(geometry for geometry in geometries.values() if geometry is not None))
    places = {label: len(order) if found is None else order.index(found) for label, found in geometries.items()}
    return sorted(geometries, key=lambda label: places[label])


def geometry_of(member: Member, identity: Identity | None) -> Geometry | None:
    """Tell the geometry of a checkpoint without its weights; None where that cannot be told.

    identity: as far as it is known.
    """
    if identity is not None:
        return identity.geometry
    listing = listing_of(member)
    return None if listing is None else listing.geometry


def listing_of(member: Member) -> Listing | None:
    """Return what the family tells of a checkpoint without a download; None where it can tell nothing."""
    if member.family.describe is None or lies_on_hub(member):
        return None
    try:
        return member.family.describe(member.checkpoint, False)
    except InputError:  # said when the checkpoint is to be loaded
        return None


def lies_on_hub(member: Member) -> bool:
    """Whether a model is named by its repository, so that nothing is known of it before it is fetched."""
    return member.checkpoint.source.startswith(HUB_SCHEME)
