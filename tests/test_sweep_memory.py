"""A sweep holds neither the pictures nor the models that it is done with, however many there are."""

import sys
from pathlib import Path
from textwrap import dedent

import pytest
from colors import picture
from watched_process import watched

from clipkstar.checkpoint import Geometry

GEOMETRY = Geometry(size=(224, 224))
PIXEL_BYTES = 3 * 224 * 224
WEIGHT_BYTES = 40_000_000

FEW_PICTURES, MANY_PICTURES = 320, 1600
FEW_MODELS, MANY_MODELS = 2, 8

TOWERS = f"""
    from hashlib import sha256
    import numpy as np
    from clipkstar.checkpoint import Geometry

    class Tower:
        geometry, has_text, logit_scale, logit_bias = {GEOMETRY!r}, False, 1.0, None

        def __init__(self, name):
            self.weights_sha256 = sha256(name.encode()).hexdigest()
            self.weights = np.full({WEIGHT_BYTES} // 4, int(name[5:]) + 1, dtype=np.float32)

        def encode_images(self, pixels):
            return pixels[:, :, ::56, ::56].reshape(len(pixels), -1) + self.weights[:48]

    def __getattr__(name):
        if not name.startswith("tower"):
            raise AttributeError(name)
        return lambda: Tower(name)
"""
"""towers.py: quick encoders with pixels and weights that are large enough to be seen."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the encoders' module and two image folders, named by their numbers of pictures."""
    root = tmp_path_factory.mktemp("memory")
    (root / "towers.py").write_text(dedent(TOWERS))
    for n_pictures in (FEW_PICTURES, MANY_PICTURES):
        for number in range(n_pictures):
            file = root / str(n_pictures) / f"class{number % 2}" / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(picture((number % 256, number // 256, 0)))
    return root


@pytest.fixture(scope="module")
def few(folder: Path) -> int:
    """Peak of a sweep of few models on few pictures: 5 batches, as many as are decoded ahead and in work at once."""
    return _peak_bytes(folder, FEW_MODELS, FEW_PICTURES)


def _peak_bytes(folder: Path, n_models: int, n_pictures: int) -> int:
    place = folder / f"{n_models}-{n_pictures}"
    place.mkdir()
    models = [word for number in range(n_models) for word in ("--model", f"python:towers:tower{number}")]
    task = ("--task", folder / str(n_pictures), "--device", "cpu", "--metric", "rankme")
    program = Path(sys.executable).with_name("clipkstar")
    environment = {"CLIPKSTAR_CACHE": f"{place}/cache", "PYTHONPATH": str(folder)}
    done = watched([program, "sweep", *models, *task], folder=place, environment=environment)
    assert len(list(place.glob("runs/*/*/*/run.json"))) == n_models
    return done.peak_bytes


def test_memory_does_not_grow_with_the_pictures_of_a_sweep(folder: Path, few: int) -> None:
    """Peaks of one size differ by 10 MB or so; if pixels stayed in memory, these would differ by 193 MB."""
    growth = _peak_bytes(folder, FEW_MODELS, MANY_PICTURES) - few
    assert growth < (MANY_PICTURES - FEW_PICTURES) * PIXEL_BYTES / 3


def test_memory_does_not_grow_with_the_checkpoints_of_a_sweep(folder: Path, few: int) -> None:
    """The model in work and the one that is found ahead of its turn are there at once; all of them would be 240 MB."""
    growth = _peak_bytes(folder, MANY_MODELS, FEW_PICTURES) - few
    assert growth < (MANY_MODELS - FEW_MODELS) * WEIGHT_BYTES / 3
