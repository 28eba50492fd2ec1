"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

Model = Annotated[
    str,
    typer.Option(
        help="Name of open_clip or of the zoo, hf-hub:org/name, local-dir:FOLDER, or family:name with the family "
        "transformers, timm, python. FILE.py:name and python: run the code there."
    ),
]
Pretrained = Annotated[str | None, typer.Option(help="Tag, its beginning, a checkpoint file, or random.")]
ModelConfig = Annotated[str | None, typer.Option(help="Model config (JSON) of a checkpoint file.")]
Activation = Annotated[
    Literal["gelu", "quick_gelu"] | None,
    typer.Option(help="What the weights were trained with, where the names do not tell."),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        help="Task name, FILE.py (its code is run), folder of class folders, 'FILES*.parquet', 'FILES*.tar', "
        "hub:org/name; repeatable.",
    ),
]
Suite = Annotated[
    str | None,
    typer.Option(
        help="All tasks of a suite: core (the default), bundled, imagenet, vtab, robustness, wilds, fairness, standard."
    ),
]
ImageColumn = Annotated[str | None, typer.Option(help="Column of the images, for data without a task file.")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the labels, for data without a task file.")]
Split = Annotated[str | None, typer.Option(help="Split to read, for a hub: data set. Default: test.")]
ClassNames = Annotated[
    Path | None,
    typer.Option(help="Class names, one a line in label order; for class folders lines of folder, tab, name."),
]
Templates = Annotated[Path | None, typer.Option(help="Prompt templates, one a line, {} for the class name.")]
PromptsOption = Annotated[
    str | None,
    typer.Option(
        "--prompts", help="A prompt set of the task, or JSON: {class: [prompt, …]}, or FILE.json:NAME of several sets."
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option("--metric", help="Metric name, FILE.py or FOLDER; repeatable. Default: all. Code is run."),
]
Runs = Annotated[Path, typer.Option(help="Folder of the runs.")]
Force = Annotated[bool, typer.Option("--force", help="Repeat finished work.")]
Precision = Annotated[
    Literal["fp32", "amp_bf16", "amp_fp16", "bf16", "fp16"],
    typer.Option(help="Of the encoder; fp32 runs without TF32. The record says which."),
]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="auto: cuda, else mps, else cpu.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Images encoded together.")]
Space = Annotated[
    Literal["output", "pre_projection"],
    typer.Option(help="Image embeddings as encode_image returns them, or before the projection into the joint space."),
]
Limit = Annotated[int | None, typer.Option(min=1, help="A class-stratified sample of N images.")]
Revision = Annotated[str | None, typer.Option(help="Commit, tag or branch of the data set on the hub.")]
Stream = Annotated[
    bool, typer.Option("--stream", help="Keep one shard of the data at a time; fetches them twice the first time.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Never ask the network.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def go_offline(*, offline: bool) -> None:
    """Set it before the libraries that read it are imported."""
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
