"""What a sweep has before it, told without a model, a picture or a download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from clipkstar import store
from clipkstar.caching.pixel_cache import are_cached, pixel_bytes
from clipkstar.recording import has_metrics
from clipkstar.sweeps.order import geometry_of, lies_on_hub, listing_of
from clipkstar.sweeps.survey import Survey, pairs, stored_run
from clipkstar.sweeps.sweep import Pair

if TYPE_CHECKING:
    from clipkstar.checkpoint import Geometry

BYTES_PER_PARAMETER = 4
"""Published weights are float32 as a rule."""

State = Literal["stored", "metrics missing", "failed before", "to run"]
"""stored: nothing is done. metrics missing: the run is there, some metrics are not. failed before: tried again."""

TO_ENCODE: tuple[State, ...] = ("to run", "failed before")


@dataclass(frozen=True, kw_only=True)
class PairForecast:
    """One checkpoint on one task. n_images: None = not known before the data set is opened."""

    task: str
    checkpoint: str
    state: State
    n_images: int | None


@dataclass(frozen=True, kw_only=True)
class Download:
    """Weights or a data set that are not known to be on this machine. bytes: estimated; None = cannot be told."""

    what: Literal["weights", "data set"]
    name: str
    bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a sweep will do.

    to_encode: pictures × checkpoints. to_decode: pictures × geometries that no cache has, or × checkpoints where no
    pixels are kept. pixel_bytes: what those take in the cache. Data sets and checkpoints whose size or geometry is not
    known yet are not in these sums; `is_complete` says whether there are none.
    """

    pairs: tuple[PairForecast, ...]
    to_encode: int
    to_decode: int
    pixel_bytes: int
    downloads: tuple[Download, ...]
    is_complete: bool

    @property
    def to_encode_by_pair(self) -> dict[Pair, int | None]:
        """Pictures of each pair that is to be encoded; None = not known yet."""
        return {
            Pair(task=pair.task, checkpoint=pair.checkpoint): pair.n_images
            for pair in self.pairs
            if pair.state in TO_ENCODE
        }


def forecast(found: Survey) -> Forecast:
    """Look at what there is on this machine; nothing is opened."""
    told = [_pair(found, pair) for pair in pairs(found)]
    todo = [pair for pair in told if pair.state in TO_ENCODE]
    geometries = {label: _geometry(found, label) for label in dict.fromkeys(pair.checkpoint for pair in todo)}
    decoded = [(pair.task, geometries[pair.checkpoint]) for pair in todo]
    keeps = found.sweep.settings.keep_pixels
    if keeps:
        decoded = [each for each in dict.fromkeys(decoded) if not _are_cached(found, *each)]
    new = [(found.n_images(task), geometry) for task, geometry in decoded]
    kept = [(n_images or 0, geometry) for n_images, geometry in new if geometry and keeps]
    return Forecast(
        pairs=tuple(told),
        to_encode=sum(pair.n_images or 0 for pair in todo),
        to_decode=sum(n_images or 0 for n_images, _ in new),
        pixel_bytes=sum(pixel_bytes(n_images, geometry) for n_images, geometry in kept),
        downloads=tuple(_downloads(found, todo)),
        is_complete=all(n_images is not None and (geometry or not keeps) for n_images, geometry in new),
    )


def _pair(found: Survey, pair: Pair) -> PairForecast:
    known = stored_run(found, pair)
    state: State = "to run"
    if known is not None and not found.sweep.settings.force:
        state = "stored" if has_metrics(known, found.metrics) else "metrics missing"
    elif store.has_failed(found.results, task=pair.task, checkpoint=pair.checkpoint):
        state = "failed before"
    return PairForecast(task=pair.task, checkpoint=pair.checkpoint, state=state, n_images=found.n_images(pair.task))


def _geometry(found: Survey, label: str) -> Geometry | None:
    return geometry_of(found.members[label], found.identities[label])


def _are_cached(found: Survey, task: str, geometry: Geometry | None) -> bool:
    opening = found.openings[task]
    return opening is not None and geometry is not None and are_cached(opening.images_digest, geometry)


def _downloads(found: Survey, todo: list[PairForecast]) -> list[Download]:
    downloads = [_weights(found, label) for label in dict.fromkeys(pair.checkpoint for pair in todo)]
    names = dict.fromkeys(pair.task for pair in todo)
    downloads += [
        Download(what="data set", name=task.dataset.title, bytes=None)
        for task in found.sweep.tasks
        if task.name in names and found.openings[task.name] is None and not task.dataset.is_local
    ]
    return [download for download in downloads if download is not None]


def _weights(found: Survey, label: str) -> Download | None:
    """Weights that are not known to be here; nothing is told of families that describe none of their checkpoints."""
    member = found.members[label]
    if found.identities[label] is not None:
        return None
    if lies_on_hub(member):
        return Download(what="weights", name=label, bytes=None)
    listing = None if member.checkpoint.source else listing_of(member)  # with a source: a file, a folder, random
    if listing is None or listing.cached:
        return None
    size = None if listing.parameters is None else listing.parameters * BYTES_PER_PARAMETER
    return Download(what="weights", name=label, bytes=size)
