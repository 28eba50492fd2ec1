"""clipkstar.evaluate: a model that the caller holds, as in the middle of a training, against the command line."""

import json
import random
import subprocess
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import open_clip
import polars as pl
import pytest
import torch
from PIL.Image import Image

import clipkstar
from clipkstar import cli, opened_once, pixels
from clipkstar.caching.pixel_cache import are_cached
from clipkstar.encoder import Request
from clipkstar.encoders import zoo
from clipkstar.encoders._in_memory import InMemoryEncoder
from clipkstar.encoders._kept_tokens import tokens_of
from clipkstar.errors import InputError
from clipkstar.run import Evaluation
from clipkstar.selection import select_checkpoint

FOLDER = f"local-dir:{zoo.FOLDER / 'tiny-p8' / 'final'}"
LIMIT = 200


class Held:
    """A model as open_clip hands it out, with its preprocessing and tokenizer."""

    def __init__(self) -> None:
        self.model, _, self.preprocess = open_clip.create_model_and_transforms(FOLDER)
        self.tokenizer = open_clip.get_tokenizer(FOLDER, bpe_path=str(zoo.FOLDER / "bpe.txt.gz"))

    def evaluate(
        self,
        *,
        text: bool = True,
        preprocess: Callable[[Image], torch.Tensor] | None = None,
        metrics: Sequence[str] = (),
        intervals: bool = True,
    ) -> Evaluation:
        return clipkstar.evaluate(
            model=self.model,
            preprocess=preprocess or self.preprocess,
            tokenizer=self.tokenizer if text else None,
            task="digits",
            limit=LIMIT,
            metrics=metrics,
            intervals=intervals,
        )


@pytest.fixture(scope="module")
def held() -> Held:
    return Held()


@pytest.fixture
def command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[dict[str, float | None], pl.DataFrame]:
    """Scores and image table of the same model, task and sample through `clipkstar eval`."""
    command = (
        f"clipkstar eval --model tiny-p8 --pretrained final --task digits --limit {LIMIT} --json --runs {tmp_path}"
    )
    monkeypatch.setattr(sys, "argv", command.split())
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    images = next(tmp_path.rglob("images.parquet"))
    return json.loads(capsys.readouterr().out)[0]["scores"], pl.read_parquet(images)


def test_a_model_in_memory_scores_as_it_does_on_the_command_line(
    held: Held, command_line: tuple[dict[str, float | None], pl.DataFrame]
) -> None:
    scores, images = command_line
    found = held.evaluate()
    assert found.run.scores == pytest.approx(scores, abs=1e-6)
    assert found.images.columns == images.columns
    for column in ("row", "label", "prediction", "kstar", "impostor_row", "cosine_kstar", "cosine_impostor_row"):
        assert found.images[column].to_list() == images[column].to_list(), column
    np.testing.assert_allclose(found.images["confidence"], images["confidence"], atol=1e-6)
    assert (found.run.task.limit, found.run.task.n_images) == (LIMIT, LIMIT)


def test_without_a_tokenizer_the_zero_shot_scores_are_null_and_the_rest_is_there(held: Held) -> None:
    with_text, without = held.evaluate(), held.evaluate(text=False)
    zero_shot = ("top1", "top5", "mean_class_recall", "ece", "f1_macro")
    assert without.run.scores == with_text.run.scores | dict.fromkeys(zero_shot)
    assert without.run.intervals == {name: at for name, at in with_text.run.intervals.items() if name not in zero_shot}
    assert without.images["kstar"].equals(with_text.images["kstar"])
    assert "without text embeddings in this space the zero-shot scores are null." in without.notices


