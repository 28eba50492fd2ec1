"""The command line: parse, call one library function, print."""

import atexit
import io
import logging
import os
import sys
import traceback
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer
from typer.exceptions import TyperException

from clipkstar import cli_check, cli_export, cli_report, cli_sweeps, options
from clipkstar.errors import InputError
from clipkstar.notices import listening
from clipkstar.terminal import progress_bar, say, say_all, show_catalog, show_kstar, show_runs, show_validations, tell

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

tasks_app = typer.Typer(add_completion=False, rich_markup_mode=None)
app.add_typer(tasks_app, name="tasks", help="List the tasks; tasks validate opens them and tells what would be wrong.")
app.add_typer(cli_sweeps.cache_app, name="cache", help="Show or delete what can be computed again.")
app.command("sweep")(cli_sweeps.run_sweep)
app.command("score")(cli_sweeps.run_score)
app.command("report")(cli_report.run_report)
app.command("check")(cli_check.run_check)
app.add_typer(cli_check.baseline_app, name="baseline", help="Save a checkpoint's runs as one small file, or show one.")
app.command("export")(cli_export.run_export)

EXIT_FAILED_CHECK = 1
EXIT_BAD_INPUT = 2
EXIT_OWN_ERROR = 3
EXIT_INTERRUPTED = 130

SWITCH_SECONDS = 0.0003
"""How long a thread may keep the interpreter from another. In Python's 5 ms, while packages are imported, a thread that
decodes would wait longer for its next picture than it takes to decode it."""


@app.command("eval")
def run_eval(
    model: options.Model,
    pretrained: options.Pretrained = None,
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
    runs: options.Runs = Path("runs"),
    precision: options.Precision = "fp32",
    device: options.Device = "auto",
    batch_size: options.BatchSize = 64,
    space: options.Space = "output",
    limit: options.Limit = None,
    revision: options.Revision = None,
    stream: options.Stream = False,
    offline: options.Offline = False,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Evaluate one checkpoint on tasks: zero-shot accuracy and k* structure, one run per task."""
    options.go_offline(offline=offline)
    from clipkstar.data.own_data import Columns
    from clipkstar.data.words import PromptChoice
    from clipkstar.encoder import Request
    from clipkstar.plan import Selection, prepare
    from clipkstar.runner import evaluate
    from clipkstar.store import Store
    from clipkstar.unit import Settings

    selection = Selection(
        request=Request(model=model, pretrained=pretrained, config_file=model_config, activation=activation),
        tasks=tuple(task or ()),
        suite=suite,
        columns=Columns(image=image_column, label=label_column, split=split),
        prompts=PromptChoice(class_names=class_names, templates=templates, prompts=prompts),
        metrics=tuple(metric or ()),
        limit=limit,
        revision=revision,
        stream=stream,
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


@app.command("embed")
def run_embed(
    model: options.Model,
    out: Annotated[Path, typer.Option(help="File to write: .safetensors, .parquet or .npz.")],
    pretrained: options.Pretrained = None,
    model_config: options.ModelConfig = None,
    activation: options.Activation = None,
    task: options.Tasks = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    split: options.Split = None,
    class_names: options.ClassNames = None,
    templates: options.Templates = None,
    prompts: options.PromptsOption = None,
    precision: options.Precision = "fp32",
    device: options.Device = "auto",
    batch_size: options.BatchSize = 64,
    space: options.Space = "output",
    limit: options.Limit = None,
    revision: options.Revision = None,
    stream: options.Stream = False,
    offline: options.Offline = False,
) -> None:
    """Write the embeddings, labels and row numbers of one task, for use elsewhere and for clipkstar kstar."""
    options.go_offline(offline=offline)
    from clipkstar.data.own_data import Columns
    from clipkstar.data.words import PromptChoice
    from clipkstar.encoder import Request
    from clipkstar.plan import Selection, write_embeddings
    from clipkstar.unit import Settings

    selection = Selection(
        request=Request(model=model, pretrained=pretrained, config_file=model_config, activation=activation),
        tasks=tuple(task or ()),
        columns=Columns(image=image_column, label=label_column, split=split),
        prompts=PromptChoice(class_names=class_names, templates=templates, prompts=prompts),
        limit=limit,
        revision=revision,
        stream=stream,
    )
    settings = Settings(precision=precision, device=device, batch_size=batch_size, space=space)
    with progress_bar() as progress:
        write_embeddings(out, selection, settings, say, progress)
    say(f"written: {out}")


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
    as_json: options.Json = False,
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


@tasks_app.callback(invoke_without_command=True)
def list_tasks(context: typer.Context, as_json: options.Json = False) -> None:
    """List the tasks: name, size, suites, licence. Runs no other package's code."""
    if context.invoked_subcommand is not None:
        return
    from clipkstar.catalog import task_entries

    show_catalog(task_entries(), as_json=as_json)


@tasks_app.command("validate")
def validate_tasks(
    task: Annotated[
        list[str] | None,
        typer.Argument(help="As --task of eval. Default: the bundled tasks. A file's code is run."),
    ] = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    split: options.Split = None,
    revision: options.Revision = None,
    offline: options.Offline = False,
    as_json: options.Json = False,
) -> None:
    """Open tasks and tell what would be wrong: counts, names, class balance, a decoded sample, duplicate images."""
    options.go_offline(offline=offline)
    from clipkstar.data.own_data import Columns
    from clipkstar.data.validation import validate
    from clipkstar.selection import select_tasks

    columns = Columns(image=image_column, label=label_column, split=split)
    tasks = select_tasks(task or (), None if task else "bundled", columns)
    found = [validate(each, revision=revision) for each in tasks]
    show_validations(found, as_json=as_json)
    if any(validation.problems for validation in found):
        raise typer.Exit(EXIT_FAILED_CHECK)


@app.command("models")
def list_models(
    pattern: Annotated[str, typer.Argument(help="Such as 'ViT-B-*', '*laion2b*' or 'tiny-*'.")] = "*",
    as_json: options.Json = False,
) -> None:
    """List the checkpoints that can be named without a file: the zoo's and all of open_clip's."""
    from clipkstar.catalog import model_entries

    show_catalog(model_entries(pattern), as_json=as_json, without=("family", "context", "tokenizer"))


@app.command("metrics")
def list_metrics(as_json: options.Json = False) -> None:
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
    # OpenMP's threads would wait for work by spinning, on the cores that decode pictures; before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Other libraries' log lines would stand between the user and the one sentence.
    logging.disable(logging.ERROR)
    result = io.StringIO()
    try:
        with listening(say), redirect_stdout(result):
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


def start() -> None:
    """Run the command line as a program: what is registered for its end is done, and the process leaves at once.

    Python would take all imported modules apart first, which takes a second for those of torch and open_clip.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code or 0
        if not isinstance(code, int):  # a library's last words
            say(str(code))
            code = 1
        atexit._run_exitfuncs()
        with suppress(OSError):  # a closed pipe has seen enough
            sys.stdout.flush()
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(code)
