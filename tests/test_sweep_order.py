"""In which order a sweep visits data sets and checkpoints."""

from dataclasses import replace
from pathlib import Path

import pytest
from counted import Counted, install, requests, settled_task, weights

from clipkstar.checkpoint import Geometry
from clipkstar.encoder import Request
from clipkstar.errors import InputError
from clipkstar.identities import identify
from clipkstar.sweeps.order import blocks, by_geometry, geometry_of, listing_of
from clipkstar.sweeps.sweep import Member, Sweep, members
from clipkstar.task import Task
from clipkstar.unit import Settings


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    return install(monkeypatch, tmp_path / "cache")


def found(*wanted: Request) -> list[Member]:
    return members(Sweep(checkpoints=wanted, tasks=(), settings=Settings()))


def tags(of: list[Member]) -> list[str]:
    return [member.checkpoint.pretrained for member in of]


def ordered(of: list[Member]) -> list[str]:
    label = {member.label: member.checkpoint.pretrained for member in of}
    return [label[each] for each in by_geometry({member.label: geometry_of(member, None) for member in of})]


@pytest.fixture
def mixed(counted: Counted, tmp_path: Path) -> list[Member]:
    small, large = weights(tmp_path, "a", "c", "e"), weights(tmp_path, "b", "d")
    wanted = [*requests("small", small), *requests("large", large)]
    return found(*sorted(wanted, key=lambda request: str(request.pretrained)))


def test_checkpoints_of_one_geometry_come_together_in_the_order_of_the_first_ones(
    mixed: list[Member], counted: Counted
) -> None:
    assert tags(mixed) == ["a", "b", "c", "d", "e"]
    assert ordered(mixed) == ["a", "c", "e", "b", "d"]
    assert ordered(mixed[1:]) == ["b", "d", "c", "e"]
    assert counted.done == []


def test_checkpoints_whose_geometry_cannot_be_told_come_last(mixed: list[Member]) -> None:
    mute = replace(mixed[0], family=replace(mixed[0].family, describe=None))
    assert geometry_of(mute, None) is None
    assert ordered([mute, *mixed[1:]]) == ["b", "d", "c", "e", "a"]


def test_a_geometry_that_was_found_once_is_known(mixed: list[Member]) -> None:
    mute = replace(mixed[1], family=replace(mixed[1].family, describe=None))
    assert geometry_of(mute, identify(mute.family, mute.checkpoint)) == Geometry(size=(6, 6))


def test_what_a_family_says_against_a_checkpoint_waits_until_it_is_loaded(mixed: list[Member]) -> None:
    def refuse(*_: object) -> None:
        raise InputError("this one cannot be described.")

    refused = replace(mixed[0], family=replace(mixed[0].family, describe=refuse))
    assert listing_of(refused) is None
    assert geometry_of(refused, None) is None


def test_of_a_repository_on_the_hub_nothing_is_asked_that_would_fetch_it() -> None:
    (member,) = found(Request(model="hf-hub:org/name"))
    asked: list[object] = []
    assert (
        geometry_of(replace(member, family=replace(member.family, describe=lambda *_: asked.append(_))), None) is None
    )
    assert asked == []


def test_the_geometry_of_a_bundled_model_is_known_without_its_weights() -> None:
    (member,) = found(Request(model="tiny-p8", pretrained="final"))
    assert geometry_of(member, None) == identify(member.family, member.checkpoint).geometry


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    return [replace(settled_task(tmp_path, "a"), name=name) for name in "abcd"]


@pytest.mark.parametrize(
    ("sizes", "bound", "cut"),
    [
        ([1, 1, 1, 1], 4, ["abcd"]),
        ([1, 1, 1, 1], 3, ["abc", "d"]),
        ([3, 2, 2, 3], 5, ["ab", "cd"]),
        ([9, 1, 1, 9], 5, ["a", "bc", "d"]),
        ([9, 9, 9, 9], 5, ["a", "b", "c", "d"]),
        ([0, 0, 0, 0], 0, ["abcd"]),
    ],
)
def test_tasks_are_cut_into_blocks_that_fit_and_stay_in_order(
    sizes: list[int], bound: int, cut: list[str], tasks: list[Task]
) -> None:
    size = dict(zip("abcd", sizes, strict=True))
    found = blocks(tasks, lambda task: size[task.name], bound)
    assert ["".join(task.name for task in block) for block in found] == cut


def test_no_tasks_are_no_blocks() -> None:
    assert blocks([], lambda _: 1, 5) == []