class Colours(torch.nn.Module):
    """A small trainable encoder whose batch norm and dropout would be felt in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(3)
        self.body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(48, 5))

    def encode_image(self, image: torch.Tensor) -> torch.Tensor:
        return self.body(self.norm(image))


def preprocess_colours(image: object) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image.resize((4, 4)), dtype=np.float32).transpose(2, 0, 1) / 255)  # type: ignore[attr-defined]


def test_a_model_in_training_is_left_as_it_was() -> None:
    torch.manual_seed(3)
    model = Colours().train()
    model.norm.eval()
    model.body[2].bias.requires_grad_(False)
    model.body[2].weight.grad = torch.ones_like(model.body[2].weight)
    modes = {name: module.training for name, module in model.named_modules()}
    needs_grad = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    state = {name: value.clone() for name, value in model.state_dict().items()}
    python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()

    first, second = (
        clipkstar.evaluate(model=model, preprocess=preprocess_colours, task="digits", limit=60) for _ in range(2)
    )

    assert {name: module.training for name, module in model.named_modules()} == modes
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == needs_grad
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(model.body[2].weight.grad, torch.ones_like(model.body[2].weight))
    assert torch.is_grad_enabled()
    assert random.getstate() == python_state
    assert repr(np.random.get_state()) == repr(numpy_state)
    assert torch.equal(torch.get_rng_state(), torch_state)
    # Dropout was off, else two evaluations would differ.
    assert first.run.scores == second.run.scores
    assert first.run.run_id != second.run.run_id


def test_the_mode_comes_back_when_the_model_fails() -> None:
    class Broken(Colours):
        def encode_image(self, image: torch.Tensor) -> torch.Tensor:
            raise RuntimeError(f"no memory for {len(image)} images")

    model = Broken().train()
    with pytest.raises(RuntimeError, match="no memory for 20 images"):
        clipkstar.evaluate(model=model, preprocess=preprocess_colours, task="digits", limit=20, batch_size=20)
    assert all(module.training for module in model.modules())


def test_an_encoder_of_pictures_alone_may_be_a_plain_module() -> None:
    torch.manual_seed(3)
    model = Colours()
    backbone = torch.nn.Sequential(model.norm, model.body)
    found, expected = (
        clipkstar.evaluate(model=made, preprocess=preprocess_colours, task="digits", limit=60)
        for made in (backbone, model)
    )
    assert found.numbers == expected.numbers
    assert found.run.scores["top1"] is None


def test_a_model_that_answers_with_no_tensor_is_one_sentence() -> None:
    class Answering(Colours):
        def encode_image(self, image: torch.Tensor) -> torch.Tensor:
            return {"image_embeds": super().encode_image(image)}  # type: ignore[return-value]

    with pytest.raises(InputError) as caught:
        clipkstar.evaluate(model=Answering(), preprocess=preprocess_colours, task="digits", limit=20)
    assert str(caught.value) == (
        "the model answered pictures with a dict; clipkstar needs a tensor (n, dim), so give it the module or a "
        "wrapper that returns one."
    )


@pytest.mark.parametrize("wrap", [torch.nn.DataParallel, torch.compile], ids=["DataParallel", "compile"])
def test_what_torch_wraps_around_a_model_is_seen_through(wrap: Callable[[torch.nn.Module], torch.nn.Module]) -> None:
    torch.manual_seed(3)
    model = Colours().train()
    wrapped = wrap(model)
    expected = clipkstar.evaluate(model=model, preprocess=preprocess_colours, task="digits", limit=60)
    found = clipkstar.evaluate(model=wrapped, preprocess=preprocess_colours, task="digits", limit=60)
    assert found.numbers == expected.numbers
    assert all(module.training for module in [*wrapped.modules(), *model.modules()])


def test_only_the_metrics_named_are_computed(held: Held) -> None:
    every = held.evaluate()
    found = held.evaluate(metrics=["zero_shot", "kstar"])
    assert list(found.run.metrics) == ["zero_shot", "kstar"]
    assert found.run.scores == {name: every.run.scores[name] for name in found.run.scores}
    assert {"top1", "gamma_approx", "cosine_gamma_approx"} < set(found.run.scores)
    assert "knn20_accuracy" not in found.run.scores


def test_without_intervals_the_other_scores_of_kstar_are_the_same(held: Held) -> None:
    whole = held.evaluate(metrics=["kstar"])
    quick = held.evaluate(metrics=["kstar"], intervals=False)
    assert quick.run.scores == {name: whole.run.scores[name] for name in quick.run.scores}
    missing = set(whole.run.scores) - set(quick.run.scores)
    of_each = {"kstar_mean_null", "gamma_approx_null", "gamma_approx_null_sd", "gamma_approx_z", "gamma_approx_n50"}
    assert missing == of_each | {f"cosine_{name}" for name in of_each}
    assert quick.run.intervals == {}
    assert quick.run.metrics == {"kstar": f"{whole.run.metrics['kstar']} without intervals"}


def test_an_unknown_metric_is_one_sentence(held: Held) -> None:
    with pytest.raises(InputError, match=r"^there is no metric 'kstars'; did you mean 'kstar'\?$"):
        held.evaluate(metrics=["kstars"])


def test_the_numbers_for_a_log_are_the_defined_scores_alone(held: Held) -> None:
    found = held.evaluate(text=False, metrics=["zero_shot", "kstar"])
    assert found.run.scores["top1"] is None
    defined = {name: value for name, value in found.run.scores.items() if value is not None}
    assert found.numbers == {f"digits/{name}": value for name, value in defined.items()}
    assert {type(value) for value in found.numbers.values()} == {float}
    assert json.loads(json.dumps(found.numbers)) == found.numbers


def test_a_batch_size_below_1_is_one_sentence(held: Held) -> None:
    with pytest.raises(InputError) as caught:
        clipkstar.evaluate(model=held.model, preprocess=held.preprocess, task="digits", batch_size=0)
    assert str(caught.value) == "evaluate got the batch_size 0; it needs at least 1."


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Counter[str]:
    """How often a task is opened and a picture decoded from now on, with an empty cache."""
    monkeypatch.setenv("CLIPKSTAR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(opened_once, "_kept", OrderedDict())
    counts: Counter[str] = Counter()
    for module, name in ((opened_once, "open_rows"), (pixels, "decode")):
        work = getattr(module, name)

        def counted(*given: object, name: str = name, work: Callable[..., object] = work, **more: object) -> object:
            counts[name] += 1
            return work(*given, **more)

        monkeypatch.setattr(module, name, counted)
    return counts


def test_a_later_call_opens_and_decodes_nothing(held: Held, done: Counter[str]) -> None:
    first = held.evaluate()
    assert done == {"open_rows": 1, "decode": LIMIT}
    second = held.evaluate()
    assert done == {"open_rows": 1, "decode": LIMIT}
    assert second.numbers == first.numbers
    assert second.images.equals(first.images)
    assert second.run.seconds.open == 0 < first.run.seconds.open


def test_a_later_call_tokenizes_nothing(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    first = held.evaluate(metrics=["zero_shot"])
    monkeypatch.setattr(open_clip.SimpleTokenizer, "encode", None)
    assert held.evaluate(metrics=["zero_shot"]).numbers == first.numbers


def test_what_a_model_writes_into_tokens_stays_with_the_model(held: Held) -> None:
    texts = ("a drawing of the number 7.",)
    first = tokens_of(held.tokenizer, texts).tolist()
    tokens_of(held.tokenizer, texts).zero_()
    assert tokens_of(held.tokenizer, texts).tolist() == first


@pytest.mark.parametrize("reduction_mask", ["", "random"])
def test_tokens_of_other_settings_or_of_chance_are_made_anew(reduction_mask: str) -> None:
    tokenizer = open_clip.SimpleTokenizer(context_length=8, reduction_mask=reduction_mask)
    texts = tuple(f"a long sentence about the number {number} and nothing else at all" for number in range(9))
    first = tokens_of(tokenizer, texts)
    assert torch.equal(tokens_of(tokenizer, texts), first) is not bool(reduction_mask)
    assert tokens_of(lambda given: tokenizer(given)[:1], texts).shape == (1, 8)
    tokenizer.context_length = 6
    assert tokens_of(tokenizer, texts).shape == (9, 6)


def test_pixels_are_those_that_the_command_line_keeps(held: Held, done: Counter[str]) -> None:
    found = held.evaluate()
    family, checkpoint = select_checkpoint(Request(model="tiny-p8", pretrained="final"))
    geometry = family.identify(checkpoint).geometry
    assert geometry is not None
    assert found.run.checkpoint.geometry == geometry
    assert are_cached(found.run.task.images_digest, geometry)


def test_an_unknown_preprocessing_is_called_for_every_picture_and_gives_the_same_numbers(
    held: Held, done: Counter[str]
) -> None:
    calls = []

    def preprocess(image: Image) -> torch.Tensor:
        calls.append(image.size)
        return held.preprocess(image)

    known = held.evaluate()
    for n in (1, 2):
        found = held.evaluate(preprocess=preprocess)
        assert (len(calls), done["decode"]) == (n * LIMIT, (n + 1) * LIMIT)
        assert found.run.checkpoint.geometry is None
        assert found.numbers == known.numbers
        assert found.images.equals(known.images)
    assert done["open_rows"] == 1


def test_a_model_without_parameters_is_evaluated() -> None:
    class Means(torch.nn.Module):
        def encode_image(self, image: torch.Tensor) -> torch.Tensor:
            return image.flatten(1)

    found = clipkstar.evaluate(model=Means(), preprocess=preprocess_colours, task="digits", limit=60)
    assert found.run.scores["top1"] is None
    assert 0 <= (found.run.scores["nn1_accuracy"] or 0) <= 1


class Scaled(Colours):
    """An encoder of pictures and prompts with a scale and a bias of its own."""

    def __init__(self, logit_scale: object, logit_bias: object = None) -> None:
        super().__init__()
        self.logit_scale, self.logit_bias = logit_scale, logit_bias

    def encode_text(self, text: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(text % 5, 5).float()


def evaluate_scaled(logit_scale: object, logit_bias: object = None) -> Evaluation:
    torch.manual_seed(3)
    return clipkstar.evaluate(
        model=Scaled(logit_scale, logit_bias),
        preprocess=preprocess_colours,
        tokenizer=lambda texts: torch.tensor([len(text) for text in texts]),
        task="digits",
        limit=60,
    )


def test_scale_and_bias_may_be_numbers_or_tensors_and_the_scale_is_a_logarithm() -> None:
    scale, bias = float(np.log(20)), -0.5
    as_numbers = evaluate_scaled(scale, bias)
    as_tensors = evaluate_scaled(torch.nn.Parameter(torch.tensor(scale)), torch.tensor([bias]))
    assert as_numbers.run.scores == as_tensors.run.scores
    assert as_numbers.images["confidence"].to_list() == as_tensors.images["confidence"].to_list()
    steeper = evaluate_scaled(float(np.log(40)), bias)
    assert as_numbers.run.scores["ece"] != steeper.run.scores["ece"]
    held = InMemoryEncoder(model=Scaled(scale, bias), transform=preprocess_colours, tokenize=None)
    assert (held.logit_scale, held.logit_bias) == (pytest.approx(20, rel=1e-6), bias)


@pytest.mark.parametrize(
    ("scale", "bias", "sentence"),
    [
        ("4.6", None, "the model's logit_scale is a str; it needs a number or a tensor of one."),
        (torch.zeros(2), None, "the model's logit_scale has 2 numbers; it needs one."),
        (
            100,
            None,
            "the model's logit_scale is 100.0, whose exponential is not finite; it needs the logarithm of the scale, "
            "such as 4.6052 for 100.",
        ),
        (0.0, {}, "the model's logit_bias is a dict; it needs a number or a tensor of one."),
    ],
)
def test_a_scale_or_bias_that_is_none_is_one_sentence(scale: object, bias: object, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        evaluate_scaled(scale, bias)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("preprocess", "sentence"),
    [
        (
            lambda _: {"pixel_values": [1.0]},
            "the preprocessing returned a dict that cannot be read as an array (float() argument must be a string or a "
            "real number, not 'dict'); it needs a CPU tensor or an array (3, height, width).",
        ),
        (
            np.asarray,
            "the encoder's preprocessing returned an array of shape (SIDE, SIDE, 3) for a picture; it needs "
            "(3, height, width).",
        ),
    ],
)
def test_a_preprocessing_that_makes_no_picture_is_one_sentence(preprocess: object, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        clipkstar.evaluate(model=Colours(), preprocess=preprocess, task="digits", limit=20)  # type: ignore[arg-type]
    assert str(caught.value) == sentence.replace("SIDE", "8")


@pytest.mark.parametrize(
    ("dtype", "precision"), [(torch.float32, "fp32"), (torch.bfloat16, "bf16"), (torch.float16, "fp16")]
)
def test_the_record_says_in_which_precision_the_model_is(dtype: torch.dtype, precision: str) -> None:
    torch.manual_seed(3)
    model = Colours().to(dtype)
    found = clipkstar.evaluate(model=model, preprocess=preprocess_colours, task="digits", limit=60)
    assert found.run.protocol.precision == precision
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    assert 0 <= (found.run.scores["nn1_accuracy"] or 0) <= 1


@pytest.mark.parametrize(
    ("asked", "precision"), [("fp16", "fp16"), ("bf16", "bf16"), ("pure_bf16", "bf16"), ("amp_bf16", "fp32")]
)
def test_every_precision_that_open_clip_makes_a_model_in_is_evaluated(held: Held, asked: str, precision: str) -> None:
    model, _, preprocess = open_clip.create_model_and_transforms(FOLDER, precision=asked)
    for transform in (preprocess, lambda image: preprocess(image).bfloat16()):
        found = clipkstar.evaluate(
            model=model, preprocess=transform, tokenizer=held.tokenizer, task="digits", limit=60, metrics=["zero_shot"]
        )
        assert found.run.protocol.precision == precision
        assert (found.run.scores["top1"] or 0) > 0.9


def test_an_average_of_weights_is_evaluated_as_the_model_that_it_holds(held: Held) -> None:
    averaged = torch.optim.swa_utils.AveragedModel(held.model)
    found = clipkstar.evaluate(
        model=averaged, preprocess=held.preprocess, tokenizer=held.tokenizer, task="digits", limit=LIMIT
    )
    assert found.numbers == held.evaluate().numbers


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_another_default_type_of_torch_changes_no_number(held: Held, dtype: torch.dtype) -> None:
    expected = held.evaluate()
    torch.set_default_dtype(dtype)
    try:
        found = held.evaluate()
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.numbers == expected.numbers
    assert found.images.equals(expected.images)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"model": "ViT-B-32"}, "evaluate got a str as the model; it needs a torch.nn.Module."),
        (
            {"preprocess": None},
            "evaluate got a NoneType as the preprocess; it needs a function from a picture to a tensor, as "
            "open_clip.create_model_and_transforms returns.",
        ),
        ({"task": ["digits"]}, "evaluate got a list as the task; it needs one name, file or Task."),
        ({"metrics": "kstar"}, "evaluate got the metrics 'kstar'; it needs a list, such as ['kstar']."),
    ],
    ids=["model", "preprocess", "task", "metrics"],
)
def test_an_argument_of_another_kind_is_one_sentence(given: dict[str, object], sentence: str) -> None:
    right = {"model": Colours(), "preprocess": preprocess_colours, "task": "digits"}
    with pytest.raises(InputError) as caught:
        clipkstar.evaluate(**(right | given))  # type: ignore[arg-type]
    assert str(caught.value) == sentence


def test_an_outer_autocast_stays_and_does_not_change_the_numbers(held: Held) -> None:
    expected = held.evaluate()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = held.evaluate()
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == torch.bfloat16
    assert found.run.scores == expected.run.scores
    assert found.images.equals(expected.images)
    assert found.run.protocol.precision == "fp32"


TF32 = """
import json, sys
import numpy as np, torch
import clipkstar
seen = []
def flags():
    cuda, cpu = torch.backends.cudnn, torch.backends.mkldnn
    backends = torch.backends.cuda.matmul, cuda.conv, cuda.rnn, cpu.matmul, cpu.conv, cpu.rnn
    return [backend.fp32_precision for backend in backends]
