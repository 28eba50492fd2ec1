"""A labelled image set as webdataset shards, in the layout of the sets on the hub that CLIP_benchmark reads."""

import io
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

IMAGES_PER_SHARD = 300


def write_shards(
    folder: Path,
    pictures: Sequence[tuple[bytes, int]],
    *,
    class_names: Iterable[str],
    templates: Iterable[str],
    suffix: str = "png",
) -> None:
    """Write pictures (the bytes of a file, label) in their order: `folder/test/0.tar …` and the text files.

    suffix: of the pictures' names, which says their format.
    """
    shards = folder / "test"
    shards.mkdir(parents=True)
    starts = range(0, len(pictures), IMAGES_PER_SHARD)
    for shard, start in enumerate(starts):
        with tarfile.open(shards / f"{shard}.tar", "w") as tar:
            for row, (image, label) in enumerate(pictures[start : start + IMAGES_PER_SHARD], start):
                _add(tar, f"s{row:07}.cls", str(label).encode())
                _add(tar, f"s{row:07}.{suffix}", image)
    (shards / "nshards.txt").write_text(f"{len(starts)}")
    (folder / "classnames.txt").write_text("\n".join(class_names))
    (folder / "zeroshot_classification_templates.txt").write_text("\n".join(templates))
    (folder / "dataset_type.txt").write_text("classification")


def _add(tar: tarfile.TarFile, member: str, content: bytes) -> None:
    header = tarfile.TarInfo(member)
    header.size = len(content)
    tar.addfile(header, io.BytesIO(content))
