"""The commands of the gate: check, baseline save and baseline show."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from clipkstar import options
from clipkstar.terminal import say, say_all

EXIT_WORSE = 1

baseline_app = typer.Typer(add_completion=False, rich_markup_mode=None)

Model = Annotated[
    str | None,
    typer.Option(
        help="Which checkpoint is meant, where there are several: its name in tables, MODEL or MODEL/PRETRAINED, or "
        "a pattern of these."
    ),
]
Mode = Annotated[
    Literal["regression", "non-inferiority"] | None,
    typer.Option(
        help="regression: fail where a worsening is established. non-inferiority: pass only where one beyond the "
        "tolerance is excluded."
    ),
]
TaskNames = Annotated[list[str] | None, typer.Option("--task", help="Data set to compare; repeatable. Default: all.")]


def run_check(
    candidate: Annotated[Path, typer.Argument(help="Folder of runs, or one in it; or a baseline file.")],
    baseline: Annotated[Path, typer.Option(help="The same, or a file of baseline save.")],
    model: Model = None,
    baseline_model: Annotated[str | None, typer.Option(help="The same for the baseline.")] = None,
    task: TaskNames = None,
    policy: Annotated[
        Path | None, typer.Option(help="TOML; see README. Default: tolerance 0 (ece 0.001) in every score.")
    ] = None,
    mode: Mode = None,
    across: Annotated[
        list[str] | None, typer.Option(help="precision or space: the two may differ in it; repeatable.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="JUnit XML to write.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Markdown to write, as for a pull request.")] = None,
    as_json: options.Json = False,
) -> None:
    """Tell whether a candidate is worse than its baseline on the same images; exit 1 if it is."""
    from clipkstar.check_view import show_check
    from clipkstar.regression import outputs
    from clipkstar.regression.checking import check
    from clipkstar.regression.policy import read_policy
    from clipkstar.run import to_json

    files = {"--junit": junit, "--summary": summary}
    outputs.check_places(files, inputs=[candidate, baseline, *([policy] if policy else [])])
    demanded = read_policy(policy, mode=mode, across=across or ())
    found = check(candidate, baseline, demanded, model=model, baseline_model=baseline_model, tasks=task or ())
    if as_json:
        sys.stdout.write(f"{to_json(found)}\n")
    else:
        show_check(found)
    sys.stderr.writelines(f"{line}\n" for line in outputs.tell_service(found, os.environ))
    outputs.write_files(found, files)
    if not found.is_ok:
        raise typer.Exit(EXIT_WORSE)


@baseline_app.command("save")
def save_baseline(
    runs: Annotated[Path, typer.Argument(help="Folder of runs, or one in it.")],
    out: Annotated[
        Path, typer.Option(help="File to write, such as baseline.parquet; an earlier baseline is replaced.")
    ],
    model: Model = None,
    task: TaskNames = None,
) -> None:
    """Write what a check needs of a checkpoint's runs into one small file, to be committed."""
    from clipkstar.regression.saving import save

    evaluations = save(runs, out, model=model, tasks=task or ())
    say_all(f"saved: {one.run.task.name}, {one.run.task.n_images:,} images" for one in evaluations)
    say(f"written: {out} ({out.stat().st_size / 1000:,.0f} kB), of {evaluations[0].run.checkpoint.title}")


@baseline_app.command("show")
def show_baseline_file(
    file: Annotated[Path, typer.Argument(help="A file of baseline save.")], as_json: options.Json = False
) -> None:
    """Show whose runs a baseline file holds."""
    from clipkstar.check_view import show_baseline
    from clipkstar.regression.baseline_file import read_baseline

    show_baseline(read_baseline(file), as_json=as_json)
