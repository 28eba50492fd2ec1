"""The commands for many checkpoints: sweep, score and cache; clipkstar.cli puts them beside the others."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clipkstar import options
from clipkstar.errors import InputError
from clipkstar.terminal import say, say_all

if TYPE_CHECKING:
    from clipkstar.sweeps.survey import Survey
    from clipkstar.sweeps.sweep import Event, Report

    Engine = Callable[[Survey, Report], None]

EXIT_SOME_FAILED = 1

cache_app = typer.Typer(add_completion=False, rich_markup_mode=None)


def run_sweep(
    plan: Annotated[Path | None, typer.Argument(help="Plan in TOML; see README. Or the options below.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="As of eval, or a pattern: 'ViT-B-*'; repeatable.")] = None,
    pretrained: Annotated[
        list[str] | None,
        typer.Option(
            help="Tag, file, or a pattern of either: 'laion2b*', 'runs/epoch_*.pt'; repeatable. Default: all."
        ),
    ] = None,
    model_config: options.ModelConfig = None,
    activation: options.Activation = None,
    task: options.Tasks = None,
    suite: options.Suite = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    split: options.Split = None,
    class_names: options.ClassNames = None,
    templates: options.Templates = None,
    prompts: options.PromptsOption = None,
    metric: options.Metrics = None,
    precision: options.Precision = "fp32",
    device: options.Device = "auto",
    batch_size: options.BatchSize = 64,
    space: options.Space = "output",
    limit: options.Limit = None,
    revision: options.Revision = None,
    stream: options.Stream = False,
    runs: options.Runs = Path("runs"),
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Where it runs: here, or on a Ray cluster.")
    ] = "local",
    address: Annotated[str | None, typer.Option(help="Of a running Ray cluster: host:port or auto.")] = None,
    no_pixel_cache: Annotated[
        bool, typer.Option("--no-pixel-cache", help="Keep no decoded pictures; each checkpoint decodes them again.")
    ] = False,
    force: options.Force = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; nothing is downloaded.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No progress; failures and the table at the end only.")
    ] = False,
    offline: options.Offline = False,
    as_json: options.Json = False,
) -> None:
    """Evaluate many checkpoints on many tasks: pictures decoded once, finished pairs skipped, failures recorded."""
    options.go_offline(offline=offline)
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # they would break the live view, and --quiet
    from clipkstar.store import Store
    from clipkstar.sweep_tables import show_forecast
    from clipkstar.sweeps.choice import CheckpointPatterns
    from clipkstar.sweeps.forecast import forecast
    from clipkstar.sweeps.plan import SweepPlan, read_plan, sweep_of
    from clipkstar.sweeps.survey import survey

    typed = SweepPlan(
        checkpoints=(
            CheckpointPatterns(
                model=tuple(model or ()),
                pretrained=tuple(pretrained or ()),
                model_config=model_config,
                activation=activation,
            ),
        ),
        task=tuple(task or ()),
        suite=suite,
        image_column=image_column,
        label_column=label_column,
        split=split,
        class_names=class_names,
        templates=templates,
        prompts=prompts,
        metric=tuple(metric or ()),
        precision=precision,
        device=device,
        batch_size=batch_size,
        space=space,
        limit=limit,
        revision=revision,
        stream=stream,
    )
    if plan is not None and typed != SweepPlan(checkpoints=(CheckpointPatterns(model=()),)):
        raise InputError(f"sweep got the plan '{plan}' and options that a plan holds; write them into the plan.")
    if plan is None and not model:
        raise InputError("sweep got no checkpoints; give a PLAN.toml, or --model and --pretrained.")
    if engine != "ray" and address is not None:
        raise InputError("--address was given without --engine ray; add it, or leave --address out.")
    sweep = sweep_of(typed if plan is None else read_plan(plan), keep_pixels=not no_pixel_cache, force=force)
    elsewhere = engine == "ray" and sweep.settings.device != "auto"  # not asked whether this machine has it
    found = survey(sweep, Store(root=runs), device=sweep.settings.device if elsewhere else None)
    if not quiet:
        say_all(member.checkpoint.notice for member in found.members.values() if member.checkpoint.notice)
    if dry_run:
        show_forecast(forecast(found), as_json=as_json)
        return
    _sweep(found, _engine(engine, address), quiet=quiet, as_json=as_json)


def _engine(name: str, address: str | None) -> "Engine":
    if name == "ray":
        from clipkstar.engines import ray

        return partial(ray.run, address=address)
    from clipkstar.engines import local

    return local.run


def _sweep(found: "Survey", run: "Engine", *, quiet: bool, as_json: bool) -> None:
    """Run a sweep; what ended is printed also where it is interrupted."""
    from clipkstar.sweep_tables import forecast_sentences, show_sweep
    from clipkstar.sweep_view import watching
    from clipkstar.sweeps.forecast import forecast
    from clipkstar.sweeps.sweep import Ended

    ahead = forecast(found)
    if not quiet:
        say_all(forecast_sentences(ahead))
    ended: list[Ended] = []
    try:
        with watching(ahead, quiet=quiet) as report:

            def keep(event: "Event") -> None:
                if isinstance(event, Ended):
                    ended.append(event)
                report(event)

            run(found, keep)
    finally:
        if ended:
            show_sweep(ended, as_json=as_json)
    if any(each.outcome == "failed" for each in ended):
        raise typer.Exit(EXIT_SOME_FAILED)


def run_score(
    runs: Annotated[Path, typer.Argument(help="Folder of the runs.")] = Path("runs"),
    metric: options.Metrics = None,
    device: options.Device = "auto",
    force: Annotated[bool, typer.Option("--force", help="Compute metrics that a run has, too.")] = False,
    as_json: options.Json = False,
) -> None:
    """Give stored runs the metrics they lack, from cached embeddings: no model and no data set is needed."""
    from clipkstar.environment import pick_device
    from clipkstar.rescoring import rescore
    from clipkstar.selection import select_metrics
    from clipkstar.store import Store, check_writable
    from clipkstar.sweep_tables import show_rescored

    results = Store(root=runs)
    if not runs.is_dir():
        raise InputError(f"there is no runs folder '{runs}'; check the path.")
    check_writable(results)
    rescored = []
    try:
        for each in rescore(results, select_metrics(tuple(metric or ())), device=pick_device(device), force=force):
            rescored.append(each)
            say_all(f"{each.folder}: {sentence}" for sentence in each.notices)
    finally:
        if rescored:
            show_rescored(rescored, as_json=as_json)
            say_all(each.sentence for each in rescored if as_json and each.sentence)  # the JSON has runs only
    if not rescored:
        raise InputError(f"'{runs}' holds no runs; clipkstar eval and sweep write them.")
    if any(each.run is None for each in rescored):
        raise typer.Exit(EXIT_SOME_FAILED)


@cache_app.command("path")
def show_cache_path() -> None:
    """Print where the cache lies."""
    from clipkstar.caching.folder import cache_folder

    typer.echo(cache_folder())


@cache_app.command("list")
def list_cache(as_json: options.Json = False) -> None:
    """List what the cache holds, kind by kind."""
    from clipkstar.caching.room import entries
    from clipkstar.sweep_tables import show_cache

    show_cache(entries(), as_json=as_json)


@cache_app.command("prune")
def prune_cache(
    kind: Annotated[list[str] | None, typer.Option(help="As in cache list; repeatable. Default: all.")] = None,
    older_than_days: Annotated[float | None, typer.Option(min=0, help="Only what was not used for N days.")] = None,
    keep_gb: Annotated[float | None, typer.Option(min=0, help="Only until N GB are left; least used first.")] = None,
) -> None:
    """Delete from the cache; everything in it can be computed again."""
    from clipkstar.caching.room import prune

    n_files, n_bytes = prune(kinds=kind or None, older_than_days=older_than_days, keep_gb=keep_gb)
    say(f"{n_files} files deleted, {n_bytes / 1e6:.0f} MB.")
