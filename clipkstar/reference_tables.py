"""Published zero-shot numbers: what the tables call our tasks, what is wrong in them, and how they are read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipkstar.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

PUBLISHED = {
    "caltech101": ("Caltech-101", "caltech101"),
    "camelyon17": ("Camelyon17", "camelyon17"),
    "cars": ("Stanford Cars", "cars"),
    "cifar10": ("CIFAR-10", "cifar10"),
    "cifar100": ("CIFAR-100", "cifar100"),
    "clevr_count": ("CLEVR Counts", "clevr_count_all"),
    "clevr_distance": ("CLEVR Distance", "clevr_closest_object_distance"),
    "country211": ("Country211", "country211"),
    "dollar_street": ("Dollar Street", "dollar_street"),
    "dtd": ("Describable Textures", "dtd"),
    "eurosat": ("EuroSAT", "eurosat"),
    "fer2013": ("FER-2013", "fer2013"),
    "fgvc_aircraft": ("FGVC Aircraft", "fgvc_aircraft"),
    "flowers": ("Oxford Flowers-102", "flowers"),
    "fmow": ("FMoW", "fmow"),
    "food101": ("Food-101", "food101"),
    "geode": ("GeoDE", "geode"),
    "gtsrb": ("GTSRB", "gtsrb"),
    "imagenet1k": ("ImageNet 1k", "imagenet1k"),
    "imagenet_a": ("ImageNet-A", "imagenet-a"),
    "imagenet_o": ("ImageNet-O", "imagenet-o"),
    "imagenet_r": ("ImageNet-R", "imagenet-r"),
    "imagenet_sketch": ("ImageNet Sketch", "imagenet_sketch"),
    "imagenetv2": ("ImageNet v2", "imagenetv2"),
    "iwildcam": ("iWildCam", "iwildcam"),
    "kitti": ("KITTI Vehicle Distance", "kitti_closest_vehicle_distance"),
    "mnist": ("MNIST", "mnist"),
    "objectnet": ("ObjectNet", "objectnet"),
    "pcam": ("PatchCamelyon", "pcam"),
    "pets": ("Oxford-IIIT Pet", "pets"),
    "renderedsst2": ("Rendered SST2", "renderedsst2"),
    "resisc45": ("RESISC45", "resisc45"),
    "stl10": ("STL-10", "stl10"),
    "sun397": ("SUN397", "sun397"),
    "svhn": ("SVHN", "svhn"),
    "voc2007": ("Pascal VOC 2007", "voc2007"),
}
"""Task → its column in open_clip's table, its key in CLIP_benchmark's without folders such as "vtab/" or "wds/"."""

LONG_COLUMNS = {"top1": "acc1", "top5": "acc5", "mean_class_recall": "mean_per_class_recall"}
"""Score → its column in CLIP_benchmark's table."""

ZERO_SHOT = "zeroshot_classification"
"""What CLIP_benchmark calls the task of ours; its tables may have others, such as retrieval."""

OWN_WORDS = "en"
"""Language that CLIP_benchmark writes where none is asked for."""

BLANK_NAME = "CLEVR Distance was evaluated with one class name blank"
LOST_NAME = "CLEVR Distance was evaluated with one class name missing"
OTHER_PROMPTS = "SVHN was evaluated with other prompts"
ZERO_REGION = "the worst region of FMoW is exactly 0, as a region of a few images makes it"
WRONG_ACTIVATION = "the weights were trained with quick_gelu and evaluated with gelu"
EQUAL_ROWS = "the rows of commonpool_s_image_s13m_b4k and datacomp_s_s13m_b4k are equal, one cannot be right"

OPEN_CLIP_ROW_FAULTS = {
    ("ViT-B-32", "laion400m_e31"): WRONG_ACTIVATION,
    ("ViT-B-32", "laion400m_e32"): WRONG_ACTIVATION,
    ("RN50", "yfcc15m"): WRONG_ACTIVATION,
    ("RN50", "cc12m"): WRONG_ACTIVATION,
    ("RN101", "yfcc15m"): WRONG_ACTIVATION,
    ("ViT-B-32", "commonpool_s_image_s13m_b4k"): EQUAL_ROWS,
    ("ViT-B-32", "datacomp_s_s13m_b4k"): EQUAL_ROWS,
}
"""Rows of open_clip's table of November 2023 that are wrong as a whole. Three more pairs of equal rows are right:
OpenAI's weights were evaluated with quick_gelu with and without "-quickgelu" in the model's name."""

