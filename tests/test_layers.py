"""Imports point down: a module imports from rows above its own and from nowhere else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import clipkstar
import clipkstar_tasks

PACKAGE = Path(clipkstar.__file__).parent
TASKS = Path(clipkstar_tasks.__file__).parent

ROWS = (
    "errors task checkpoint full_float32 freed_memory shown_names caching.folder causes notices interrupts whole_files",
    "caching.file_states once versions undisturbed rank_zero",
    "encoder embeddings embedding_files caching.file_hashes caching.found_facts hub_answers data.source caching.room",
    "read_ahead data.class_name_files data.image_folder data.row_checks data.text_lines",
    "neighbors.engine neighbors.points neighbors.panels skewness jackknife prompts balanced_sample stratified_sample",
    "class_logits caching.arrays data.shard_files hub data.prompt_set_files caching.pixel_file",
    "hub_commits data.words",
    "identities data.tables data.word_checks",
    "data.shards data.own_data data.openings",
    "neighbors.rounding neighbors.radii",
    "neighbors.sweep neighbors.crowded",
    "neighbors.flat neighbors.settle neighbors.own_class",
    "neighbors.impostors neighbors.nearest",
    "neighbors permutation_null",
    "metric run data.rows kstar_summary",
    "metrics.* encoders.*",
    "pixels discovery store environment reference_tables opened_once",
    "caching.pixel_cache sweeps.claims",
    "measure embed selection known_preprocess data.validation reference embedding_export",
    "unit sweeps.choice",
    "recording sweeps.sweep",
    "runner catalog picture sweeps.order sweeps.survey sweeps.plan sweeps.failures",
    "plan api in_training rescoring sweeps.forecast",
    "kstar_files wording markdown score_columns data_sets",
    "metric_versions",
    "stored_runs",
    "regression.record",
    "regression.evidence regression.policy_values regression.baseline_file regression.troubles regression.sentences",
    "regression.whole_tables",
    "regression.policy regression.sides regression.estimated regression.paired_proportions regression.weighted_holm",
    "regression.question regression.refusals regression.lacking regression.image_bootstrap",
    "regression.group_jackknife regression.least_error",
    "regression.reasons regression.comparing regression.class_regressions",
    "regression.junit regression.summary regression.annotations regression.verdicts",
    "regression.outputs",
    "regression.pairing",
    "regression.checking regression.saving",
    "report.record report.resampling report.redistribution report.confusions report.choice",
    "report.projection report.common_classes report.files report.intervals report.sparkline",
    "report.stage_order",
    "report.answer report.charts report.latent report.rank_correlation report.templating report.tables",
    "report.verdicts report.pictures report.projection_chart report.replicate_notices",
    "report.equal_embeddings",
    "report.samples report.class_correlation report.replicates report.scatter_chart report.forest_chart",
    "report.heatmap_chart report.leaderboard report.gallery",
    "report.correlations report.pooled report.labels report.detail",
    "report.partial report.rankings report.point_table report.detail_page",
    "report.points",
    "report.statistics report.page_figures",
    "report.page",
    "report.summary",
    "report.making",
    "exports.result exports.titles exports.files exports.data_set_names exports.front_matter",
    "exports.spreadsheets exports.run_results exports.clip_benchmark_results exports.model_index",
    "exports.clip_benchmark exports.wide_table exports.gathering",
    "exports.making",
    "terminal",
    "sweep_view sweep_tables report_view check_view",
    "clipkstar",
    "engines.*",
    "options",
    "cli_sweeps cli_report cli_check cli_export",
    "cli",
)
"""Modules of clipkstar, from the nouns down to the command line; a row may import from the rows above it. `metrics.*`,
`encoders.*` and `engines.*` stand for every file there, so that a new one needs no line here; those of encoders/ and
engines/ may import each other."""

BUILDERS = ("zoo", "zoo.architectures", "zoo.captions", "zoo.batches", "zoo.train")
"""Scripts that make the bundled models; they import each other and those that make the data, never the package."""

ROW_OF = {module: row for row, modules in enumerate(ROWS) for module in modules.split()}


FOLDERS = ("metrics", "encoders", "engines")
PACKAGES = ("caching", "data", "exports", "regression", "report", "sweeps")


def _name(path: Path, package: Path) -> str:
    """rows → "rows", encoders/fake.py → "encoders.fake", clipkstar/__init__.py → "clipkstar"."""
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or package.name


FILES = {_name(path, PACKAGE): path for path in sorted(PACKAGE.rglob("*.py"))}


def _place(module: str) -> str:
    """The name under which a module stands in ROWS."""
    folder, dot, _ = module.partition(".")
    return f"{folder}.*" if dot and folder in FOLDERS else module


def _imports(path: Path, module: str) -> Iterator[str]:
    """Every module that a file imports, also inside functions and TYPE_CHECKING; ours without `clipkstar.`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("clipkstar.") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")[: -node.level]
                base = ".".join(["clipkstar", *parents, *([base] if base else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}".removeprefix("clipkstar.")
                yield whole if whole in FILES else base.removeprefix("clipkstar.")


def _own(names: Iterator[str]) -> set[str]:
    return {name for name in names if name in FILES or name.split(".")[0] in (*FOLDERS, "zoo")}


def test_every_module_has_its_place() -> None:
    placed = {*ROW_OF, *BUILDERS, *PACKAGES, *FOLDERS}
    assert {_place(module) for module in FILES} - placed == set()
    assert placed - {_place(module) for module in FILES} == set()


@pytest.mark.parametrize("module", [module for module in FILES if _place(module) in ROW_OF])
def test_a_module_imports_only_from_rows_above_it(module: str) -> None:
    own = _own(_imports(FILES[module], module))
    siblings = {name for name in own if _place(name) == _place(module) in ("encoders.*", "engines.*")}
    own -= siblings
    assert [name for name in own if _place(name) not in ROW_OF] == []
    assert [name for name in sorted(own) if ROW_OF[_place(name)] >= ROW_OF[_place(module)]] == []
    assert module not in siblings


@pytest.mark.parametrize("module", [*PACKAGES, *FOLDERS, "zoo"])
def test_the_folders_themselves_import_nothing(module: str) -> None:
    assert list(_imports(FILES[module], module)) == []


@pytest.mark.parametrize("module", [module for module in BUILDERS if module in FILES])
def test_the_scripts_behind_the_zoo_import_only_those_before_them(module: str) -> None:
    own = _own(_imports(FILES[module], module))
    assert [name for name in own if name not in BUILDERS[: BUILDERS.index(module)]] == []


def test_nothing_but_the_scripts_imports_what_makes_the_bundled_data() -> None:
    importers = {
        module for module in FILES if any("clipkstar_tasks" in name for name in _imports(FILES[module], module))
    }
    assert importers == {"zoo.batches", "zoo.train"}


@pytest.mark.parametrize("path", sorted(TASKS.glob("*.py")), ids=lambda path: path.stem)
def test_a_task_file_imports_the_task_and_nothing_else_of_ours(path: Path) -> None:
    expected = set() if path.stem == "__init__" else {"task"}
    assert set(_imports(path, path.stem)) - {"pathlib"} == expected


def test_the_reader_of_imports_sees_those_in_functions_and_relative_ones(tmp_path: Path) -> None:
    file = tmp_path / "made.py"
    file.write_text(
        "import numpy\nfrom clipkstar import store\nfrom clipkstar.run import Run, to_json\n"
        "import clipkstar.data.rows\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .open_clip import load\n"
        "def f():\n    from . import zoo\n    import clipkstar\n    from ..errors import InputError\n"
    )
    assert _own(_imports(file, "encoders.made")) == {
        *("store", "run", "data.rows", "encoders.open_clip", "encoders.zoo", "clipkstar", "errors")
    }
