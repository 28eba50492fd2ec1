"""The models of the zoo: what each is made of, what it sees, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

IMAGE_SIZE = 32
CONTEXT_LENGTH = 32
MERGES = 1200  # of the 48,894 of open_clip; the other words fall apart into shorter pieces, at worst into bytes
VOCABULARY = 256 + 256 + MERGES + 2  # bytes, bytes that end a word, merges, start and end of text
EMBEDDING = 64
BPE_PATH = "../../bpe.txt.gz"  # relative to the folder of the configuration

TowerConfig = Mapping[str, int | float | str | tuple[int, ...] | Mapping[str, str]]


class ModelConfig(TypedDict):
    """The `model_cfg` of open_clip."""

    embed_dim: int
    vision_cfg: TowerConfig
    text_cfg: TowerConfig


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One model; `patch_size` and `head_width` mean nothing to a ResNet, whose `layers` are blocks per stage.

    share: part of the training pictures it ever sees; stages: tag → share of the steps after which it is saved.
    """

    width: int
    layers: int | tuple[int, ...]
    patch_size: int
    head_width: int
    steps: int
    seed: int
    mlp_ratio: float = 2.0
    share: float = 1.0
    stages: Mapping[str, float] | None = None

    def config(self) -> ModelConfig:
        """As open_clip wants it."""
        vision: dict[str, int | float | tuple[int, ...]] = {
            "image_size": IMAGE_SIZE,
            "layers": self.layers,
            "width": self.width,
            "head_width": self.head_width,
        }
        if isinstance(self.layers, int):
            vision |= {"patch_size": self.patch_size, "mlp_ratio": self.mlp_ratio}
        text: TowerConfig = {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": VOCABULARY,
            "width": 48,
            "heads": 2,
            "layers": 2,
            "tokenizer_kwargs": {"bpe_path": BPE_PATH},
        }
        return {"embed_dim": EMBEDDING, "vision_cfg": vision, "text_cfg": text}


STAGES = {"stage1": 0.06, "stage2": 0.15, "stage3": 0.40}

# One seed each, so that no two models share their first weights or their batches.
ARCHITECTURES: Mapping[str, Architecture] = {
    "tiny-p8": Architecture(width=96, layers=4, patch_size=8, head_width=32, steps=1000, seed=0, stages=STAGES),
    "tiny-p4": Architecture(width=64, layers=4, patch_size=4, head_width=32, steps=480, seed=2, stages=STAGES),
    "tiny-p16": Architecture(width=96, layers=4, patch_size=16, head_width=32, steps=800, seed=3),
    "tiny-narrow": Architecture(width=48, layers=4, patch_size=8, head_width=24, steps=1100, seed=4),
    "tiny-deep": Architecture(width=64, layers=8, patch_size=8, head_width=32, steps=700, seed=5),
    "tiny-shallow": Architecture(width=96, layers=1, patch_size=8, head_width=32, steps=1200, seed=6),
    "tiny-p8-seed1": Architecture(width=96, layers=4, patch_size=8, head_width=32, steps=1000, seed=1),
    "tiny-p8-data10": Architecture(width=96, layers=4, patch_size=8, head_width=32, steps=1000, seed=7, share=0.1),
    "tiny-p8-data1": Architecture(width=96, layers=4, patch_size=8, head_width=32, steps=400, seed=8, share=0.01),
    "tiny-rn": Architecture(width=8, layers=(1, 1, 1, 1), patch_size=0, head_width=64, steps=1200, seed=9),
}
