import io
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image
from synthetic_store import Plan, evaluations

import clipkstar.report.pictures
from clipkstar.data.rows import open_rows
from clipkstar.discovery import TASKS, find, list_own
from clipkstar.errors import InputError
from clipkstar.pixels import decode
from clipkstar.report.gallery import (
    IMAGES_PER_CLASS,
    MOST_CLASSES,
    THUMBNAIL_SIDE,
    fractured_classes,
    gallery,
    refuse_to_show,
    thumbnail_jpegs,
)
from clipkstar.report.pictures import Pictures, open_pictures, task_of
from clipkstar.report.redistribution import may_redistribute
from clipkstar.task import HubDataset, Task


@pytest.fixture(scope="module")
def rows():
    return open_rows(find(TASKS, "digits")[0], limit=40)


@pytest.fixture
def evaluation(rows):
    """A run of 40 digits whose k* and impostors are made up."""
    made = next(evaluations(Plan(n_models=1, n_data_sets=1, n_classes=(10,), per_class=4)))
    images = made.images.with_columns(
        row=pl.Series(rows.row_numbers),
        label=pl.Series(rows.labels),
        impostor_row=pl.Series(np.roll(rows.row_numbers, 7)),
    )
    task = replace(made.run.task, name="digits", limit=40, fingerprint=rows.fingerprint, revision=None)
    return replace(made, run=replace(made.run, task=task), images=images)


def of_task(evaluation, **changes):
    return replace(evaluation, run=replace(evaluation.run, task=replace(evaluation.run.task, **changes)))


def tables(gammas, patterns, *, per_class=8):
    n = len(gammas)
    classes = pl.DataFrame(
        {"class": range(n), "name": [f"class {c}" for c in range(n)], "n_images": [per_class] * n, "gamma": gammas,
         "pattern": patterns},
        schema_overrides={"gamma": pl.Float64, "pattern": pl.String},
    )  # fmt: skip
    rows = np.arange(n * per_class)
    images = pl.DataFrame(
        {"row": 10 * rows, "label": rows % n, "prediction": (rows + 1) % n, "kstar": 1 + rows // n % 3,
         "impostor_row": 10 * ((rows + 1) % len(rows))}
    )  # fmt: skip
    return images, classes


def test_classes_go_by_gamma_and_those_whose_images_all_fail_go_first():
    images, classes = tables(
        [0.1, None, 2.0, None, 0.7, None], ["overlapped", "clustered", "fractured", "fractured", "fractured", None]
    )
    found = fractured_classes(images, classes)
    assert [(each.name, each.gamma) for each in found] == [
        ("class 3", None), ("class 2", 2.0), ("class 4", 0.7), ("class 0", 0.1),
    ]  # fmt: skip


def test_only_the_most_fractured_classes_are_shown():
    images, classes = tables([float(label) for label in range(20)], ["fractured"] * 20)
    assert [each.name for each in fractured_classes(images, classes)] == [
        f"class {19 - place}" for place in range(MOST_CLASSES)
    ]


def test_the_images_with_the_smallest_kstar_are_shown_beside_their_impostors():
    images, classes = tables([1.0, 0.0], ["fractured", "overlapped"])
    worst = fractured_classes(images, classes)[0].worst
    assert len(worst) == IMAGES_PER_CLASS
    # Of class 0 the rows 0, 20 … 140 have the k* 1, 2, 3, 1, 2, 3, 1, 2; the impostor of each is the next row.
    assert [(pair.image.row, pair.kstar, pair.impostor.row) for pair in worst] == [
        (0, 1, 10), (60, 1, 70), (120, 1, 130), (20, 2, 30), (80, 2, 90),
    ]  # fmt: skip
    assert {(pair.image.name, pair.prediction, pair.impostor.name) for pair in worst} == {
        ("class 0", "class 1", "class 1")
    }


def test_of_more_images_with_the_smallest_kstar_evenly_spaced_ones_are_shown():
    images, classes = tables([1.0, 0.0], ["fractured", "overlapped"])
    found = fractured_classes(images.with_columns(kstar=pl.lit(1)), classes)[0]
    rows = images.filter(label=0)["row"].to_list()
    assert len(rows) == found.n_broken == 8
    assert [pair.image.row for pair in found.worst] == [rows[place] for place in (0, 1, 3, 4, 6)]


