"""Emoji drawn by Microsoft (Fluent, flat); classes are Unicode groups, no concept is in the zoo's training."""

from pathlib import Path

from clipkstar.task import HubDataset, Task

TASK = Task(
    name="emoji_fluent",
    summary="emoji drawn by Microsoft, 64×64 colour",
    dataset=HubDataset(path="parquet", data_files=str(Path(__file__).parent / "_bundled" / "emoji_fluent.parquet")),
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
    n_images=422,
    source="Microsoft, Fluent Emoji (flat), by way of @iconify-json/fluent-emoji-flat; groups of unicode-emoji-json",
    license="MIT",
    groups=("bundled",),
)
