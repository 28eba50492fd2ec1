"""A sweep that is killed at any moment loses at most the unit that it was at, and ends as if it had not been killed.

Kills come from outside after a random time, from inside before a random operation on a file, and at chosen ones.
"""

import os
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from colors import write_task
from stored_files import check_cache, check_store, same_stores
from sweep_children import KILLED, Child, Place, Trap, begin, place_in, start, sweep

from clipkstar import store
from clipkstar.environment import describe
from clipkstar.run import SCHEMA, FailedRun
from clipkstar.store import Store

N_KILLS = 25
N_KILLS_OF_TWO = 25
N_KILLS_OF_ZOO = 3

METRICS = ("zero_shot", "knn20_accuracy")
"""Short ones, so that a kill falls into each step about as often."""


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """A sweep that nobody killed. arguments: to do the same elsewhere. seconds: what it took here."""

    place: Place
    arguments: list[str]
    seconds: float

    @property
    def units(self) -> list[str]:
        """Every unit, once."""
        return self.place.begun

    @property
    def n_operations(self) -> int:
        """Operations on files, of all units together."""
        return len(self.place.operations)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Six checkpoints on two data sets."""
    root = tmp_path_factory.mktemp("many")
    arguments = _colors("abcdef", str(write_task(root)), "digits", metrics=METRICS)
    code, child = sweep(place_in(root / "first"), arguments)  # makes what is not looked at, such as Arrow files
    assert code == 0, child.said
    return _undisturbed(root / "undisturbed", arguments)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Two checkpoints on twelve pictures, in three batches, with k*."""
    root = tmp_path_factory.mktemp("few")
    task = write_task(root)
    os.utime(task.with_suffix(".parquet"), (0, 0))  # what is found in a file that was changed just now is not kept
    arguments = _colors("ab", str(task), metrics=("zero_shot", "kstar"))
    return _undisturbed(root / "undisturbed", [*arguments, "--batch-size", "5"])


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Models with weights on pictures of digits."""
    arguments = _listed({"--model": ["tiny-*"], "--pretrained": ["final"], "--task": ["digits"], "--metric": METRICS})
    return _undisturbed(tmp_path_factory.mktemp("zoo") / "undisturbed", arguments)


def _colors(checkpoints: str, *tasks: str, metrics: tuple[str, ...]) -> list[str]:
    options = {"--model": ["fake:colors"], "--pretrained": checkpoints, "--task": tasks, "--metric": metrics}
    return _listed(options)


def _listed(options) -> list[str]:
    words = [word for option, values in options.items() for value in values for word in (option, value)]
    return [*words, "--limit", "60", "--device", "cpu"]


def _undisturbed(root: Path, arguments: list[str]) -> Undisturbed:
    place = place_in(root)
    assert start(place, ["version"]).wait() == 0  # starting the process that all others come from is not timed
    started = time.monotonic()
    code, child = sweep(place, arguments)
    seconds = time.monotonic() - started
    assert code == 0, child.said
    assert len(set(place.begun)) == len(place.begun) == check_store(place.runs)
    return Undisturbed(place=place, arguments=arguments, seconds=seconds)


def _check(place: Place) -> None:
    """Nothing that has its name is unreadable, whatever the moment."""
    check_store(place.runs)
    check_cache(place.cache)


def _ends_like(undisturbed: Undisturbed, place: Place) -> bool:
    assert set(place.begun) == set(undisturbed.units)
    return same_stores(place.runs, undisturbed.place.runs)


def _random_kill(place: Place, undisturbed: Undisturbed, dice: random.Random) -> int:
    """Run the sweep and end it at a random moment of the first half of what a whole one takes; return its exit code.

    Kills from outside come after a time, those from inside at an operation on a file.
    """
    if dice.random() < 0.5:
        trap = Trap(nth=dice.randint(1, undisturbed.n_operations // 2))
        return sweep(place, undisturbed.arguments, trap=trap)[0]
    child = begin(place, undisturbed.arguments)
    child.process.join(timeout=dice.uniform(0, undisturbed.seconds / 2))
    child.process.kill()
    return child.wait()


def _killed_until_done(place: Place, undisturbed: Undisturbed, dice: random.Random, most: int) -> int:
    """Resume a sweep until it is done; return how often it was killed, which is `most` times at most."""
    kills = 0
    while kills < most:
        code = _random_kill(place, undisturbed, dice)
        _check(place)
        if code != KILLED:
            break
        kills += 1
    else:
        code, _ = sweep(place, undisturbed.arguments)
    assert code == 0
    assert _ends_like(undisturbed, place)
    assert len(place.begun) <= len(undisturbed.units) + kills  # one unit again per kill, at most
    return kills


def test_a_sweep_that_is_killed_at_random_moments_ends_like_one_that_is_not(many: Undisturbed, tmp_path: Path) -> None:
    dice, kills, sweeps = random.Random(5), 0, 0
    while kills < N_KILLS:
        kills += _killed_until_done(place_in(tmp_path / str(sweeps)), many, dice, most=N_KILLS - kills)
        sweeps += 1


def test_a_sweep_of_zoo_models_that_is_killed_ends_like_one_that_is_not(zoo: Undisturbed, tmp_path: Path) -> None:
    dice, kills, sweeps = random.Random(7), 0, 0
    while kills < N_KILLS_OF_ZOO:
        kills += _killed_until_done(place_in(tmp_path / str(sweeps)), zoo, dice, most=N_KILLS_OF_ZOO - kills)
        sweeps += 1


RUN = r"/runs/colors/fake--colors--\w/[0-9a-f]{16}"

MOMENTS = {
    "an opening is written": Trap(fits=r"open /cache/openings/"),
    "an opening gets its name": Trap(fits=r"rename /cache/openings/"),
    "a unit is claimed": Trap(fits=r"open /runs/\.claims/"),
    "class embeddings are written": Trap(fits=r"open /cache/classes/"),
    "class embeddings get their name": Trap(fits=r"rename /cache/classes/"),
    "pixels are begun": Trap(fits=r"open /cache/pixels/.*npy"),
    "the first pixels are written": Trap(fits=r"open /cache/pixels/.*npy", nth=2),
    "the last pixels are written": Trap(fits=r"open /cache/pixels/.*npy", nth=4),
    "pixels get their name": Trap(fits=r"rename /cache/pixels/"),
    "pixels have their name": Trap(fits=r"rename /cache/pixels/", later=1),
    "image embeddings are written": Trap(fits=r"open /cache/images/"),
    "image embeddings get their name": Trap(fits=r"rename /cache/images/"),
    "metrics are done": Trap(fits=rf"mkdir {RUN}$"),
    "the first table gets its name": Trap(fits=rf"rename {RUN}/classes"),
    "the second table gets its name": Trap(fits=rf"rename {RUN}/images"),
    "the record is written": Trap(fits=rf"open {RUN}/\.run\.json"),
    "an earlier failure is forgotten": Trap(fits=r"remove .*/failed\.json"),
    "the record gets its name": Trap(fits=rf"rename {RUN}/run\.json"),
    "the record has its name": Trap(fits=rf"rename {RUN}/run\.json", later=1),
    "the claim is dropped": Trap(fits=r"remove /runs/\.claims/", nth=2),  # the first is that of the unit which is there
}
"""Steps of a unit's life, in their order → where a sweep dies that dies there."""


