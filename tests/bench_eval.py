"""`make bench`: what `clipkstar eval` adds to the bare forward passes of a large encoder."""

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from clipkstar.checkpoint import Geometry
from clipkstar.data.own_data import Columns, task_from
from clipkstar.data.rows import Rows, open_rows
from clipkstar.pixels import batches, resizer
from clipkstar.prompts import distinct_prompts
from tests.bench_encoding import random_vit
from tests.bench_user import User

BATCH = 64
N_PICTURES = 1024


def main(root: Path) -> None:
    """Evaluate ViT-B-32 between the halves of its bare forward passes, so that noise hits both; then score again."""
    model_folder = root / "vit"
    model_folder.mkdir()
    _, model, tokenize = random_vit(model_folder)
    user = User(folder=root / "user-vit", data=root / "data")
    rows = open_rows(task_from(user.photos()[1], Columns()), limit=N_PICTURES)
    images = ready_images(rows)
    texts = tokenize(distinct_prompts(rows.words.prompts)[0])
    forward(model, images[:1], texts)  # loads all that is loaded once
    half = len(images) // 2
    before = forward(model, images[:half], texts)
    command = user.clipkstar("eval", "--model", f"local-dir:{model_folder}", *user.photos(), "--limit", str(N_PICTURES))
    after = forward(model, images[half:], texts)
    bare_images = before[0] + after[0]
    bare = bare_images + min(before[1], after[1])
    parts = user.records[0]["seconds"]
    shares = ", ".join(f"{name} {100 * taken / bare:.1f} %" for name, taken in parts.items() if name != "total")
    print(
        f"  ViT-B-32, {N_PICTURES} of 2,000 photos, {len(texts)} prompts, all scores: eval takes "
        f"{parts['total'] / bare:.3f} times as long as the bare forward passes of both towers on ready tensors "
        f"({parts['total']:.1f} s and {bare:.1f} s, the images alone {bare_images:.1f} s); of bare: {shares}; "
        f"the whole command with the start of Python {command.seconds / bare:.3f} times ({command.seconds:.1f} s)",
        flush=True,
    )
    scored = [user.clipkstar("score", "--force") for _ in range(2)]
    again = min(run.seconds for run in scored)
    print(
        f"  all metrics again from its cached embeddings: {100 * again / command.seconds:.1f} % of the first run "
        f"({again:.1f} s and {command.seconds:.1f} s)",
        flush=True,
    )


def ready_images(rows: Rows) -> list[torch.Tensor]:
    """Return batches as the model takes them."""
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in _normalization())
    prepare = resizer(Geometry(size=(224, 224)))
    return [(torch.from_numpy(batch) / 255 - mean) / deviation for batch in batches(rows, prepare, BATCH)]


def _normalization() -> tuple[Sequence[float], Sequence[float]]:
    from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    return OPENAI_DATASET_MEAN, OPENAI_DATASET_STD


def forward(model: torch.nn.Module, images: Sequence[torch.Tensor], texts: torch.Tensor) -> tuple[float, float]:
    """Return the seconds of the image tower on all batches, and of the text tower."""
    with torch.inference_mode():
        started = time.perf_counter()
        for batch in images:
            model.encode_image(batch)
        seen = time.perf_counter()
        model.encode_text(texts)
        return seen - started, time.perf_counter() - seen
