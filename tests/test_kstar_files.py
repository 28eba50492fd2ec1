"""What the k* command leaves on disk: whole, replaced only where it is our own, and pictures without a network."""

import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from test_store import full_disk

import clipkstar
from clipkstar import kstar_files
from clipkstar.errors import InputError

THREE = ["classes.parquet", "images.parquet", "kstar.json"]


@pytest.fixture(scope="module")
def result():
    generator = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], 20)
    return clipkstar.kstar(generator.normal(size=(60, 4)) + (labels == "a")[:, None], labels)


@pytest.fixture(scope="module")
def smaller():
    """A result with an undefined score: no γ where all k* of every class are equal."""
    return clipkstar.kstar([[0.0], [1.0], [8.0], [9.0]], [0, 0, 1, 1], distances=["euclidean"], intervals=False)


def refusal(act, *arguments):
    with pytest.raises(InputError) as raised:
        act(*arguments)
    return str(raised.value)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read(folder):
    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    return json.loads((folder / "kstar.json").read_text(), parse_constant=refuse)


def test_the_tables_and_the_record_come_back_as_they_were(result, tmp_path):
    kstar_files.write(tmp_path / "a/b", result)
    assert sorted(contents(tmp_path / "a/b")) == THREE
    assert pl.read_parquet(tmp_path / "a/b/images.parquet").equals(result.images)
    assert pl.read_parquet(tmp_path / "a/b/classes.parquet").equals(result.classes)
    assert read(tmp_path / "a/b") == {
        "scores": result.scores,
        "intervals": {name: list(limits) for name, limits in result.intervals.items()},
        "n_images": 60,
        "n_classes": 3,
        "queries": None,
    }
    assert len(result.intervals) >= 8


def test_the_record_of_a_sample_counts_the_sample_and_all_images(tmp_path):
    generator = np.random.default_rng(0)
    found = clipkstar.kstar(generator.normal(size=(60, 4)), np.repeat(["a", "b", "c"], 20), queries=12)
    kstar_files.write(tmp_path, found)
    assert {name: read(tmp_path)[name] for name in ("n_images", "n_classes", "queries")} == {
        "n_images": 60,
        "n_classes": 3,
        "queries": 12,
    }
    assert pl.read_parquet(tmp_path / "images.parquet").equals(found.images)
    assert pl.read_parquet(tmp_path / "images.parquet").height == 12
    assert pl.read_parquet(tmp_path / "classes.parquet")["n_queries"].to_list() == [4, 4, 4]


def test_an_undefined_score_is_null(smaller, tmp_path):
    kstar_files.write(tmp_path, smaller)
    assert read(tmp_path)["scores"]["gamma_approx"] is None
    assert read(tmp_path)["intervals"] == {}


def test_an_earlier_output_is_replaced_whole(result, smaller, tmp_path):
    kstar_files.write(tmp_path, result)
    kstar_files.write(tmp_path, smaller)
    assert sorted(contents(tmp_path)) == THREE
    assert read(tmp_path)["n_images"] == 4
    assert pl.read_parquet(tmp_path / "images.parquet").equals(smaller.images)


def test_an_empty_folder_and_what_a_killed_write_left_are_no_hindrance(result, tmp_path):
    kstar_files.write(tmp_path, result)
    (tmp_path / ".images.parquet.4711").write_bytes(b"unfinished")
    kstar_files.check_places(tmp_path, None)
    kstar_files.write(tmp_path, result)
    assert sorted(contents(tmp_path)) == [".images.parquet.4711", *THREE]
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/.kstar.json.1").touch()
    kstar_files.check_places(tmp_path / "empty", None)


@pytest.mark.parametrize(
    "other",
    [
        *("notes.txt", ".images.parquet.old", "xkstar.json", ".DS_Store", "run.json", "Kstar.json"),
        "sub/kstar.json",
    ],
)
@pytest.mark.parametrize("earlier", [False, True])
def test_a_folder_with_anything_else_is_refused_and_left_as_it_is(other, earlier, result, tmp_path):
    if earlier:
        kstar_files.write(tmp_path, result)
    (tmp_path / other).parent.mkdir(exist_ok=True)
    (tmp_path / other).write_text("precious")
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    sentence = (
        f"the folder '{tmp_path}' holds '{other.split('/')[0]}', which is no earlier output of kstar; "
        "choose another with --out."
    )
    assert refusal(kstar_files.check_places, tmp_path, None) == sentence
    assert refusal(kstar_files.write, tmp_path, result) == sentence
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before
    assert (tmp_path / other).read_text() == "precious"


