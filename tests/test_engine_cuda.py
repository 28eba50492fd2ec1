"""The cases of test_engine.py on a GPU: the same integers as brute force, whatever proposes them there."""

import pytest
import torch
from test_engine import LARGE_CASES, ROWS, TURNS, search_row

from clipkstar.neighbors.engine import Engine

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here"),
]

ENGINES = (
    Engine(device="cuda"),
    Engine(device="cuda", product="float32"),
    Engine(device="cuda", product="bfloat16"),
    Engine(device="cuda", backend="faiss"),
)


@pytest.mark.parametrize("name, row", TURNS, ids=[f"{name}-{''.join(map(str, row))}" for name, row in TURNS])
def test_every_engine_on_a_gpu_finds_the_integers_of_brute_force(name, row):
    search_row(name, row, ENGINES[row[0]])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "".join(map(str, row)))
@pytest.mark.parametrize("name", LARGE_CASES)
def test_every_engine_on_a_gpu_finds_the_integers_of_brute_force_among_thousands(name, row):
    search_row(f"large: {name}", row, ENGINES[row[0]])