def test_without_a_text_tower_there_is_no_prediction_to_show():
    images, classes = tables([1.0, 0.0], ["fractured", "overlapped"])
    worst = fractured_classes(images.with_columns(prediction=pl.lit(None, dtype=pl.Int64)), classes)[0].worst
    assert {pair.prediction for pair in worst} == {""}


def test_pictures_of_a_free_data_set_are_those_of_its_rows(evaluation, rows):
    found = gallery(evaluation)
    assert found.absent == ""
    assert found.credit == (
        "Pictures: Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, UCI (scikit-learn's copy of its test "
        "part); licence: CC-BY-4.0; re-encoded as small JPEGs."
    )
    assert all(pair.image.jpeg and pair.impostor.jpeg for each in found.classes for pair in each.worst)
    shown = found.classes[0].worst[0].image
    position = int(np.searchsorted(rows.row_numbers, shown.row))
    true = np.asarray(decode(rows.image_bytes([position])[0], where="here"), dtype=float)
    small = np.asarray(Image.open(io.BytesIO(shown.jpeg)), dtype=float)
    assert small.shape == true.shape  # digits are smaller than a thumbnail
    assert np.abs(small - true).mean() < 12


def test_only_the_rows_that_are_shown_are_read():
    asked = []

    def read(row_numbers):
        asked.extend(row_numbers)
        for row in row_numbers:
            file = io.BytesIO()
            Image.new("RGB", (300, 200), (row, 0, 0)).save(file, format="PNG")
            yield file.getvalue()

    pictures = Pictures(task=find(TASKS, "digits")[0], read=read)
    jpegs = thumbnail_jpegs(pictures, [9, 3, 9, 200])
    assert asked == [3, 9, 200]
    sizes = {row: Image.open(io.BytesIO(jpeg)).size for row, jpeg in jpegs.items()}
    assert sizes == dict.fromkeys((3, 9, 200), (THUMBNAIL_SIDE, 64))


def test_a_picture_that_does_not_decode_is_left_out():
    def read(row_numbers):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, format="PNG")
        yield from [file.getvalue(), b"no picture"]

    assert list(thumbnail_jpegs(Pictures(task=find(TASKS, "digits")[0], read=read), [0, 1])) == [0]


def test_pictures_of_unknown_terms_are_shown_only_when_asked_for():
    task = find(TASKS, "cifar10")[0]
    with pytest.raises(InputError) as error:
        refuse_to_show(task, thumbnails=False)
    assert str(error.value) == (
        "the licence of the task 'cifar10' (unknown) is not known to allow passing its images on; --thumbnails shows "
        "them on a page that stays with you."
    )
    refuse_to_show(task, thumbnails=True)
    with pytest.raises(InputError, match=r"the licence of the task 'own' \(not stated\)"):
        refuse_to_show(Task(name="own", summary="", dataset=HubDataset(path="imagefolder")), thumbnails=False)


def test_the_gallery_says_why_it_has_no_pictures_and_still_names_the_rows(evaluation):
    found = gallery(of_task(evaluation, name="cifar10"))
    assert found.absent == (
        "No pictures: the licence of the task 'cifar10' (unknown) is not known to allow passing its images on; "
        "--thumbnails shows them on a page that stays with you."
    )
    assert found.credit == ""
    assert [each.name for each in found.classes] == [each.name for each in gallery(evaluation).classes]
    assert all(pair.image.jpeg is None for each in found.classes for pair in each.worst)


def test_a_task_that_is_not_installed_has_no_pictures(evaluation):
    assert gallery(of_task(evaluation, name="set00")).absent == (
        "No pictures: the task 'set00' is not among those of 'clipkstar tasks'; install what has it."
    )


def test_a_record_that_names_a_file_runs_no_code(evaluation, tmp_path):
    file = tmp_path / "evil.py"
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(InputError) as error:
        task_of(of_task(evaluation, name=str(file)).run)
    assert str(error.value) == f"the task '{file}' is not among those of 'clipkstar tasks'; install what has it."
    assert [each.name for each in tmp_path.iterdir()] == ["evil.py"]


