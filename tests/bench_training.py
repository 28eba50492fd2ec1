"""`make bench`: what clipkstar.evaluate costs in a training after its first call, against the forward passes alone.

The forward passes are those of both towers on tensors that are ready, in the same batches; the k* search is the k*
metric on what they gave. All is measured in this run, in turns, and the quickest of each counts; no test depends on it.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
import open_clip
import torch
from PIL.Image import Image

import clipkstar
from clipkstar.data.rows import Rows, open_rows
from clipkstar.discovery import TASKS, find
from clipkstar.embeddings import Embeddings
from clipkstar.encoders import zoo
from clipkstar.encoders._in_memory import TEXT_BATCH
from clipkstar.metrics.kstar import metric_of
from clipkstar.neighbors import Neighbors
from clipkstar.pixels import decode
from clipkstar.prompts import distinct_prompts

TASK, LIMIT, BATCH = "fashion_mnist_2k", 512, 64
ZOO = f"local-dir:{zoo.FOLDER / 'tiny-p8' / 'final'}"

ASKED = {
    "zero-shot scores and k* without intervals": (("zero_shot", "kstar"), False),
    "the same with intervals": (("zero_shot", "kstar"), True),
    "all metrics": ((), True),
}
"""What evaluate is asked for → its `metrics` and `intervals`."""

QUICK = tuple(ASKED)[:1]
"""What one would ask for in a training, and all that a large model is timed with."""


@dataclass(frozen=True)
class InTraining:
    """A model in training, with what open_clip gives beside it."""

    model: torch.nn.Module
    preprocess: Callable[[Image], torch.Tensor]
    tokenizer: Callable[[list[str]], torch.Tensor]

    def evaluate(self, metrics: Sequence[str], *, intervals: bool) -> None:
        """Our call."""
        clipkstar.evaluate(
            model=self.model,
            preprocess=self.preprocess,
            tokenizer=self.tokenizer,
            task=TASK,
            limit=LIMIT,
            batch_size=BATCH,
            metrics=metrics,
            intervals=intervals,
        )


@dataclass(frozen=True)
class Ready:
    """Pictures and prompts that need no more work than the forward passes; batches as ours, the last one filled up."""

    images: tuple[torch.Tensor, ...]
    tokens: tuple[torch.Tensor, ...]
    rows: Rows

    def forward(self, model: torch.nn.Module) -> Embeddings:
        """Both towers and nothing else; returns the embeddings of the pictures."""
        model.eval()
        with torch.no_grad():
            for tokens in self.tokens:
                model.encode_text(tokens)
            images = torch.cat([model.encode_image(batch) for batch in self.images])[: self.rows.n_images]
        model.train()
        return Embeddings(
            images=images.numpy(),
            labels=self.rows.labels,
            rows=self.rows.row_numbers,
            class_names=self.rows.class_names,
        )


def ready(held: InTraining) -> Ready:
    """Decode, resize, normalise and tokenise, once."""
    rows = open_rows(find(TASKS, TASK)[0], limit=LIMIT)
    pictures = [held.preprocess(decode(content, where="")) for content in rows.image_bytes(np.arange(rows.n_images))]
    pictures += pictures[-1:] * (-len(pictures) % BATCH)
    tokens = held.tokenizer(list(distinct_prompts(rows.words.prompts)[0]))
    return Ready(images=torch.stack(pictures).split(BATCH), tokens=tokens.split(TEXT_BATCH), rows=rows)


def seconds(work: Callable[[], object]) -> float:
    """One run."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(title: str, held: InTraining, asked: Sequence[str], *, n_turns: int) -> None:
    """Print one line for each thing asked: its ratio to the forward passes and the k* search, and the parts."""
    held.model.train()
    given = ready(held)
    embedded = given.forward(held.model)
    first = seconds(partial(held.evaluate, ("zero_shot", "kstar"), intervals=False))
    forward, search, ours = [], {True: [], False: []}, {what: [] for what in asked}
    for _ in range(n_turns):
        for what in asked:
            metrics, intervals = ASKED[what]
            forward.append(seconds(partial(given.forward, held.model)))
            metric = metric_of(("euclidean", "cosine"), intervals=intervals)
            search[intervals].append(seconds(partial(metric.compute, embedded, Neighbors(embedded))))
            ours[what].append(seconds(partial(held.evaluate, metrics, intervals=intervals)))
    print(f"  {title}, {LIMIT} pictures, {sum(map(len, given.tokens))} prompts; first call {first:.2f} s", flush=True)
    for what in asked:
        intervals = ASKED[what][1]
        bare = min(forward) + min(search[intervals])
        print(
            f"    {what}: {min(ours[what]) / bare:.2f} of the forward passes and the k* metric "
            f"({min(ours[what]):.3f} s against {min(forward):.3f} + {min(search[intervals]):.3f} s)",
            flush=True,
        )


def main() -> None:
    """A model of the size that people train, and the smallest that comes with clipkstar."""
    print("in a training:", flush=True)
    with TemporaryDirectory() as cache:
        os.environ["CLIPKSTAR_CACHE"] = cache
        model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32")
        compare("ViT-B-32", InTraining(model, preprocess, open_clip.get_tokenizer("ViT-B-32")), QUICK, n_turns=2)
        model, _, preprocess = open_clip.create_model_and_transforms(ZOO)
        tokenizer = open_clip.get_tokenizer(ZOO, bpe_path=str(zoo.FOLDER / "bpe.txt.gz"))
        compare("tiny-p8", InTraining(model, preprocess, tokenizer), tuple(ASKED), n_turns=7)


if __name__ == "__main__":
    main()