def test_a_sweep_can_be_killed_at_each_step_of_a_unit(few: Undisturbed, tmp_path: Path) -> None:
    """Each time in the same place, with a new cache, so that every step is taken each time."""
    place = place_in(tmp_path)
    _fail_beforehand(place)
    stored = []
    for step, trap in MOMENTS.items():
        shutil.rmtree(place.cache, ignore_errors=True)
        code, child = sweep(place, few.arguments, trap=trap)
        assert code == KILLED, (step, child.said)
        _check(place)
        stored.append(check_store(place.runs))
        failures = {path.parent.name for path in place.runs.glob("*/*/failed.json")}
        assert not failures & {path.parents[1].name for path in place.runs.glob("*/*/*/run.json")}, step
    assert stored == [0] * 18 + [1, 2]
    assert sweep(place, few.arguments)[0] == 0
    assert _ends_like(few, place)
    # From the step where a unit is computed on, which is before its first embeddings, to that where it is in the store.
    assert Counter(place.begun) == {few.units[0]: 16, few.units[1]: 1}


def _fail_beforehand(place: Place) -> None:
    for checkpoint in ("fake--colors--a", "fake--colors--b"):
        failed = FailedRun(
            schema=SCHEMA,
            status="failed",
            task="colors",
            checkpoint=checkpoint,
            sentence="it failed the last time.",
            when="2026-01-01T00:00:00+00:00",
            environment=describe("cpu"),
        )
        store.write_failure(Store(root=place.runs), failed)


def test_two_sweeps_of_one_store_survive_when_one_or_both_are_killed(many: Undisturbed, tmp_path: Path) -> None:
    dice, kills, sweeps = random.Random(11), 0, 0
    while kills < N_KILLS_OF_TWO:
        place, lost = place_in(tmp_path / str(sweeps)), 0
        running = [begin(place, many.arguments) for _ in range(2)]
        while running:
            _look_on(running, place, dice.uniform(0, many.seconds / 2))
            victims = dice.sample(running, k=dice.randint(1, len(running))) if kills + lost < N_KILLS_OF_TWO else []
            for victim in victims:
                victim.process.kill()
            codes = [(child, child.wait()) for child in running if child in victims or not child.process.is_alive()]
            assert {code for _, code in codes} <= {0, KILLED}, [child.said for child, _ in codes]
            lost += sum(code == KILLED for _, code in codes)
            ended = [child for child, _ in codes]
            again = [begin(place, many.arguments) for _, code in codes if code == KILLED]
            running = [child for child in running if child not in ended] + again
            _check(place)
        assert _ends_like(many, place)
        # A kill loses one unit, which both may then take at their end, as they may what the other one is at.
        assert len(place.begun) <= len(many.units) + 3 * lost + 2
        kills, sweeps = kills + lost, sweeps + 1


def _look_on(running: list[Child], place: Place, seconds: float) -> None:
    """Read all files again and again while sweeps write them, until the time is over or one has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and all(child.process.is_alive() for child in running):
        _check(place)
        time.sleep(0.05)
