"""Front matter: what people wrote stays as it is, and a string is a string to every reader of YAML."""

import re
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from clipkstar.errors import InputError
from clipkstar.exports.front_matter import is_card, to_yaml, with_results

CORE_1_2 = (
    r"null|Null|NULL|~|",
    r"true|True|TRUE|false|False|FALSE",
    r"[-+]?[0-9]+",
    r"0o[0-7]+",
    r"0x[0-9a-fA-F]+",
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?",
    r"[-+]?(\.inf|\.Inf|\.INF)",
    r"\.nan|\.NaN|\.NAN",
)
"""What the core schema reads as something else than a string: https://yaml.org/spec/1.2.2/#1032-tag-resolution."""

PROSE = "\n# My model  \r\n\nTwo weeks of prose.\n---\nmodel-index: none of it\n\n\ttabs, 日本か"

HEAD = "license: mit   # by law\ntags: [clip,   'vision']\n"


def result(by: str | None, value: float = 0.5) -> dict[str, object]:
    """One entry; by: who measured it, None = an export did not."""
    dataset = {"name": "digits", "type": "org/digits"} | ({"args": {"measured_by": by}} if by else {})
    return {"task": {"type": "t"}, "dataset": dataset, "metrics": [{"type": "accuracy", "value": value}]}


def index(name: str, *results: dict[str, object]) -> list[dict[str, object]]:
    return [{"name": name, "results": [*results]}]


def made(name: str, *results: dict[str, object]) -> bytes:
    return f"---\n{to_yaml({'model-index': index(name, *results)})}---\n".encode()


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "12345678e1234567", "1e3", "-1E+3", "1.e5", "089", "0o17", "0x1F", "12", "+.5", "-.inf", ".NaN", "~", "null",
        "Null", "True", "false", "yes", "No", "1_000", "1:30", "2024-01-01", "", "=",
    ],
)  # fmt: skip
def test_a_string_that_yaml_would_read_as_something_else_is_quoted(text: str) -> None:
    (line,) = to_yaml({"run_id": text}).splitlines()
    plain = line.removeprefix("run_id: ")
    assert plain[0] in "'\"" and plain[1:-1] == text
    assert yaml.safe_load(line) == {"run_id": text}


def test_no_plain_string_is_a_number_a_truth_or_null_of_yaml_1_2() -> None:
    parts = ("", "0", "7", "19", ".", "e", "E", "+", "-", "o", "x", "_", "a")
    texts = sorted({a + b + c + d for a in parts for b in parts for c in parts for d in parts})
    lines = to_yaml(dict.fromkeys(texts) | {"all": texts}).rpartition("\nall:\n")[2].splitlines()
    plain = [line.removeprefix("- ") for line in lines if line[2] not in "'\""]
    assert len(lines) == len(texts) and len(plain) > 1000  # not everything is quoted
    assert [text for text in plain if any(re.fullmatch(form, text) for form in CORE_1_2)] == []


def test_numbers_stay_numbers() -> None:
    numbers = {"a": 1e-05, "b": 1e16, "c": 8, "d": -0.25, "e": 1e300, "f": True, "g": None}
    assert yaml.safe_load(to_yaml(numbers)) == numbers
    assert "'" not in to_yaml(numbers)