def test_other_images_than_those_of_the_run_are_not_shown(evaluation):
    assert gallery(of_task(evaluation, fingerprint="0" * 64)).absent == (
        "No pictures: the task 'digits' has other images, labels or words here than in the run; evaluate it again."
    )
    assert gallery(of_task(evaluation, limit=30)).absent.startswith("No pictures: the task 'digits' has other images")


def test_a_large_data_set_is_not_read_whole_to_find_out_whether_it_is_the_same(evaluation, monkeypatch):
    monkeypatch.setattr(clipkstar.report.pictures, "open_rows", None)
    assert gallery(of_task(evaluation, fingerprint="0" * 64, n_images=20_001)).absent == (
        "No pictures: whether the images of the task 'digits' are those of the run is not known, and 20001 are many to "
        "read; an eval of the task on this machine finds it out."
    )


def test_what_an_earlier_opening_found_spares_reading_all_images(evaluation, rows, monkeypatch):
    monkeypatch.setattr(clipkstar.report.pictures, "open_rows", None)
    monkeypatch.setattr(clipkstar.report.pictures, "known_opening", lambda *_, **__: rows.opening)
    assert gallery(evaluation).absent == ""


def test_a_data_set_that_is_not_on_this_machine_leaves_the_pictures_out(evaluation):
    away = of_task(evaluation, name="eurosat", revision="0" * 40)
    assert gallery(away, thumbnails=True).absent == (
        "No pictures: the data set of the task 'eurosat' is not on this machine; an eval of the task brings it."
    )


def test_nothing_asks_the_hub_meanwhile_and_all_is_as_before_afterwards(evaluation, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    seen = []

    def known(task, **asked):
        seen.append(constants.HF_HUB_OFFLINE)
        raise InputError("stop.")

    monkeypatch.setattr(clipkstar.report.pictures, "known_opening", known)
    with pytest.raises(InputError, match="stop"):
        open_pictures(evaluation.run, task_of(evaluation.run))
    assert (seen, constants.HF_HUB_OFFLINE) == ([True], False)


def test_whatever_goes_wrong_with_a_data_set_is_said_and_raises_nothing(evaluation, monkeypatch):
    def fails(run, task):
        raise RuntimeError("the disk is on fire\nmore")

    monkeypatch.setattr("clipkstar.report.gallery.open_pictures", fails)
    assert gallery(evaluation).absent == "No pictures: RuntimeError: the disk is on fire"


def test_a_run_without_a_class_of_two_images_has_no_gallery(evaluation):
    alone = evaluation.classes.with_columns(gamma=pl.lit(None, dtype=pl.Float64), pattern=pl.lit(None, dtype=pl.String))
    found = gallery(replace(evaluation, classes=alone))
    assert (found.classes, found.absent) == ((), "No class has two images and a k*.")


@pytest.mark.parametrize(
    "name",
    ["MIT", "Apache-2.0", "apache 2.0", "CC0-1.0", "CC0", "CC-BY-4.0", "CC BY 4.0", "CC-BY", "CC-BY-SA-4.0",
     "BSD-3-Clause", "CDLA-Permissive-1.0", "public domain", "Public Domain.", "ODC-By-1.0", "PDDL-1.0"],
)  # fmt: skip
def test_licences_that_let_anybody_pass_pictures_on_are_known(name):
    assert may_redistribute(name)


@pytest.mark.parametrize(
    "name",
    ["", "unknown", "CC-BY-NC-4.0", "CC-BY-ND-4.0", "CC-BY-NC-SA-3.0", "CC-BY-4.0 with two conditions", "not MIT",
     "MIT (the authors' repository); the photos' own terms are unknown", "GPL-3.0", "free for research", "CC"],
)  # fmt: skip
def test_every_other_licence_is_no_permission(name):
    assert not may_redistribute(name)


def test_the_tasks_whose_pictures_may_be_shown_are_these():
    free = {task.license for task in list_own(TASKS) if may_redistribute(task.license)}
    assert free == {"Apache-2.0", "CC-BY", "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "CDLA-Permissive-1.0", "MIT"}
