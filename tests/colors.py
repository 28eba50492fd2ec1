"""A miniature real data set of plain red, green and blue pictures, which `fake:colors` classifies right every time.

Every argument spoils one thing: a picture, the labels, the columns, the words of the task.
"""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from clipkstar.task import HubDataset, Task

NAMES = ("red", "green", "blue")
LABELS = (0, 1, 2) * 4
BROKEN = b"\x89PNG\r\n\x1a\n and then nothing of a picture"


def picture(color: str | tuple[int, ...], *, size: tuple[int, int] = (8, 8), kind: str = "PNG") -> bytes:
    """An encoded picture of one plain colour."""
    return encoded(Image.new("RGB", size, color), kind)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The file that PIL writes of a picture."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pictures_of(labels: Sequence[int]) -> list[bytes | None]:
    """One plain picture per label, each of another width, so that no two files of a class are equal."""
    return [picture(NAMES[label % 3], size=(8 + row, 8)) for row, label in enumerate(labels)]


def write_parquet(
    path: Path,
    *,
    labels: Sequence[int] = LABELS,
    pictures: Sequence[bytes | None] | None = None,
    names: Sequence[str] = NAMES,
    image_feature: Any = None,
    label_feature: Any = None,
    columns: tuple[str, str] = ("image", "label"),
    others: dict[str, Sequence[bytes]] | None = None,
) -> Path:
    """Write the data set with Image and ClassLabel features (or the features given) as Hugging Face `datasets` does.

    others: pictures of further image columns, by their names.
    """
    import datasets

    datasets.disable_progress_bars()
    image, label = columns
    features = datasets.Features(
        {
            image: image_feature or datasets.Image(),
            label: label_feature or datasets.ClassLabel(names=list(names)),
            **dict.fromkeys(others or {}, datasets.Image()),
        }
    )
    contents = pictures_of(labels) if pictures is None else pictures
    cells = contents if image_feature else [content and {"bytes": content, "path": None} for content in contents]
    more = {name: [{"bytes": content, "path": None} for content in column] for name, column in (others or {}).items()}
    datasets.Dataset.from_dict({image: cells, label: list(labels), **more}, features=features).to_parquet(path)
    return path


def colors_task(folder: Path, *, name: str = "colors", task: dict[str, Any] | None = None, **spoiled: Any) -> Task:
    """Write FOLDER/NAME.parquet as `write_parquet` does and return the task of it; `task` replaces fields of it."""
    parquet = write_parquet(folder / f"{name}.parquet", **spoiled)
    right = Task(
        name=name,
        summary="plain colours",
        dataset=HubDataset(path="parquet", data_files=str(parquet)),
        n_images=len(spoiled.get("labels", LABELS)),
        source="made for the tests",
        license="MIT",
    )
    return replace(right, **(task or {}))


def write_task(folder: Path, *, name: str = "colors", task: dict[str, Any] | None = None, **spoiled: Any) -> Path:
    """Write FOLDER/NAME.py, a task file around FOLDER/NAME.parquet, and return its path."""
    file = folder / f"{name}.py"
    made = colors_task(folder, name=name, task=task, **spoiled)
    file.write_text(f"from clipkstar.task import HubDataset, Task\n\nTASK = {made!r}\n")
    return file
