"""Builds the bundled parquet files again: `python -m clipkstar_tasks._bundled.build [NAME …] [--work FOLDER]`."""

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .fetch import DEFAULT_WORK, SourceError
from .sources import LOADERS
from .split import Source


def png(picture: NDArray[np.uint8]) -> bytes:
    """The picture as an opaque, losslessly compressed PNG: L for two axes, RGB for three."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def write(source: Source, path: Path) -> None:
    """Writes the held-out part as a dataset with Image and ClassLabel features."""
    import datasets

    part = source.held_out
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(source.class_names))}
    )
    columns: dict[str, list[object]] = {
        "image": [{"bytes": png(picture), "path": None} for picture in part.pictures],
        "label": part.labels.tolist(),
    }
    if part.names:
        features.update({"name": datasets.Value("string"), "code_point": datasets.Value("string")})
        columns |= {"name": list(part.names), "code_point": list(part.code_points)}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(path)


def main() -> int:
    """Builds the named files, or all; returns the exit code."""
    parser = argparse.ArgumentParser(description="Build the bundled data sets again.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(LOADERS)}; all without a name")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="folder for downloads (default: %(default)s)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in LOADERS]
    if unknown:
        print(f"There is no bundled source {unknown[0]!r}; the sources are {', '.join(LOADERS)}.", file=sys.stderr)
        return 2
    for name in arguments.names or LOADERS:
        path = Path(__file__).parent / f"{name}.parquet"
        try:
            source = LOADERS[name](arguments.work.expanduser())
        except SourceError as error:
            print(error, file=sys.stderr)
            return 2
        write(source, path)
        counts = np.bincount(source.held_out.labels, minlength=len(source.class_names)).tolist()
        print(f"{name}: {len(source.held_out.labels)} rows, {path.stat().st_size} bytes, {counts} per class")
    return 0


if __name__ == "__main__":
    sys.exit(main())
