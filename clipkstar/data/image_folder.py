"""A folder of pictures with one subfolder for each class; labels count the subfolders by sorted name.

The builder "imagefolder" of Hugging Face `datasets` is not asked to find the files: it takes a class folder called
"train" or "test" for a split, and then leaves out all others.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar.errors import InputError

if TYPE_CHECKING:
    import datasets

NO_CONTENT = frozenset({"Thumbs.db", "desktop.ini", "__MACOSX", "__pycache__"})
"""What systems leave behind in folders, beside files whose names begin with a dot."""


def is_image(file: Path) -> bool:
    """Whether a file is named as a picture that PIL opens."""
    return file.suffix.lower() in _image_suffixes()


def content(folder: Path) -> list[Path]:
    """What a folder holds, by name, without hidden files and those that systems leave behind."""
    return sorted(
        entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name not in NO_CONTENT
    )


def images_by_class(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures of each subfolder, subfolders and pictures sorted by name.

    Files of the folder itself are left out (names, licences, metadata). Raises InputError for pictures among them, for
    a subfolder that holds another folder, a file that is no picture, or nothing.
    """
    entries = content(folder)
    loose = next((entry for entry in entries if entry.is_file() and is_image(entry)), None)
    if loose is not None:
        raise InputError(
            f"the folder '{folder}' holds the image '{loose.name}' itself; put each image into a subfolder named after "
            "its class."
        )
    return {entry.name: _images_of(folder, entry) for entry in entries if entry.is_dir()}


def everything_in(folder: Path) -> list[Path]:
    """Return the subfolders of a folder, all files in both, and the folder itself: what decides how it is read."""
    found = [folder]
    for entry in _entries(folder):
        found.append(entry)
        if entry.is_dir():
            found += _entries(entry)
    return found


def open_image_folder(folder: Path) -> datasets.Dataset:
    """Return a folder as a table: `image`, the path of each picture, and `label`, a ClassLabel of subfolder names.

    Raises InputError as `images_by_class`, and FileNotFoundError where there is no class.
    """
    import datasets

    by_class = images_by_class(folder)
    if not by_class:
        raise FileNotFoundError(f"there is no class subfolder in {folder}")
    features = datasets.Features(
        {"image": datasets.Image(decode=False), "label": datasets.ClassLabel(names=list(by_class))}
    )
    columns = {
        "image": [str(image) for images in by_class.values() for image in images],
        "label": [label for label, images in enumerate(by_class.values()) for _ in images],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def _images_of(folder: Path, subfolder: Path) -> list[Path]:
    files = content(subfolder)
    if not files:
        raise InputError(f"the folder '{folder}' has nothing in its subfolder '{subfolder.name}'; fill or remove it.")
    for file in files:
        if is_image(file) and file.is_file():
            continue
        where = f"{subfolder.name}/{file.name}"
        if file.is_dir():
            raise InputError(
                f"the folder '{folder}' holds the folder '{where}'; it needs its images in one level of class "
                f"subfolders, so name the folder above them, such as '{subfolder}'."
            )
        raise InputError(f"the folder '{folder}' holds '{where}', which is no image; remove it.")
    return files


@cache
def _image_suffixes() -> frozenset[str]:
    from PIL import Image

    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN)


def _entries(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:  # names sort faster than paths do
        return [folder / name for name in sorted(entry.name for entry in entries)]
