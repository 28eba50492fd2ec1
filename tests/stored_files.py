"""What lies in a store and a cache: whether all of it can be read, and whether two stores hold the same."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from safetensors import safe_open
from safetensors.numpy import load_file
from xxhash import xxh3_64_digest

from clipkstar import store
from clipkstar.caching.folder import MADE_BY_US, SIGNATURE
from clipkstar.run import Evaluation, FailedRun, Seconds
from clipkstar.store import Store

NO_SECONDS = Seconds(open=0, pixels=0, encode_images=0, encode_texts=0, metrics=0, total=0)

RUN_FILES = {"run.json", "images.parquet", "classes.parquet"}


def visible_files(root: Path) -> list[Path]:
    """Files that have their names, by path; those that are being written, and claims, are hidden."""
    found = []
    for folder, folders, files in os.walk(root):  # which passes over folders that go meanwhile, such as that of claims
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder) / name for name in files if not name.startswith(".")]
    return sorted(found)


def check_store(root: Path) -> int:
    """Read every file of a store; return the number of runs. What is there must be whole, whoever was killed when."""
    runs = 0
    for path in visible_files(root):
        if path.name == "failed.json":
            msgspec.json.decode(path.read_bytes(), type=FailedRun)
            continue
        assert path.name in RUN_FILES, path
        if path.suffix == ".parquet":
            assert pl.read_parquet(path).height > 0
            continue
        assert store.read_run(path.parent) is not None
        assert store.read(path.parent) is not None
        runs += 1
    return runs


def check_cache(root: Path) -> list[str]:
    """Read every whole entry of a cache and compare it with its checksums; return their kinds."""
    for path in (found := visible_files(root)):
        if path.name == "CACHEDIR.TAG":
            assert path.read_text().splitlines() == [SIGNATURE, MADE_BY_US]
        else:
            assert path.suffix == ".lock" or CHECKS[path.parent.name](path), path
    return [path.parent.name for path in found]


def _is_whole_fact(path: Path) -> bool:
    digest, _, text = path.read_text().partition("\n")
    return hashlib.sha256(text.encode()).hexdigest() == digest and isinstance(msgspec.json.decode(text), dict)


def _is_whole_digest(path: Path) -> bool:
    return len(bytes.fromhex(path.read_text().rstrip("\n"))) == 32


def _is_number(path: Path) -> bool:
    return path.read_text().strip().isdigit()


def _are_whole_pixels(path: Path) -> bool:
    rows = np.load(path, mmap_mode="r")
    return all(xxh3_64_digest(row[:-8].tobytes(), seed=place) == row[-8:].tobytes() for place, row in enumerate(rows))


def _are_whole_arrays(path: Path) -> bool:
    """By their own digest: names, types, shapes and bytes, in the order of names."""
    arrays = load_file(path)
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    with safe_open(path, framework="numpy") as file:
        return file.metadata() == {"sha256": digest.hexdigest()}


CHECKS = {
    "openings": _is_whole_fact,
    "identities": _is_whole_fact,
    "names": _is_whole_fact,
    "hashes": _is_whole_digest,
    "parameters": _is_number,
    "pixels": _are_whole_pixels,
    "images": _are_whole_arrays,
    "classes": _are_whole_arrays,
}


def runs_in(root: Path) -> dict[str, Evaluation]:
    """Every run of a store by its folder, without what it took in seconds."""
    found: dict[str, Evaluation] = {}
    for folder in store.run_folders(Store(root=root)):
        evaluation = store.read(folder)
        assert evaluation is not None
        run = replace(evaluation.run, seconds=NO_SECONDS)
        found[str(folder.relative_to(root))] = replace(evaluation, run=run)
    return found


def same_stores(first: Path, second: Path) -> bool:
    """Whether two stores hold the same files, equal records but for seconds, and equal tables."""
    assert _names(first) == _names(second)
    ones, others = runs_in(first), runs_in(second)
    assert list(ones) == list(others)
    for one, other in zip(ones.values(), others.values(), strict=True):
        assert one.run == other.run
        assert (one.images.schema, one.classes.schema) == (other.images.schema, other.classes.schema)
        assert one.images.equals(other.images)
        assert one.classes.equals(other.classes)
    return True


def _names(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in visible_files(root)]
