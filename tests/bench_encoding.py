"""`make bench`, second part: the text classifier and the image pipeline, against what one would use instead.

Both sides of each ratio are measured in this run; no test depends on them.
"""

import io
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import open_clip
import torch
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES
from PIL import Image
from safetensors.torch import save_file

from clipkstar.checkpoint import Geometry
from clipkstar.data.rows import Rows, open_rows
from clipkstar.embed import embed_classes
from clipkstar.encoder import Encoder, Request
from clipkstar.encoders.open_clip import FAMILY
from clipkstar.pixels import batches, resizer
from clipkstar.prompts import prompts_of
from clipkstar.task import HubDataset, Task

N_TEMPLATES = 10
N_OTHER_CLASSES = 50
"""Classes that the slow ways are timed on; they take the same time per class however many there are."""

N_PICTURES = 2000
BATCH = 64


def seconds(work: Callable[[], object]) -> float:
    """One run."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def random_vit(folder: Path) -> tuple[Encoder, torch.nn.Module, Callable[[list[str]], torch.Tensor]]:
    """ViT-B-32 with random weights: as our encoder, and as open_clip gives it."""
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32").eval()
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": open_clip.get_model_config("ViT-B-32")}))
    encoder = FAMILY.load(FAMILY.resolve(Request(model=f"local-dir:{folder}")), "cpu", "fp32")
    return encoder, model, open_clip.get_tokenizer("ViT-B-32")


def text_classifier() -> None:
    """Compare seconds per class of a classifier of 1,000 classes × 10 templates."""
    templates = [template("{c}") for template in OPENAI_IMAGENET_TEMPLATES[:N_TEMPLATES]]
    names = list(IMAGENET_CLASSNAMES)
    with TemporaryDirectory() as folder:
        encoder, model, tokenize = random_vit(Path(folder))

    def class_by_class() -> torch.Tensor:
        with torch.inference_mode():
            return torch.stack([one_class(name) for name in names[:N_OTHER_CLASSES]])

    def one_class(name: str) -> torch.Tensor:
        texts = [template.replace("{c}", name) for template in templates]
        mean = torch.nn.functional.normalize(model.encode_text(tokenize(texts)), dim=-1).mean(dim=0)
        return torch.nn.functional.normalize(mean, dim=-1)

    def builder() -> torch.Tensor:
        functions = OPENAI_IMAGENET_TEMPLATES[:N_TEMPLATES]
        return open_clip.build_zero_shot_classifier(model, tokenize, names[:N_OTHER_CLASSES], functions)

    ours = seconds(lambda: embed_classes(encoder, prompts_of(names, templates))) / len(names)
    by_builder = seconds(builder) / N_OTHER_CLASSES
    one_by_one = seconds(class_by_class) / N_OTHER_CLASSES
    furthest = np.abs(
        embed_classes(encoder, prompts_of(names[:N_OTHER_CLASSES], templates)) - builder().T.numpy()
    ).max()
    print(
        f"  {len(names)} classes x {N_TEMPLATES} templates, ViT-B-32: open_clip's builder takes "
        f"{by_builder / ours:.1f} times as long, class by class {one_by_one / ours:.1f} times "
        f"(both timed on {N_OTHER_CLASSES} classes); largest difference of a class embedding {furthest:.1e}",
        flush=True,
    )


def jpegs(n: int) -> list[bytes]:
    """Pictures of 500×375, smooth shapes with some noise, quality 90."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(n):
        shapes = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((500, 375))
        noisy = np.asarray(shapes, dtype=np.int16) + random.integers(-12, 13, (375, 500, 3))
        file = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
        found.append(file.getvalue())
    return found


def opened(pictures: list[bytes], folder: Path) -> Rows:
    """The pictures as a task."""
    from datasets import ClassLabel, Dataset, Features, disable_progress_bars
    from datasets import Image as ImageFeature

    disable_progress_bars()
    path = folder / "pictures.parquet"
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=["even", "odd"])})
    cells = [{"bytes": picture, "path": None} for picture in pictures]
    Dataset.from_dict({"image": cells, "label": [row % 2 for row in range(len(cells))]}, features=features).to_parquet(
        path
    )
    dataset = HubDataset(path="parquet", data_files=str(path))
    return open_rows(Task(name="pictures", summary="for timing", dataset=dataset))


def image_pipeline() -> None:
    """Compare pictures per second of decoding, resizing and stacking with those of PIL alone on as many threads."""
    pictures = jpegs(N_PICTURES)

    def by_pil(content: bytes) -> Image.Image:
        image = Image.open(io.BytesIO(content)).convert("RGB")
        width = round(224 * image.width / image.height)
        left = (width - 224) // 2
        return image.resize((width, 224), Image.Resampling.BICUBIC).crop((left, 0, left + 224, 224))

    def pil_alone() -> None:
        with ThreadPoolExecutor() as threads:
            for _ in threads.map(by_pil, pictures):
                pass

    with TemporaryDirectory() as folder:
        rows = opened(pictures, Path(folder))
        prepare = resizer(Geometry(size=(224, 224)))

        def pipeline() -> None:
            for _ in batches(rows, prepare, BATCH):
                pass

        times = [(seconds(pipeline), seconds(pil_alone)) for _ in range(3)]
    ours, alone = (min(column) for column in zip(*times, strict=True))
    print(
        f"  {N_PICTURES} JPEGs of 500×375 to 224: {100 * alone / ours:.0f} % of the speed of PIL alone on the same "
        f"threads ({N_PICTURES / ours:.0f} and {N_PICTURES / alone:.0f} pictures/s)",
        flush=True,
    )


def main() -> None:
    """Print one line per comparison."""
    print("image pipeline:", flush=True)
    image_pipeline()
    print("text classifier:", flush=True)
    text_classifier()


if __name__ == "__main__":
    main()