@pytest.mark.parametrize("name", ["images.parquet", "classes.parquet"])
def test_a_table_of_the_same_name_without_our_record_is_not_ours(name, result, tmp_path):
    (tmp_path / name).write_text("precious")
    assert refusal(kstar_files.check_places, tmp_path, None) == (
        f"the folder '{tmp_path}' holds '{name}', which is no earlier output of kstar; choose another with --out."
    )
    assert contents(tmp_path) == {name: b"precious"}


def test_a_folder_that_cannot_be_written_is_refused(result, tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file/a/b"):
        sentence = f"the folder '{folder}' cannot be written; choose another with --out."
        assert refusal(kstar_files.check_places, folder, None) == sentence
        assert refusal(kstar_files.write, folder, result) == sentence
    assert refusal(kstar_files.check_places, Path("s3://bucket/x"), None) == (
        "the folder 's3:/bucket/x' is an address; --out needs a folder of this machine."
    )
    assert refusal(kstar_files.check_places, None, tmp_path / "file/k.svg") == (
        f"the folder '{tmp_path / 'file'}' cannot be written; choose another with --plot."
    )


def test_looking_at_places_creates_nothing(tmp_path):
    kstar_files.check_places(None, None)
    kstar_files.check_places(tmp_path / "a/b", tmp_path / "c/kstar.PNG")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_earlier_output_whole(result, smaller, tmp_path):
    kstar_files.write(tmp_path, smaller)
    before = contents(tmp_path)
    with full_disk(3000):
        said = refusal(kstar_files.write, tmp_path, result)
    assert said.startswith(f"the folder '{tmp_path}' cannot be written (")
    assert "File too large" in said
    assert said.endswith("); choose another.")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["kstar.pdf", "kstar", "kstar.svg.txt", ".svg"])
def test_a_picture_of_an_unknown_kind_is_refused(name, tmp_path):
    assert refusal(kstar_files.check_places, None, tmp_path / name) == (
        f"the picture '{tmp_path / name}' is of no known kind; --plot needs one of .png, .svg, .html."
    )


def test_a_picture_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "kstar.svg").mkdir()
    assert refusal(kstar_files.check_places, None, tmp_path / "kstar.svg") == (
        f"the picture '{tmp_path / 'kstar.svg'}' is a folder; choose another with --plot."
    )


@pytest.mark.parametrize("place", ["out/kstar.svg", "out/below/kstar.svg", "link/kstar.svg"])
def test_a_picture_in_the_folder_of_the_tables_would_be_in_the_way_next_time(place, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    assert refusal(kstar_files.check_places, tmp_path / "out", tmp_path / place) == (
        f"the picture '{tmp_path / place}' would lie in the --out folder, which holds classes.parquet, images.parquet, "
        "kstar.json only; give --plot another place."
    )


def test_a_picture_of_png_or_svg_is_one(result, tmp_path):
    for name in ("kstar.png", "kstar.SVG", "new/folder/kstar.svg"):
        kstar_files.draw(tmp_path / name, result)
    assert (tmp_path / "kstar.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    for name in ("kstar.SVG", "new/folder/kstar.svg"):
        assert ElementTree.parse(tmp_path / name).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kstar.SVG", "kstar.png", "new"]


class Fetched(HTMLParser):
    """Collects what a page would fetch, and what its scripts are."""

    def __init__(self):
        super().__init__()
        self.addresses, self.scripts = [], []

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href", "srcset", "data")]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.lasttag == "script":
            self.scripts[-1] += data


def test_a_page_fetches_nothing_and_no_class_name_breaks_out_of_it(tmp_path):
    name = "</script><script src='https://example.org/x.js'></script><!--"
    labels = [name] * 20 + ["b"] * 20
    found = clipkstar.kstar(np.random.default_rng(0).normal(size=(40, 3)), labels, intervals=False)
    kstar_files.draw(tmp_path / "kstar.html", found)
    page = Fetched()
    page.feed((tmp_path / "kstar.html").read_text())
    assert page.addresses == []
    assert len(page.scripts) == 2
    library, ours = page.scripts
    assert len(library) > 100_000
    start = ours.index('{"', ours.index("spec = "))
    chart, _ = json.JSONDecoder().raw_decode(ours[start:])
    assert {row["name"] for rows in chart["datasets"].values() for row in rows} == {name, "b"}


def test_an_earlier_picture_is_replaced_and_stays_if_that_fails(result, tmp_path):
    (tmp_path / "kstar.svg").write_text("earlier")
    with full_disk(1000):
        said = refusal(kstar_files.draw, tmp_path / "kstar.svg", result)
    assert said == f"the folder '{tmp_path}' cannot be written ([Errno 27] File too large); choose another."
    assert contents(tmp_path) == {"kstar.svg": b"earlier"}
    kstar_files.draw(tmp_path / "kstar.svg", result)
    assert (tmp_path / "kstar.svg").read_text().startswith("<svg")
