"""The four bundled sources, each with a training part (for the zoo) and a held-out part (for the task).

`digits`, `fashion_mnist_2k`, `emoji_noto` and `emoji_fluent` come from scikit-learn, a Debian package and pinned npm
packages; the first alone needs no network. Every split is a function of the data and of written seeds.
"""

import gzip
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import emoji
from .fetch import run
from .split import Part, Source, separate

FASHION_PACKAGE = "dataset-fashion-mnist"
FASHION_SEED = 2017
FASHION_PER_CLASS = 200
DIGITS_TRAIN_ROWS = 1000  # the file is ordered by writer, so a cut in the order keeps most writers on one side

DIGIT_NAMES = tuple("0123456789")
FASHION_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def load_digits(_work: Path) -> Source:
    """The UCI digits that scikit-learn ships: 8x8, grey levels 0..16 spread to 0..255, white on black."""
    from sklearn.datasets import load_digits as load

    data = load()
    pictures = np.rint(np.asarray(data.images) * (255 / 16)).astype(np.uint8)
    everything = Part(pictures=pictures, labels=np.asarray(data.target, dtype=np.int64))
    rows = np.arange(len(pictures))
    train, held_out = separate(everything.take(rows[:DIGITS_TRAIN_ROWS]), everything.take(rows[DIGITS_TRAIN_ROWS:]))
    return Source(name="digits", class_names=DIGIT_NAMES, train=train, held_out=held_out)


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """An IDX file of bytes: two zero bytes, the type, the number of axes, big-endian lengths, then the data."""
    raw = gzip.decompress(path.read_bytes())
    lengths = np.frombuffer(raw, dtype=">i4", count=raw[3], offset=4)
    return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * raw[3]).reshape(lengths)


def load_fashion(work: Path) -> Source:
    """Fashion-MNIST: its training set, and a seeded stratified sample of its test set."""
    folder = work / "fashion-mnist"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory() as temporary:
            run(["apt-get", "download", FASHION_PACKAGE], Path(temporary))
            (package,) = Path(temporary).glob("*.deb")
            run(["dpkg-deb", "-x", str(package), "files"], Path(temporary))
            shutil.copytree(Path(temporary) / "files/usr/share/datasets/fashion-mnist", folder)

    def part(prefix: str) -> Part:
        labels = _read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz").astype(np.int64)
        return Part(pictures=_read_idx(folder / f"{prefix}-images-idx3-ubyte.gz"), labels=labels)

    test = part("t10k")
    draw = np.random.default_rng(FASHION_SEED)
    of_class = [np.flatnonzero(test.labels == label) for label in range(len(FASHION_NAMES))]
    rows = np.sort(np.concatenate([draw.choice(members, FASHION_PER_CLASS, replace=False) for members in of_class]))
    train, held_out = separate(part("train"), test.take(rows))
    return Source(name="fashion_mnist_2k", class_names=FASHION_NAMES, train=train, held_out=held_out)


LOADERS: dict[str, Callable[[Path], Source]] = {
    "digits": load_digits,
    "fashion_mnist_2k": load_fashion,
    **{name: emoji.loader(name) for name in emoji.VENDORS},
}
