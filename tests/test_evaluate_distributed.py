"""clipkstar.evaluate in a training of two processes: rank 0 computes, both get the result or the error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROCESS = """
import json
import sys
import time
from datetime import timedelta

import numpy as np
import torch
from torch import distributed
from torch.distributed.fsdp import fully_shard

import clipkstar
from clipkstar.rank_zero import from_rank_zero

rank, folder = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
ran = []


class Model(torch.nn.Module):
    def __init__(self, seed=0, broken=False, seconds=0):
        super().__init__()
        torch.manual_seed(seed)
        self.body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(48, 5))
        self.broken, self.seconds = broken, seconds

    def forward(self, image):
        return self.encode_image(image)

    def encode_image(self, image):
        ran.append(len(image))
        time.sleep(self.seconds)
        if self.broken:
            raise MemoryError("no memory for the pictures")
        return self.body(image)


def preprocess(image):
    ran.append(1)
    return torch.from_numpy(np.asarray(image.resize((4, 4)), dtype=np.float32).transpose(2, 0, 1) / 255)


def evaluated(model, **given):
    given = {"task": "digits", "preprocess": preprocess, "metrics": ["kstar"], "intervals": False, "limit": 40} | given
    try:
        found = clipkstar.evaluate(model=model, **given)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return [found.numbers, found.images["kstar"].to_list(), found.run.run_id]


def shared(work):
    try:
        return from_rank_zero(work)
    except Exception as error:
        return [type(error).__name__, str(error)]


def interrupted_tell():
    # what rank 0 raises where the others can no longer be told
    tell, distributed.broadcast_object_list = distributed.broadcast_object_list, None
    try:
        return shared(lambda: 1 // 0)
    finally:
        distributed.broadcast_object_list = tell


told = {
    "a model on rank 0 alone": evaluated(Model() if rank == 0 else None),
    "unsendable": shared(lambda: (work for work in ())),
    "untellable": interrupted_tell() if rank == 0 else None,
    "of each rank its own": evaluated(Model(seed=rank)),
    "wrapped": evaluated(torch.nn.parallel.DistributedDataParallel(Model(seed=rank))),
    "unknown task": evaluated(Model(), task="digts"),
    "broken": evaluated(Model(broken=True)),
    "sharded": evaluated(fully_shard(Model())),
    "ran": len(ran),
    "opened": "datasets" in sys.modules,
    "draws": float(torch.rand(1)),
    "rank 0 alone": rank == 0 and evaluated(Model(seed=rank), broadcast=False),
}
total = torch.tensor(float(rank + 1))
distributed.all_reduce(total)
told["reduced"] = float(total)
distributed.destroy_process_group()

SECONDS = 6
distributed.init_process_group(
    "gloo", init_method=f"file://{folder}/again", rank=rank, world_size=2, timeout=timedelta(seconds=SECONDS)
)
told["slow"] = evaluated(Model(seconds=SECONDS + 3))
print(json.dumps(told))
distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """What each rank prints."""
    folder: Path = tmp_path_factory.mktemp("ranks")
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(rank), str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for rank in range(2)
    ]
    try:
        answers = [rank.communicate(timeout=240) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], [answer[1] for answer in answers]
    return [json.loads(answer[0].splitlines()[-1]) for answer in answers]


def test_both_ranks_get_what_rank_0_found(told: list[dict[str, object]]) -> None:
    for case in ("of each rank its own", "wrapped"):
        numbers, kstar, _ = told[0][case]  # type: ignore[misc]
        assert 0 < numbers["digits/kstar_mean"] <= 1
        assert len(kstar) == 40
        assert told[0][case] == told[1][case]
    assert told[0]["of each rank its own"][2] != told[0]["wrapped"][2]  # type: ignore[index]


def test_what_rank_0_refuses_both_refuse_in_the_same_words(told: list[dict[str, object]]) -> None:
    sentence = "there is no task 'digts'; did you mean 'digits' or 'gtsrb' or 'dtd'?"
    assert told[0]["unknown task"] == ["UnknownNameError", sentence]
    assert told[1]["unknown task"] == ["InputError", sentence]


def test_what_fails_on_rank_0_fails_on_both(told: list[dict[str, object]]) -> None:
    assert told[0]["broken"] == ["MemoryError", "no memory for the pictures"]
    assert told[1]["broken"] == [
        "RuntimeError",
        "clipkstar.evaluate failed on rank 0 (MemoryError: no memory for the pictures); see its traceback.",
    ]


def test_a_model_of_which_each_rank_has_a_part_is_refused_on_both(told: list[dict[str, object]]) -> None:
    assert told[0]["sharded"] == told[1]["sharded"]
    assert told[0]["sharded"] == [
        "InputError",
        "the model's weights are spread over processes (FSDPModule), and clipkstar.evaluate computes on rank 0 alone; "
        "gather them on every rank with torch.distributed.checkpoint.state_dict.get_model_state_dict "
        "(full_state_dict=True, cpu_offload=True), load them into an unsharded copy on rank 0, and evaluate that.",
    ]


def test_where_rank_0_alone_calls_it_nobody_waits(told: list[dict[str, object]]) -> None:
    assert told[0]["rank 0 alone"][:2] == told[0]["of each rank its own"][:2]  # type: ignore[index]
    assert told[1]["rank 0 alone"] is False


def test_rank_1_neither_opens_the_task_nor_runs_the_model(told: list[dict[str, object]]) -> None:
    assert told[0]["opened"] is True
    assert told[1]["opened"] is False
    assert told[0]["ran"] > 0  # type: ignore[operator]
    assert told[1]["ran"] == 0


def test_afterwards_the_ranks_still_work_together_and_draw_the_same(told: list[dict[str, object]]) -> None:
    assert told[0]["reduced"] == told[1]["reduced"] == 3.0
    assert told[0]["draws"] == told[1]["draws"]


def test_a_rank_that_computes_nothing_needs_no_model(told: list[dict[str, object]]) -> None:
    assert told[0]["a model on rank 0 alone"] == told[1]["a model on rank 0 alone"]
    assert told[0]["a model on rank 0 alone"][0]["digits/kstar_mean"] > 0  # type: ignore[index]


def test_an_answer_that_cannot_be_sent_fails_on_both(told: list[dict[str, object]]) -> None:
    assert told[0]["unsendable"] == ["TypeError", "cannot pickle 'generator' object"]
    assert told[1]["unsendable"] == [
        "RuntimeError",
        "clipkstar.evaluate failed on rank 0 (TypeError: cannot pickle 'generator' object); see its traceback.",
    ]


def test_rank_0_raises_what_it_met_also_where_the_others_cannot_be_told(told: list[dict[str, object]]) -> None:
    assert told[0]["untellable"] == ["ZeroDivisionError", "integer division or modulo by zero"]


def test_ranks_wait_for_longer_than_their_training_lets_them(told: list[dict[str, object]]) -> None:
    assert told[0]["slow"] == told[1]["slow"]
    assert told[0]["slow"][:2] == told[0]["a model on rank 0 alone"][:2]  # type: ignore[index]
