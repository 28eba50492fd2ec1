"""clipkstar.evaluate inside open_clip's own training loop: the training stays the same to the last bit."""

import json
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import open_clip
import pytest
import torch
from open_clip_train.train import train_one_epoch
from PIL.Image import Image

import clipkstar
from clipkstar.encoders import zoo
from clipkstar.run import Evaluation

STEPS, EVERY, BATCH = 20, 5, 8
CAPTIONS = [f"a drawing of the number {number}." for number in range(10)]
CONFIG = json.loads((zoo.FOLDER / "tiny-p8" / "final" / "open_clip_config.json").read_text())["model_cfg"]
TOKENIZER = open_clip.get_tokenizer(
    f"local-dir:{zoo.FOLDER / 'tiny-p8' / 'final'}", bpe_path=str(zoo.FOLDER / "bpe.txt.gz")
)
PREPROCESS = open_clip.image_transform(32, is_train=False, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def augmented(image: Image) -> torch.Tensor:
    """A preprocessing of the user's that draws with every generator there is."""
    noise = torch.rand(1) + random.random() + float(np.random.rand())
    return PREPROCESS(image) + 0.01 * noise


class Batches:
    """A data loader as open_clip's loop takes it; what it draws depends on every global generator."""

    num_batches, num_samples = STEPS, STEPS * BATCH
    dataloader = property(lambda self: self)

    def set_epoch(self, epoch: int) -> None:
        assert epoch == 0

    def __iter__(self):
        for _ in range(STEPS):
            noise = torch.from_numpy(np.random.normal(size=(BATCH, 3, 32, 32))).float()
            yield torch.rand(BATCH, 3, 32, 32) + noise, TOKENIZER(random.choices(CAPTIONS, k=BATCH))


class RecordingLoss(open_clip.ClipLoss):
    """open_clip's loss, which remembers what it gave."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[float] = []

    def forward(self, *args: object, **kwargs: object) -> dict[str, torch.Tensor]:
        losses = super().forward(*args, **kwargs)
        self.given.append(float(losses["contrastive_loss"].detach()))
        return losses


@dataclass(frozen=True)
class Trained:
    """What a training leaves: its losses, its weights, its optimiser's state, and what is drawn next."""

    losses: list[float]
    weights: dict[str, torch.Tensor]
    moments: list[torch.Tensor]
    drawn: tuple[float, float, float]


def train(between: Callable[[torch.nn.Module], object], precision: str = "fp32") -> Trained:
    """20 steps of open_clip's loop from one seed; `between` is called every 5 steps, in the middle of it."""
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    vision = CONFIG["vision_cfg"] | {"patch_dropout": 0.5}
    model = open_clip.CLIP(**(CONFIG | {"vision_cfg": vision, "output_dict": True}))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loss = RecordingLoss()
    args = SimpleNamespace(
        device="cpu", precision=precision, distill=False, accum_freq=1, skip_scheduler=False, horovod=False,
        grad_clip_norm=1.0, log_every_n_steps=100, rank=0, local_rank=0, world_size=1, batch_size=BATCH, wandb=False,
    )  # fmt: skip

    def scheduler(step: int) -> None:
        assert model.training
        if step % EVERY == 0:
            between(model)

    train_one_epoch(model, {"train": Batches()}, loss, 0, optimizer, None, scheduler, None, args)
    moments = [value for state in optimizer.state.values() for value in state.values()]
    drawn = random.random(), float(np.random.rand()), float(torch.rand(1))
    return Trained(losses=loss.given, weights=model.state_dict(), moments=moments, drawn=drawn)


def evaluated(model: torch.nn.Module, preprocess: Callable[[Image], torch.Tensor]) -> Evaluation:
    return clipkstar.evaluate(
        model=model, preprocess=preprocess, tokenizer=TOKENIZER, task="digits", limit=60, metrics=["zero_shot", "kstar"]
    )


def same(one: Trained, other: Trained) -> bool:
    """Whether two trainings are the same to the last bit."""
    if (one.losses, one.drawn, len(one.moments)) != (other.losses, other.drawn, len(other.moments)):
        return False
    tensors = [*zip(one.moments, other.moments, strict=True)]
    tensors += [(value, other.weights[name]) for name, value in one.weights.items()]
    return all(torch.equal(left, right) for left, right in tensors)


@pytest.fixture(scope="module", params=["fp32", "amp_bf16"])
def precision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def alone(precision: str) -> Trained:
    """The training without an evaluation."""
    trained = train(lambda _: None, precision)
    assert len(trained.losses) == STEPS
    assert len(set(trained.losses)) == STEPS
    return trained


@pytest.mark.parametrize("preprocess", [PREPROCESS, augmented], ids=["standard", "augmented"])
def test_an_evaluation_every_five_steps_changes_no_bit_of_the_training(
    alone: Trained, precision: str, preprocess: Callable[[Image], torch.Tensor]
) -> None:
    found: list[Evaluation] = []
    trained = train(lambda model: found.append(evaluated(model, preprocess)), precision)
    assert len(found) == STEPS // EVERY
    assert len({evaluation.run.scores["gamma_approx"] for evaluation in found}) == STEPS // EVERY
    assert same(trained, alone)


def test_an_evaluation_that_fails_in_the_middle_changes_no_bit_either(alone: Trained, precision: str) -> None:
    calls = []

    def failing(image: Image) -> torch.Tensor:
        calls.append(image)
        torch.rand(1)
        if len(calls) % 30 == 0:
            raise ZeroDivisionError
        return PREPROCESS(image)

    def between(model: torch.nn.Module) -> None:
        with suppress(ZeroDivisionError):
            clipkstar.evaluate(model=model, preprocess=failing, task="digits", limit=60, batch_size=30)

    assert same(train(between, precision), alone)
    assert len(calls) >= 30 * STEPS // EVERY


@pytest.mark.parametrize(
    "between",
    [
        lambda _: torch.rand(1),
        lambda _: random.random(),
        lambda _: np.random.rand(),
        lambda model: model.visual.eval(),
        lambda model: model.ln_final.weight.requires_grad_(False),
    ],
    ids=["torch", "random", "numpy", "mode", "requires_grad"],
)
def test_the_comparison_sees_one_number_drawn_and_one_flag_left(between: Callable[[torch.nn.Module], object]) -> None:
    assert not same(train(between), train(lambda _: None))
