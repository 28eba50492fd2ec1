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


class Filling(Counting):
    """A module that makes its buffers when it first runs."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        self.later = values.sum()
        self.register_buffer("new", torch.ones(2))
        self.register_buffer("unsaved", torch.ones(2), persistent=False)
        self.count.resize_(5)
        return super().forward(values)


def test_buffers_that_are_made_go_again() -> None:
    model = Filling()
    before = {name: value.tolist() for name, value in model.state_dict().items()}
    with undisturbed(model):
        model(torch.ones(4, 2))
        assert {"later", "new"} <= set(model.state_dict())
    assert {name: value.tolist() for name, value in model.state_dict().items()} == before
    assert model.later is None
    assert not hasattr(model, "new")
    model.register_buffer("unsaved", torch.ones(2))
    assert "unsaved" in model.state_dict()


def test_a_buffer_with_nan_is_left_alone_and_put_back_where_it_changed() -> None:
    model = torch.nn.Linear(2, 2)
    model.register_buffer("scale", torch.tensor([float("nan"), 1.0]))
    waiting = (model(torch.ones(1, 2)) * model.scale).sum()
    with undisturbed(model):
        pass
    waiting.backward()
    with undisturbed(model):
        model.scale.fill_(7.0)
    assert str(model.scale) == "tensor([nan, 1.])"


def test_what_cannot_be_put_back_keeps_nothing_else_from_it() -> None:
    model = torch.nn.Sequential(Counting(), Counting())
    seed()
    expected = draws()
    seed()
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"), undisturbed(model):
        draws()
        for part in model:
            part.count += 1
        model[0].count.data = torch.ones(1).expand(2)  # one number in memory for two: torch writes nothing there
    assert model[1].count.tolist() == [0, 0]
    assert draws() == expected


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_default_type_is_float32_within(dtype: torch.dtype) -> None:
    torch.set_default_dtype(dtype)
    try:
        with undisturbed(torch.nn.Identity()):
            assert torch.ones(1).dtype == torch.float32
        assert torch.ones(1).dtype == dtype
    finally:
        torch.set_default_dtype(torch.float32)
