"""Every notebook runs offline from top to bottom, and what stands in its file is what a run gives."""

import ast
import re

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from notebooks.execute import FOLDER, execute

LARGEST = 400_000
"""Bytes of a notebook with its outputs."""
PNG = "image/png"

TABLE = re.compile(r"[\s─│┌┐└┘├┤┬┴┼═╞╡╪┆]+")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
STATED = re.compile(r"(\d+\.\d+)|(\d+) %")
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/<])/(?:[\w.+-]+/)+[\w.+-]+|\b[A-Za-z]:\\\w")


@pytest.fixture(scope="module", params=sorted(FOLDER.glob("*.ipynb")), ids=lambda file: file.stem)
def file(request):
    return request.param


@pytest.fixture(scope="module")
def committed(file):
    return nbformat.read(file, as_version=nbformat.NO_CONVERT)


@pytest.fixture(scope="module")
def executed(file, tmp_path_factory):
    """The notebook after a run in an empty folder; a cell that fails, fails here."""
    return execute(file, tmp_path_factory.mktemp(file.stem))


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _outputs(notebook):
    """Every output of a run, by the id of its cell."""
    return [(cell.id, output) for cell in _code(notebook) for output in cell.outputs]


def _said(notebook):
    """What the outputs show as text: the words with # for a number, and the numbers."""
    texts = [(cell, TABLE.sub(" ", output.data["text/plain"])) for cell, output in _outputs(notebook)]
    numbers = [float(number) for _, text in texts for number in NUMBER.findall(text)]
    return [(cell, NUMBER.sub("#", text)) for cell, text in texts], numbers


def test_a_notebook_is_valid_and_of_format_4_5(committed):
    nbformat.validate(committed)
    assert (committed.nbformat, committed.nbformat_minor) == (4, 5)
    assert committed.metadata.kernelspec.name == "python3"


def test_a_run_prints_no_warning_and_nothing_else_but_results(executed):
    assert [output for _, output in _outputs(executed) if output.output_type != "execute_result"] == []


def test_a_cell_that_fails_fails_the_run(tmp_path):
    cells = [nbformat.v4.new_code_cell("assert 1 + 1 == 3")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "wrong.ipynb")
    with pytest.raises(CellExecutionError, match="AssertionError"):
        execute(tmp_path / "wrong.ipynb", tmp_path)


def test_the_outputs_are_committed_and_those_of_a_run(committed, executed):
    assert [cell.execution_count for cell in _code(committed)] == list(range(1, len(_code(committed)) + 1))
    kinds = [[(cell, sorted(output.data)) for cell, output in _outputs(run)] for run in (committed, executed)]
    assert kinds[0] == kinds[1]
    words, numbers = _said(committed)
    words_found, numbers_found = _said(executed)
    assert words == words_found
    # Another processor may round an embedding the other way, which moves a few neighbours.
    assert numbers == pytest.approx(numbers_found, rel=0.1, abs=0.1)


def test_a_notebook_is_small_and_says_nothing_of_the_machine_that_ran_it(file, committed):
    assert file.stat().st_size < LARGEST
    assert committed.metadata.language_info == {"name": "python"}
    assert set(committed.metadata) == {"kernelspec", "language_info"}
    assert [cell.id for cell in committed.cells if cell.metadata] == []
    shown = [(cell.id, cell.source) for cell in committed.cells]
    shown += [(cell, text) for cell, output in _outputs(committed) for kind, text in output.data.items() if kind != PNG]
    assert [(cell, found.group()) for cell, text in shown for found in ABSOLUTE_PATH.finditer(text)] == []


def test_a_path_is_found_where_there_is_one():
    assert ABSOLUTE_PATH.search("File '/home/someone/code.py'") and ABSOLUTE_PATH.search(r"C:\Users")
    assert not ABSOLUTE_PATH.search("k*/n, 3/6, https://host/a/b, <b></b>, 1-NN/accuracy")


def test_every_decimal_and_percentage_in_the_text_is_asserted_in_a_cell(committed):
    text = "\n".join(cell.source for cell in committed.cells if cell.cell_type == "markdown")
    stated = {float(decimal) if decimal else int(percent) / 100 for decimal, percent in STATED.findall(text)}
    asserts = [node for cell in _code(committed) for node in ast.walk(ast.parse(cell.source)) if _is_assert(node)]
    values = {abs(node.value) for one in asserts for node in ast.walk(one) if _is_number(node)}
    assert stated, "the text states no number at all"
    assert stated - values == set()


def _is_assert(node):
    return isinstance(node, ast.Assert)


def _is_number(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)