Key = tuple[str, str, str]
"""Task of ours; model and pretrained as in the table."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published number, 0 … 1. fault: why nothing can be compared with it, in a few words; None = it can."""

    value: float
    fault: str | None


def read_published(path: Path, main_scores: Mapping[str, str]) -> dict[Key, Published]:
    """Read open_clip's results table, or CLIP_benchmark's of one row per result; the columns tell which it is.

    main_scores: task → the score that is published for it. Of CLIP_benchmark's three scores that one is taken; empty
    cells, data sets that are no task of ours, and what is in another language or no zero-shot classification are left
    out. Raises InputError for a file that is neither table, for a cell that is no share, and for two results of one
    model on one data set.
    """
    table = read_table(path)
    columns = set(table.columns)
    if {"name", "pretrained"} <= columns and columns & {title for title, _ in PUBLISHED.values()}:
        found = _wide(path, table, main_scores)
    elif {"dataset", "model", "pretrained", *LONG_COLUMNS.values()} <= columns:
        found = _long(path, table, main_scores)
    else:
        raise InputError(
            f"'{path.name}' is no table of published results; it needs the columns of open_clip's (name, pretrained, "
            "CIFAR-10, …) or of CLIP_benchmark's (dataset, model, pretrained, acc1, acc5, mean_per_class_recall)."
        )
    published: dict[Key, Published] = {}
    for key, number in found:
        if key in published:
            raise InputError(f"'{path.name}' has two results of {key[1]} {key[2]} on {key[0]}; remove one.")
        published[key] = number
    return published


def read_table(path: Path) -> pl.DataFrame:
    """Return a CSV file as text, an empty cell as null; raises InputError where it is none."""
    import polars as pl

    if not path.is_file():
        raise InputError(f"there is no file of published results '{path}'; check the path.")
    try:
        return pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"the published results '{path}' are no CSV file ({reason}); name another.") from error


def _wide(path: Path, table: pl.DataFrame, main_scores: Mapping[str, str]) -> Iterator[tuple[Key, Published]]:
    """One row per model, one column per data set."""
    for row in table.iter_rows(named=True):
        model, pretrained = row["name"] or "", row["pretrained"] or ""
        for task in main_scores:
            title = PUBLISHED[task][0]
            value = share(row.get(title), f"'{path.name}' has for {model} {pretrained} in the column '{title}'")
            if value is not None:
                fault = _wide_fault(task, model, pretrained, value)
                yield (task, model, pretrained), Published(value=value, fault=fault)


def _wide_fault(task: str, model: str, pretrained: str, value: float) -> str | None:
    """Say what is known to be wrong with a number of open_clip's table."""
    of_task = {"clevr_distance": LOST_NAME, "svhn": OTHER_PROMPTS, "fmow": None if value else ZERO_REGION}
    faults = (OPEN_CLIP_ROW_FAULTS.get((model, pretrained)), of_task.get(task))
    return "; ".join(fault for fault in faults if fault) or None


def _long(path: Path, table: pl.DataFrame, main_scores: Mapping[str, str]) -> Iterator[tuple[Key, Published]]:
    """One row per model and data set, one column per score."""
    tasks = {PUBLISHED[task][1]: task for task in main_scores}
    for row in table.iter_rows(named=True):
        model, pretrained, dataset = row["model"] or "", row["pretrained"] or "", row["dataset"] or ""
        task = tasks.get(dataset.rpartition("/")[2])
        column = None if task is None else LONG_COLUMNS.get(main_scores[task])
        if task is None or column is None or not is_zero_shot(row) or (row.get("language") or OWN_WORDS) != OWN_WORDS:
            continue
        value = share(row[column], f"'{path.name}' has for {model} {pretrained} on {dataset} in the column '{column}'")
        if value is not None:
            fault = BLANK_NAME if task == "clevr_distance" else None
            yield (task, model, pretrained), Published(value=value, fault=fault)


def is_zero_shot(row: Mapping[str, str | None]) -> bool:
    """Whether a row of CLIP_benchmark's table is of zero-shot classification; older tables do not say and are."""
    return (row.get("task") or ZERO_SHOT) == ZERO_SHOT


def share(cell: str | None, where: str) -> float | None:
    """Return the number in a cell, None for an empty one; raises InputError that begins with `where`."""
    if cell is None or not cell.strip():
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise InputError(f"{where} '{cell}'; it needs a number from 0 to 1.")
    return value