@pytest.mark.parametrize("after", ["base_model: org/base\n", "# the end\n", "\n\nmetrics:\n- accuracy\n", ""])
@pytest.mark.parametrize("earlier", ["", "model-index:\n- name: a\n\n  results:\n    []\n", "model-index: []\n"])
def test_of_a_card_the_model_index_alone_is_replaced(earlier: str, after: str, tmp_path: Path) -> None:
    card = written(tmp_path / "README.md", f"---\n{HEAD}{earlier}{after}---\n{PROSE}")
    content = with_results(card, made("b", result("clipkstar 1"))).decode()
    section = to_yaml({"model-index": index("b", result("clipkstar 1"))})
    kept = f"{HEAD}{section}{after}" if earlier else f"{HEAD}{after}{section}"
    assert content == f"---\n{kept}---\n{PROSE}"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_card_of_windows_keeps_its_ends_of_lines_and_its_mark(mark: str, tmp_path: Path) -> None:
    text = f"{mark}---\r\nlicense: mit\r\nmodel-index:\r\n- name: a\r\n  results: []\r\ntags: [x]\r\n---\r\nprose\r\n"
    card = written(tmp_path / "README.md", text)
    card.write_bytes(with_results(card, made("b", result("clipkstar 1"))))
    again = card.read_bytes().decode()
    assert again.count("\n") == again.count("\r\n") and again.startswith(f"{mark}---\r\nlicense: mit\r\nmodel-index:")
    assert again.endswith("\r\ntags: [x]\r\n---\r\nprose\r\n")
    loaded = ModelCard.load(card).data
    assert (loaded.license, loaded.tags, loaded.model_name) == ("mit", ["x"], "b")


def test_results_of_others_stay_and_those_of_earlier_exports_go(tmp_path: Path) -> None:
    own, probe = result("clipkstar 0", 0.1), result(None, 0.9)
    earlier = [*index("a", own, probe), *index("b", own), *index("c", probe)]
    card = written(tmp_path / "README.md", f"---\n{to_yaml({'model-index': earlier})}---\n")
    new = result("clipkstar 1", 0.2)
    again = yaml.safe_load(with_results(card, made("c", new)).decode().split("---\n")[1])
    assert again == {"model-index": [*index("c", new, probe), *index("a", probe)]}


def test_numbers_and_strings_of_others_stay_what_they_are_in_yaml_1_2(tmp_path: Path) -> None:
    entry = "{dataset: {name: a, type: a, args: {measured_by: me, word: '1e3'}}, metrics: [{type: a, value: 1e-3}]}"
    card = written(tmp_path / "README.md", f"---\nmodel-index:\n- name: a\n  results:\n  - {entry}\n---\n")
    content = with_results(card, made("b", result("clipkstar 1"))).decode()
    assert "      word: '1e3'\n" in content.replace("          ", "      ") and "value: 0.001\n" in content


def test_the_same_results_again_change_nothing(tmp_path: Path) -> None:
    card = written(tmp_path / "README.md", f"---\n{HEAD}---\n{PROSE}")
    card.write_bytes(with_results(card, made("b", result("clipkstar 1"))))
    assert with_results(card, made("b", result("clipkstar 1"))) == card.read_bytes()


@pytest.mark.parametrize(
    "block",
    [
        "'model-index': []",
        "model-index: [\n]",
        "model-index:\n- name: &n a\n  results: []\nbase_model: *n",
        "model-index: 3",
        "model-index:\n- name: a",
        "model-index:\n- a",
        "model-index: []\nmodel-index: []",
        "{license: mit}",
        "model-index:\n- name: a\n  results:\n  - dataset: {name: 0o7}",
    ],
)
def test_what_cannot_be_replaced_alone_is_refused(block: str, tmp_path: Path) -> None:
    card = written(tmp_path / "README.md", f"---\n{block}\n---\nprose\n")
    with pytest.raises(InputError) as raised:
        with_results(card, made("b", result("clipkstar 1")))
    assert str(raised.value) == (
        f"the model-index of '{card}' cannot be replaced without touching what stands around it; remove it there, or "
        "choose another file."
    )


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"---\nlicense: mit\n---\n", True),
        (b"---\n# nothing yet\n---\nprose", True),
        (b"prose\n", False),
        (b"", False),
        (b"---\n- a list\n---\n", False),
        (b"---\na: [\n---\n", False),
        (b"---\nnever closed: yes\n", False),
        (b"---\nlicense: \xff\n---\n", False),
        (b"---\nmade: 2024-13-01\n---\n", False),
    ],
)
def test_a_card_has_a_mapping_between_two_lines_of_dashes(content: bytes, expected: bool, tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_bytes(content)
    assert is_card(card) is expected
    assert not is_card(tmp_path / "none") and not is_card(tmp_path)
