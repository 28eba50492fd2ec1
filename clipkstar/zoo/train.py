"""Trains the zoo again: `python -m clipkstar.zoo.train [MODEL …] [--work FOLDER] [--out FOLDER] [--force]`.

Every model sees the training parts of the four bundled sources, in mixed batches with captions, under open_clip's
own contrastive loss. Nothing held out is ever read into a batch, and nothing here looks at held-out accuracy.
A model appears when it is finished; a second call trains only what is missing.
"""

import argparse
import gzip
import json
import math
import sys
import time
from pathlib import Path

import open_clip
import torch
from open_clip.tokenizer import default_bpe
from safetensors.torch import save_file
from torch import Tensor

from clipkstar.zoo.architectures import ARCHITECTURES, IMAGE_SIZE, MERGES, Architecture
from clipkstar.zoo.batches import Pool, batch, make_pool, subset, tokenize
from clipkstar_tasks._bundled.concepts import base_concept
from clipkstar_tasks._bundled.fetch import DEFAULT_WORK, SourceError
from clipkstar_tasks._bundled.sources import LOADERS
from clipkstar_tasks._bundled.split import Source, digests

ZOO = Path(__file__).parent
THREADS = 2
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.1
WARMUP = 0.05
PREPROCESS = {
    "size": [IMAGE_SIZE, IMAGE_SIZE],
    "mode": "RGB",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}


def write_merges(path: Path) -> None:
    """The head of open_clip's merge list, in its own format; the bytes do not depend on the time of writing."""
    lines = gzip.decompress(Path(default_bpe()).read_bytes()).decode("utf-8").split("\n")
    path.write_bytes(gzip.compress("\n".join(lines[: MERGES + 1]).encode("utf-8"), mtime=0))


def load_sources(work: Path) -> dict[str, Source]:
    """All sources; refuses to go on if a picture or a concept is on both sides."""
    sources = {name: load(work) for name, load in LOADERS.items()}
    for name, source in sources.items():
        if set(digests(source.train.pictures)) & set(digests(source.held_out.pictures)):
            raise RuntimeError(f"{name}: a training picture is also held out.")
    seen = {base_concept(name) for source in sources.values() for name in source.train.names}
    if shared := seen & {base_concept(name) for source in sources.values() for name in source.held_out.names}:
        raise RuntimeError(f"the emoji concept {min(shared)!r} is both trained on and held out.")
    return sources


def save(model: open_clip.CLIP, architecture: Architecture, folder: Path) -> None:
    """Writes the folder; the weights, rounded to float16, appear last and at once."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": architecture.config(), "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    half = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in model.state_dict().items()
    }
    partial = folder / "open_clip_model.safetensors.partial"
    save_file(half, partial, metadata={"format": "pt"})
    partial.replace(folder / "open_clip_model.safetensors")


def make_optimizer(
    model: open_clip.CLIP, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """AdamW, with decay on matrices alone, and a short warm-up into a cosine that ends at zero."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.98), eps=1e-6, fused=True)
    warmup = WARMUP * steps
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
    )
    return optimizer, schedule


def train(name: str, pools: list[Pool], tokens: Tensor, out: Path) -> None:
    """Trains one model from its seed and writes its stages and its end."""
    architecture = ARCHITECTURES[name]
    torch.manual_seed(architecture.seed)
    generator = torch.Generator().manual_seed(1000 + architecture.seed)
    model = open_clip.CLIP(**architecture.config()).train()
    steps = architecture.steps
    optimizer, schedule = make_optimizer(model, steps)
    saves = {round(share * steps): tag for tag, share in (architecture.stages or {}).items()}
    loss_of = open_clip.ClipLoss()
    rows = [subset(pool, architecture.share) for pool in pools]
    begin = time.monotonic()
    for step in range(1, steps + 1):
        images, captions = batch(pools, rows, generator)
        distinct, of_image = torch.unique(captions, return_inverse=True)  # a caption that occurs twice is encoded once
        texts = model.encode_text(tokens[distinct], normalize=True)[of_image]
        loss = loss_of(model.encode_image(images, normalize=True), texts, model.logit_scale.exp())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        if step in saves:
            save(model, architecture, out / name / saves[step])
        if step % 100 == 0 or step == steps:
            print(f"{name} step {step}/{steps} loss {loss.item():.3f} {time.monotonic() - begin:.0f} s", flush=True)
    save(model, architecture, out / name / "final")


def main() -> int:
    """Trains the named models, or all; returns the exit code."""
    parser = argparse.ArgumentParser(description="Train the models of the zoo again.")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(ARCHITECTURES)}; all without a name")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="folder for downloads (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ZOO, help="folder that gets <model>/<tag> (default: the package)")
    parser.add_argument("--force", action="store_true", help="train finished models again")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.models if name not in ARCHITECTURES]
    if unknown:
        print(f"The zoo has no {unknown[0]!r}; its models are {', '.join(ARCHITECTURES)}.", file=sys.stderr)
        return 2
    torch.set_num_threads(THREADS)
    torch.set_flush_denormal(True)  # the optimizer's fading averages of rare tokens are slow otherwise
    try:
        sources = load_sources(arguments.work.expanduser())
    except SourceError as error:
        print(error, file=sys.stderr)
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_merges(arguments.out / "bpe.txt.gz")
    table: dict[str, int] = {}
    pools = [make_pool(source, table) for source in sources.values()]
    tokens = tokenize(table, arguments.out / "bpe.txt.gz")
    for name in arguments.models or ARCHITECTURES:
        if arguments.force or not (arguments.out / name / "final" / "open_clip_model.safetensors").is_file():
            train(name, pools, tokens, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
