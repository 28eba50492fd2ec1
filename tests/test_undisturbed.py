"""What is put back after an evaluation, also after an error."""

import gc
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch

from clipkstar.undisturbed import evaluation_mode, undisturbed


class Counting(torch.nn.Module):
    """A module that keeps a count in a buffer, in whatever mode it is."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(2))
        self.register_buffer("later", None)
        self.norm = torch.nn.BatchNorm1d(2)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        self.count += 1
        return self.norm(values)


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(1))


def seed() -> None:
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)


@pytest.mark.parametrize("fails", [False, True])
def test_random_numbers_go_on_as_if_none_had_been_drawn(fails: bool) -> None:
    seed()
    expected = draws()
    seed()
    with pytest.raises(ZeroDivisionError) if fails else undisturbed(torch.nn.Identity()):
        if not fails:
            draws()
        else:
            with undisturbed(torch.nn.Identity()):
                draws()
                raise ZeroDivisionError
    assert draws() == expected


def test_buffers_keep_their_place_and_their_numbers() -> None:
    model = Counting()
    count, mean = model.count, model.norm.running_mean
    with undisturbed(model):
        model(torch.randn(4, 2))
        model.norm.running_mean = torch.ones(2)
        assert model.count.tolist() == [1, 1]
    assert model.count is count
    assert model.norm.running_mean is mean
    assert (count.tolist(), mean.tolist(), model.norm.num_batches_tracked.item()) == ([0, 0], [0, 0], 0)


def test_a_backward_pass_that_was_pending_can_still_run() -> None:
    model = Counting().eval()
    waiting = model(torch.ones(3, 2, requires_grad=True)).sum()
    with undisturbed(model):
        pass
    waiting.backward()


@pytest.mark.parametrize(
    ("change", "read"),
    [
        (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
        (lambda: torch.set_num_threads(torch.get_num_threads() + 1), torch.get_num_threads),
        (gc.disable, gc.isenabled),
    ],
    ids=["dtype", "threads", "gc"],
)
def test_settings_are_as_before(change: Callable[[], None], read: Callable[[], object]) -> None:
    before = read()
    with undisturbed(torch.nn.Identity()):
        change()
        assert read() != before
    assert read() == before


def test_modes_are_set_without_calling_train_or_eval() -> None:
    class Merging(torch.nn.Linear):
        def train(self, mode: bool = True) -> "Merging":  # as adapters do
            raise AssertionError(f"train({mode}) was called")

    model = torch.nn.Sequential(Merging(2, 2), torch.nn.Dropout(), torch.nn.BatchNorm1d(2))
    model[2].training = False
    with evaluation_mode(model):
        assert not any(module.training for module in model.modules())
        assert not model(torch.ones(1, 2)).requires_grad
    assert [module.training for module in model.modules()] == [True, True, True, False]
    assert torch.is_grad_enabled()


def test_weights_that_a_model_casts_itself_are_not_taken_by_an_outer_autocast() -> None:
    model = torch.nn.Linear(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with evaluation_mode(model), torch.autocast("cpu", dtype=torch.bfloat16):
            model(torch.ones(1, 4))
        model(torch.ones(1, 4)).sum().backward()
    assert model.weight.grad is not None