class Model(torch.nn.Module):
    def encode_image(self, image):
        seen.append(flags())
        return image.flatten(1)
def preprocess(image):
    return torch.from_numpy(np.asarray(image.resize((4, 4)), dtype=np.float32).transpose(2, 0, 1) / 255)
torch.backends.fp32_precision = sys.argv[1]
before = flags()
clipkstar.evaluate(model=Model(), preprocess=preprocess, task="digits", limit=40)
after = flags()
torch.backends.fp32_precision = "tf32"
print(json.dumps([before, seen[0], after, flags()]))
"""


@contextmanager
def tf32(matmul: bool, cudnn: bool) -> Iterator[None]:
    """Switch TF32 as a user of torch does; afterwards it is as before."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize("matmul", [True, False])
@pytest.mark.parametrize("cudnn", [True, False])
def test_tf32_is_off_while_the_model_runs_and_afterwards_as_before(matmul: bool, cudnn: bool) -> None:
    seen = []

    class Watching(Colours):
        def encode_image(self, image: torch.Tensor) -> torch.Tensor:
            seen.append((torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision))
            return super().encode_image(image)

    with tf32(matmul, cudnn):
        clipkstar.evaluate(model=Watching(), preprocess=preprocess_colours, task="digits", limit=20)
        assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (matmul, cudnn)
    assert {precision for pair in seen for precision in pair} <= {"ieee", "none"}
    assert seen


@pytest.mark.parametrize("precision", ["tf32", "ieee"])
def test_a_precision_set_for_all_by_the_newer_names_of_torch_is_as_before_too(precision: str) -> None:
    # In a process of its own: torch bears no mix of its two ways to set it.
    done = subprocess.run([sys.executable, "-c", TF32, precision], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    before, during, after, changed = json.loads(done.stdout)
    assert before == after == [precision] * 6
    assert during == ["ieee"] * 6
    assert changed == ["tf32"] * 6  # what was full already still follows what is set for all


def test_an_unknown_task_is_one_sentence(held: Held) -> None:
    with pytest.raises(InputError) as caught:
        clipkstar.evaluate(model=held.model, preprocess=held.preprocess, task="digts")
    assert str(caught.value) == "there is no task 'digts'; did you mean 'digits' or 'gtsrb' or 'dtd'?"
