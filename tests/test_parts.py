"""Cutting a sweep into parts: pure arithmetic, no cluster."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipkstar.engines.parts import Claim, Node, Part, Place, claim, places, split
from clipkstar.errors import InputError


def machine(name, cpus=0, gpus=0):
    return Node(id=name, name=name, cpus=cpus, gpus=gpus)


def machines(*slots):
    return [Place(node=machine("abcdefgh"[position]), slots=n) for position, n in enumerate(slots)]


def told(parts):
    return [(part.task, list(part.checkpoints), part.node) for part in parts]


def test_as_many_data_sets_as_slots_are_parts_of_their_own_for_any_machine() -> None:
    assert told(split(3, 2, machines(2, 1))) == [(0, [0, 1], None), (1, [0, 1], None), (2, [0, 1], None)]


def test_the_checkpoints_of_one_data_set_are_shared_out_among_the_slots_of_one_machine() -> None:
    assert told(split(1, 7, machines(3))) == [(0, [0, 1], "a"), (0, [2, 3], "a"), (0, [4, 5, 6], "a")]


def test_each_of_two_data_sets_has_a_machine_of_its_own() -> None:
    assert told(split(2, 4, machines(2, 2))) == [
        (0, [0, 1], "a"), (0, [2, 3], "a"), (1, [0, 1], "b"), (1, [2, 3], "b"),
    ]  # fmt: skip


def test_three_data_sets_on_two_machines_are_each_decoded_on_one() -> None:
    # a takes the first and, when b has the second, the third: 4 slots each, a's shared by two data sets
    parts = split(3, 8, machines(4, 4))
    assert [(part.task, len(part.checkpoints), part.node) for part in parts] == [
        (0, 4, "a"), (0, 4, "a"), (1, 2, "b"), (1, 2, "b"), (1, 2, "b"), (1, 2, "b"), (2, 4, "a"), (2, 4, "a"),
    ]  # fmt: skip


def test_a_machine_that_no_data_set_chose_helps_with_the_one_that_has_the_fewest_slots() -> None:
    # 8 / 1 and 8 / 2 are both more than 1: the large machine has both data sets, the small one helps with the first
    parts = split(2, 5, machines(8, 1))
    assert Counter((part.task, part.node) for part in parts) == {(0, "a"): 4, (0, "b"): 1, (1, "a"): 4}


def test_no_more_parts_are_made_than_there_are_checkpoints() -> None:
    assert told(split(1, 2, machines(8))) == [(0, [0], "a"), (0, [1], "a")]


slots = st.lists(st.integers(1, 9), min_size=1, max_size=8)


@given(n_tasks=st.integers(1, 12), n_checkpoints=st.integers(1, 40), slots=slots)
def test_every_pair_is_in_exactly_one_part(n_tasks, n_checkpoints, slots) -> None:
    parts = split(n_tasks, n_checkpoints, machines(*slots))
    pairs = Counter((part.task, checkpoint) for part in parts for checkpoint in part.checkpoints)
    assert pairs == Counter((task, checkpoint) for task in range(n_tasks) for checkpoint in range(n_checkpoints))
    assert all(part.checkpoints for part in parts)


@given(n_tasks=st.integers(1, 12), n_checkpoints=st.integers(1, 40), slots=slots)
def test_no_machine_gets_more_parts_than_slots_while_others_wait_for_none(n_tasks, n_checkpoints, slots) -> None:
    parts = split(n_tasks, n_checkpoints, machines(*slots))
    if n_tasks >= sum(slots):
        assert parts == [Part(task=task, checkpoints=tuple(range(n_checkpoints))) for task in range(n_tasks)]
        return
    at = Counter(part.node for part in parts)
    assert all(at[place.node.id] <= place.slots for place in machines(*slots))
    if n_checkpoints >= sum(slots):
        assert sum(at.values()) == sum(slots)


@given(n_tasks=st.integers(1, 12), n_checkpoints=st.integers(1, 40), n_machines=st.integers(1, 8), n=st.integers(1, 9))
def test_on_equal_machines_no_more_of_them_decode_a_data_set_than_must(n_tasks, n_checkpoints, n_machines, n) -> None:
    parts = split(n_tasks, n_checkpoints, machines(*[n] * n_machines))
    decoding = {(part.task, part.node) for part in parts if part.node is not None}
    assert len(decoding) <= max(n_tasks, n_machines)


def test_a_gpu_each_is_claimed_where_there_are_any_with_its_share_of_the_cpus() -> None:
    cluster = [machine("a", cpus=16, gpus=4), machine("b", cpus=8, gpus=1), machine("c", cpus=64)]
    for device in ("auto", "cuda"):
        claimed = claim(device, cluster, 100)
        assert claimed == Claim(device="cuda", cpus=4, gpus=1)
        assert [(place.node.name, place.slots) for place in places(cluster, claimed)] == [("a", 4), ("b", 1)]


def test_cpu_is_claimed_on_machines_with_gpus_when_it_was_asked_for() -> None:
    cluster = [machine("a", cpus=4, gpus=4)]
    assert claim("cpu", cluster, 100) == Claim(device="cpu", cpus=1, gpus=0)


@pytest.mark.parametrize(
    ("n_pairs", "cpus", "slots"),
    [(100, 1, [16, 16]), (32, 1, [16, 16]), (16, 2, [8, 8]), (3, 8, [2, 2]), (2, 16, [1, 1]), (1, 16, [1, 1])],
)
def test_few_pairs_share_all_the_cpus_and_none_waits(n_pairs, cpus, slots) -> None:
    cluster = [machine("a", cpus=16), machine("b", cpus=16)]
    claimed = claim("auto", cluster, n_pairs)
    assert claimed == Claim(device="cpu", cpus=cpus, gpus=0)
    assert [place.slots for place in places(cluster, claimed)] == slots


def test_a_cluster_without_gpu_refuses_cuda() -> None:
    with pytest.raises(InputError) as refused:
        claim("cuda", [machine("a", cpus=2)], 1)
    assert str(refused.value) == (
        "--device cuda was asked for, and no machine of the Ray cluster has a GPU; use --device auto."
    )


@pytest.mark.parametrize("cluster", [[], [machine("a")]])
def test_a_cluster_without_cpu_is_said(cluster) -> None:
    with pytest.raises(InputError) as refused:
        places(cluster, claim("auto", cluster, 1))
    assert str(refused.value) == (
        "the Ray cluster has no CPU to work with; start its nodes with --num-cpus of at least 1."
    )
