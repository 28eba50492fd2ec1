"""`make bench`: the peak memory of a sweep, with more checkpoints and with more pictures."""

from pathlib import Path
from textwrap import dedent

from tests.bench_photos import Photos, write_photos
from tests.bench_user import User
from tests.watched_process import Watched

FEW, MANY = 4000, 12000
"""The fewer ones fill what is bounded: pixels that wait for the encoder, 64 MiB of distances."""

TOWERS = tuple(f"tower{number}" for number in range(8))
WEIGHT_BYTES = 100_000_000
PIXEL_BYTES = 3 * 224 * 224

MODULE = f"""
    from hashlib import sha256
    import numpy as np
    from clipkstar.checkpoint import Geometry

    class Tower:
        geometry, has_text, logit_scale, logit_bias = Geometry(size=(224, 224)), False, 1.0, None

        def __init__(self, name):
            self.weights_sha256 = sha256(name.encode()).hexdigest()
            self.weights = np.random.default_rng(len(name)).random({WEIGHT_BYTES} // 8)

        def encode_images(self, pixels):
            shrunk = pixels.reshape(len(pixels), 3, 8, 28, 8, 28).mean(axis=(3, 5)).reshape(len(pixels), -1)
            return (shrunk + self.weights[: shrunk.shape[1]]).astype(np.float32)

    def __getattr__(name):
        if not name.startswith("tower"):
            raise AttributeError(name)
        return lambda: Tower(name)
"""
"""towers.py: quick encoders of 224 pixels, each with 100 MB of weights."""


def main(root: Path, pictures: Photos) -> None:
    """Sweep at two sizes both ways."""
    data = root / "data"
    (data / "towers.py").write_text(dedent(MODULE))
    for n_pictures in (FEW, MANY):
        write_photos(data / f"photos{n_pictures}", (list(pictures) * (MANY // len(pictures)))[:n_pictures])
    small, checkpoints, large = (
        swept(User(folder=root / f"user-{number}", data=data), *size)
        for number, size in enumerate(((2, FEW), (8, FEW), (2, MANY)))
    )
    per_picture = (large.own_peak_bytes - small.own_peak_bytes) / (MANY - FEW)
    print(
        f"  224 pixels, {WEIGHT_BYTES / 1e6:.0f} MB of weights each, memory of its own and with mapped files: "
        f"{_told(small)} with 2 checkpoints on {FEW} photos; with 8 checkpoints {_told(checkpoints)}, "
        f"{_times(checkpoints, small)} times as much; on {MANY} photos {_told(large)}, {_times(large, small)} times as "
        f"much, {per_picture / 1e3:.1f} kB of its own per further picture, whose pixels are {PIXEL_BYTES / 1e3:.0f} kB",
        flush=True,
    )


def swept(user: User, n_checkpoints: int, n_pictures: int) -> Watched:
    """Run one sweep, all scores."""
    models = [word for name in TOWERS[:n_checkpoints] for word in ("--model", f"python:towers:{name}")]
    return user.clipkstar("sweep", *models, *user.photos(f"photos{n_pictures}"))


def _told(run: Watched) -> str:
    return f"{run.own_peak_bytes / 1e6:.0f} and {run.peak_bytes / 1e6:.0f} MB"


def _times(run: Watched, reference: Watched) -> str:
    return f"{run.own_peak_bytes / reference.own_peak_bytes:.2f} and {run.peak_bytes / reference.peak_bytes:.2f}"
