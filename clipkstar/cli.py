"""The command line: parse, call one library function, print."""

import io
import logging
import os
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer
from typer.exceptions import TyperException

from clipkstar.errors import InputError
from clipkstar.terminal import progress_bar, say, say_all, show_catalog, show_kstar, show_runs, tell

if TYPE_CHECKING:
    from clipkstar.neighbors import Distance
    from clipkstar.run import Run

app = typer.Typer(
    name="clipkstar",
    help="Evaluate CLIP image encoders twice in one pass: zero-shot accuracy and the k* structure of their embeddings.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

EXIT_BAD_INPUT = 2
EXIT_OWN_ERROR = 3
EXIT_INTERRUPTED = 130

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("eval")
def run_eval(
    model: Annotated[
        str,
        typer.Option(
            help="Name of open_clip or of the zoo, hf-hub:org/name, local-dir:FOLDER, or family:name. "
            "FILE.py:name runs the code in that file."
        ),
    ],
    pretrained: Annotated[str | None, typer.Option(help="Tag, its beginning, or a checkpoint file.")] = None,
    model_config: Annotated[Path | None, typer.Option(help="Model config (JSON) of a checkpoint file.")] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="Task name, FILE.py or FOLDER; repeatable. A file's code is run.")
    ] = None,
    suite: Annotated[str | None, typer.Option(help="All tasks of a suite: core (the default), bundled.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Metric name, FILE.py or FOLDER; repeatable. Default: all. Code is run.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    precision: Annotated[
        Literal["fp32", "amp_bf16", "amp_fp16", "bf16", "fp16"],
        typer.Option(help="Of the encoder; fp32 runs without TF32. The record says which."),
    ] = "fp32",
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="auto: cuda, else mps, else cpu.")
    ] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Images encoded together.")] = 64,
    space: Annotated[
        Literal["output"], typer.Option(help="Embeddings to look at: output = as encode_image returns them.")
    ] = "output",
    limit: Annotated[int | None, typer.Option(min=1, help="Evaluate a class-stratified sample of N images.")] = None,
    revision: Annotated[str | None, typer.Option(help="Commit, tag or branch of the data set on the hub.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never ask the network.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Repeat finished work.")] = False,
    as_json: Json = False,
) -> None:
    """Evaluate one checkpoint on tasks: zero-shot accuracy and k* structure, one run per task."""
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    from clipkstar.encoder import Request
    from clipkstar.plan import Selection, prepare
    from clipkstar.runner import Settings, evaluate
    from clipkstar.store import Store

    selection = Selection(
        request=Request(model=model, pretrained=pretrained, config_file=str(model_config) if model_config else None),
        tasks=tuple(task or ()),
        suite=suite,
        metrics=tuple(metric or ()),
        limit=limit,
        revision=revision,
    )
    settings = Settings(precision=precision, device=device, batch_size=batch_size, space=space, force=force)
    results = Store(root=runs)
    work, rows = prepare(selection, settings, results, say)
    finished: list[Run] = []
    try:
        with progress_bar() as progress:
            for outcome in evaluate(work, rows, results, progress):
                finished.append(outcome.evaluation.run)  # before it is told, so that an interrupt loses nothing
                tell(outcome)
    finally:
        if finished:
            show_runs(finished, as_json=as_json)


@app.command("kstar")
def run_kstar(
    embeddings: Annotated[
        Path,
        typer.Argument(
            help="A .npy (n, dim), .npz or .safetensors with 'embeddings', or .parquet with a list column 'embedding'."
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="A .npy, .txt (one a line), .csv or .parquet (column 'label'). Default: those of the embeddings file."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for images.parquet, classes.parquet and kstar.json.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture of k* within each class: .png, .svg or .html.")] = None,
    distance: Annotated[list[str] | None, typer.Option(help="euclidean or cosine; repeatable. Default: both.")] = None,
    no_intervals: Annotated[
        bool, typer.Option("--no-intervals", help="Leave out intervals, the permutation null and gamma_approx_n50.")
    ] = False,
    queries: Annotated[int | None, typer.Option(min=1, help="Find k* of a sample of N images.")] = None,
    backend: Annotated[Literal["auto", "torch", "faiss"], typer.Option(help="What searches.")] = "auto",
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where it searches.")] = "auto",
    as_json: Json = False,
) -> None:
    """Measure the k* structure of anyone's embeddings. Nothing is unpickled."""
    from clipkstar import api, embedding_files, kstar_files

    kstar_files.check_places(out, plot)
    given = embedding_files.read_labelled(embeddings, labels)
    say_all(given.notices)
    result = api.kstar(
        given.embeddings,
        given.labels,
        distances=cast("list[Distance]", distance or ["euclidean", "cosine"]),  # kstar refuses others
        intervals=not no_intervals,
        queries=queries,
        backend=backend,
        device=device,
    )
    say_all(result.notices)
    show_kstar(result, as_json=as_json)  # before anything is written, so that a full disk does not lose it
    if out is not None:
        kstar_files.write(out, result)
        say(f"written: {out}")
    if plot is not None:
        kstar_files.draw(plot, result)
        say(f"drawn: {plot}")


@app.command("tasks")
def list_tasks(as_json: Json = False) -> None:
    """List the tasks: name, size, suites, licence. Runs no other package's code."""
    from clipkstar.catalog import task_entries

    show_catalog(task_entries(), as_json=as_json)


@app.command("models")
def list_models(
    pattern: Annotated[str, typer.Argument(help="Such as 'ViT-B-*', '*laion2b*' or 'tiny-*'.")] = "*",
    as_json: Json = False,
) -> None:
    """List the checkpoints that can be named without a file: the zoo's and all of open_clip's."""
    from clipkstar.catalog import model_entries

    show_catalog(model_entries(pattern), as_json=as_json)


@app.command("metrics")
def list_metrics(as_json: Json = False) -> None:
    """List the scores with one line of meaning each. Runs no other package's code."""
    from clipkstar.catalog import metric_entries

    show_catalog(metric_entries(), as_json=as_json)


@app.command("version", hidden=True)
def show_version() -> None:
    """Print the version."""
    import clipkstar

    typer.echo(clipkstar.__version__)


def _deliver(text: str) -> None:
    """Write the result to stdout; what its encoding lacks becomes a question mark, a closed pipe has seen enough."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run the command line and exit: 0 done, 2 bad input, 3 our own error (with its traceback), 130 interrupted."""
    # Other libraries' log lines would stand between the user and the one sentence.
    logging.disable(logging.ERROR)
    result = io.StringIO()
    try:
        with redirect_stdout(result):
            code = app(standalone_mode=False)
    except InputError as error:
        say(str(error))
        sys.exit(EXIT_BAD_INPUT)
    except TyperException as error:
        say(f"{error.format_message().rstrip('.')}; the command with --help lists what it takes.")
        sys.exit(EXIT_BAD_INPUT)
    except Exception:
        traceback.print_exc()
        sys.exit(EXIT_OWN_ERROR)
    finally:
        _deliver(result.getvalue())
    if code == EXIT_INTERRUPTED:
        say("interrupted; finished runs are kept, the same command goes on.")
    sys.exit(code)
