"""Emoji drawn by Google (Noto); classes are Unicode groups, no concept is in the zoo's training."""

from pathlib import Path

from clipkstar.task import HubDataset, Task

TASK = Task(
    name="emoji_noto",
    summary="emoji drawn by Google, 64×64 colour",
    dataset=HubDataset(path="parquet", data_files=str(Path(__file__).parent / "_bundled" / "emoji_noto.parquet")),
    class_names=(
        "a smiling face or an emotion",
        "a person or a part of the body",
        "an animal or a plant",
        "food or drink",
        "a place or a vehicle",
        "an activity or a game",
        "an object",
        "a symbol or a sign",
    ),
    templates=(
        "an emoji of {c}.",
        "an emoji that shows {c}.",
        "an icon of {c}.",
        "a drawing of {c}.",
        "a small picture of {c}.",
    ),
    n_images=433,
    source="Google, Noto Emoji, by way of @iconify-json/noto; groups of unicode-emoji-json",
    license="Apache-2.0",
    groups=("bundled",),
)
