"""Two sides of a check and their pairs: which checkpoint is meant, what fits, and every refusal with what differs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hand_made_evaluations import evaluation
from hand_made_runs import write_failure

from clipkstar import store
from clipkstar.errors import InputError
from clipkstar.regression.baseline_file import condensed, write_baseline
from clipkstar.regression.pairing import Paired, pair_sides
from clipkstar.regression.saving import save
from clipkstar.regression.sides import Side, offer, read_side, side_of
from clipkstar.run import Evaluation
from clipkstar.store import Store

ALIKE = "evaluate both alike"
TEMPLATES = ("a photo of a {}.", "a {}.")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root: str, *evaluations: Evaluation) -> Path:
    for one in evaluations:
        store.write(Store(root=Path(root)), one)
    return Path(root)


def new(*evaluations: Evaluation) -> Side:
    return side_of([offer(one) for one in evaluations], role="candidate")


def old(*evaluations: Evaluation) -> Side:
    return side_of([offer(one) for one in evaluations], role="baseline")


def paired(candidate: Evaluation, baseline: Evaluation, **options: object) -> Paired:
    return pair_sides(new(candidate), old(baseline), **options)  # type: ignore[arg-type]


def refusal(candidate: Side, baseline: Side, **options: object) -> str:
    with pytest.raises(InputError) as raised:
        pair_sides(candidate, baseline, **options)  # type: ignore[arg-type]
    return str(raised.value)


def choice_refusal(place: Path, model: str | None = None) -> str:
    with pytest.raises(InputError) as raised:
        read_side(place, role="baseline", model=model, option="--baseline-model")
    return str(raised.value)


# which checkpoint is meant


def test_the_only_checkpoint_of_a_place_needs_no_name(folder: Path) -> None:
    runs = write("runs", evaluation("a"), evaluation("a", name="fashion", fingerprint="e" * 64))
    side = read_side(runs, role="candidate")
    assert side.checkpoint.title == "zoo--a--final"
    assert [one.run.task.name for one in side.offered] == ["digits", "fashion"]
    write_baseline(Path("b.parquet"), [one.load() for one in side.offered])
    of_file = read_side(Path("b.parquet"), role="candidate")
    assert [one.run for one in of_file.offered] == [one.run for one in side.offered]


def test_several_checkpoints_are_refused_with_their_titles() -> None:
    runs = write("runs", evaluation("a"), evaluation("b"))
    assert choice_refusal(runs) == (
        "the baseline has runs of 2 checkpoints (zoo--a--final, zoo--b--final); choose one with --baseline-model."
    )


@pytest.mark.parametrize("model", ["zoo--ViT-B--openai", "ViT-B openai", "*openai", "ViT-?", "ViT-B"])
def test_a_checkpoint_is_meant_by_title_model_model_and_tag_or_a_pattern(model: str) -> None:
    runs = write("runs", evaluation("ViT-B", pretrained="openai"), evaluation("ViT-B-32", pretrained="laion"))
    assert read_side(runs, role="candidate", model=model).checkpoint.title == "zoo--ViT-B--openai"


def test_a_name_that_is_exactly_it_is_meant_before_any_pattern() -> None:
    runs = write("runs", evaluation("a[1]"), evaluation("a1"))
    assert read_side(runs, role="candidate", model="a[1]").checkpoint.model == "a[1]"


def test_a_name_of_none_is_refused_with_the_nearest() -> None:
    runs = write("runs", evaluation("tiny-p8"), evaluation("x", pretrained="y"))
    assert choice_refusal(runs, "zoo--tiny-p9--final") == (
        "there is no checkpoint of the baseline for --baseline-model 'zoo--tiny-p9--final'; did you mean "
        "'zoo--tiny-p8--final' or 'zoo--x--y'?"
    )


def test_other_weights_under_the_same_title_are_another_checkpoint() -> None:
    first = evaluation("a", weights_sha256="1" * 64, config_sha256="c" * 64)
    second = evaluation("a", weights_sha256="2" * 64, config_sha256="c" * 64, name="fashion")
    runs = write("runs", first, second)
    labels = ["zoo--a--final (weights 11111111, config cccccccc)", "zoo--a--final (weights 22222222, config cccccccc)"]
    assert choice_refusal(runs) == (
        f"the baseline has runs of 2 checkpoints ({', '.join(labels)}); choose one with --baseline-model."
    )
    assert read_side(runs, role="candidate", model=labels[1]).offered[0].run.task.name == "fashion"


def test_a_place_that_is_not_there_is_refused() -> None:
    assert choice_refusal(Path("nowhere")) == (
        "the baseline 'nowhere' does not exist; name a folder of runs, or a file of 'clipkstar baseline save'."
    )


# pairs


def test_every_data_set_of_the_baseline_is_paired_and_condensed() -> None:
    others = {"name": "fashion", "fingerprint": "e" * 64}
    found = pair_sides(new(evaluation("a", **others), evaluation("a")), old(evaluation("b"), evaluation("b", **others)))
    assert [pair.label for pair in found.pairs] == ["digits", "fashion"]
    assert {pair.candidate.run.checkpoint.model for pair in found.pairs} == {"a"}
    assert {pair.baseline.run.checkpoint.model for pair in found.pairs} == {"b"}
    assert found.pairs[0].candidate.images.equals(condensed(evaluation("a")).images)
    assert found.notices == ()


def test_only_the_tasks_named_are_paired() -> None:
    others = {"name": "fashion", "fingerprint": "e" * 64}
    candidate, baseline = new(evaluation("a")), old(evaluation("b"), evaluation("b", **others))
    assert [pair.label for pair in pair_sides(candidate, baseline, tasks=["digits"]).pairs] == ["digits"]


def test_a_task_that_the_baseline_lacks_is_refused() -> None:
    assert refusal(new(evaluation("a")), old(evaluation("b")), tasks=["digit"]) == (
        "there is no task of the baseline 'zoo--b--final' for --task 'digit'; did you mean 'digits'?"
    )


def test_several_runs_of_a_task_are_paired_by_their_fingerprints_and_say_what_tells_them_apart() -> None:
    ways = [
        {"fingerprint": "0" * 64},
        {"fingerprint": "1" * 64, "limit": 40, "n_images": 40},
        {"fingerprint": "2" * 64, "prompt_set": "plain", "templates": ("{}",)},
    ]
    made = [[evaluation(model, seed=seed, **way) for seed, way in enumerate(ways)] for model in "ab"]
    found = pair_sides(new(*made[0][::-1]), old(*made[1]))
    assert [pair.label for pair in found.pairs] == ["digits", "digits (sample of 40)", "digits (prompts plain)"]
    assert [pair.candidate.run.task.fingerprint for pair in found.pairs] == ["0" * 64, "1" * 64, "2" * 64]


def test_what_only_the_candidate_has_is_said() -> None:
    extra = evaluation("a", name="fashion", fingerprint="e" * 64)
    found = pair_sides(new(evaluation("a"), extra), old(evaluation("b")))
    assert found.notices == ("only the candidate was evaluated on fashion, which is not compared.",)
    assert pair_sides(new(evaluation("a"), extra), old(evaluation("b")), tasks=["digits"]).notices == ()


def test_another_device_open_clip_or_torch_is_said_once() -> None:
    others = {"name": "fashion", "fingerprint": "e" * 64}
    newer = replace(evaluation("a").run.environment, open_clip="3.4.0", torch="2.16.0")
    candidates = [evaluation("a", environment=newer, device="cuda", **way) for way in ({}, others)]
    found = pair_sides(new(*candidates), old(evaluation("b"), evaluation("b", **others)))
    assert found.notices == (
        "the candidate was evaluated on cuda, the baseline on cpu.",
        "the candidate was evaluated with open_clip 3.4.0, the baseline with open_clip 0.",
        "the candidate was evaluated with torch 2.16.0, the baseline with torch 0.",
    )


def test_a_checkpoint_against_itself_is_said() -> None:
    weights = {"weights_sha256": "1" * 64, "config_sha256": "c" * 64}
    assert paired(evaluation("a", **weights), evaluation("b", **weights)).notices == (
        "candidate and baseline are the same weights, 11111111.",
    )
    unknown = {"weights_sha256": None, "config_sha256": "c" * 64}
    assert paired(evaluation("a", **unknown), evaluation("b", **unknown)).notices == ()
    assert paired(evaluation("a", **weights), evaluation("b", **weights | {"config_sha256": "d" * 64})).notices == ()


# refusals

BEGIN = "the candidate 'zoo--a--final' does not compare with the baseline 'zoo--b--final' on digits:"
OTHER = "0" * 64


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fingerprint": OTHER, "images_digest": "1" * 64}, "other images (11111111 instead of 99999999)"),
        ({"fingerprint": OTHER, "n_images": 59}, "other images (59 instead of 60)"),
        ({"fingerprint": OTHER, "revision": "ab12"}, "another revision of the data (ab12 instead of none)"),
        (
            {"fingerprint": OTHER, "split": "train"},
            "another data set (org/digits train instead of org/digits test)",
        ),
        ({"fingerprint": OTHER, "limit": 40, "n_images": 40}, "another limit (40 instead of none)"),
        (
            {"fingerprint": OTHER, "names": ("zero", "eins", "zwei")},
            "other class names ('eins' instead of 'one', 2 of 3)",
        ),
        ({"fingerprint": OTHER, "names": ("zero", "one")}, "other classes (2 instead of 3)"),
        ({"fingerprint": OTHER, "prompt_set": "plain"}, "other prompts (the set 'plain' instead of the task's own)"),
        (
            {"fingerprint": OTHER, "templates": ("a photo of a {}.", "the {}.")},
            "other prompts ('the {}.' instead of 'a {}.')",
        ),
        (
            {"fingerprint": OTHER, "templates": TEMPLATES[:1]},
            "other prompts (none instead of 'a {}.', 1 templates instead of 2)",
        ),
        ({"fingerprint": OTHER}, "other labels, another order, or prompts written out otherwise"),
    ],
)
def test_what_is_no_pair_is_refused_with_the_difference(changes: dict[str, object], said: str) -> None:
    plain = {"templates": TEMPLATES, "images_digest": "9" * 64}
    found = refusal(new(evaluation("a", **(plain | changes))), old(evaluation("b", **plain)))
    assert found == f"{BEGIN} {said}; {ALIKE}."


@pytest.mark.parametrize(
    ("changes", "across", "said", "notice"),
    [
        (
            {"precision": "bf16"},
            "precision",
            "another precision (bf16 instead of fp32)",
            "the candidate was evaluated in bf16, the baseline in fp32.",
        ),
        (
            {"space": "pre_projection"},
            "space",
            "another space (pre_projection instead of output)",
            "the candidate was evaluated in the space pre_projection, the baseline in the space output.",
        ),
    ],
)
def test_another_precision_or_space_is_refused_unless_it_is_to_be_compared_across(
    changes: dict[str, object], across: str, said: str, notice: str
) -> None:
    candidate, baseline = evaluation("a", **changes), evaluation("b")
    remedy = f"{ALIKE}, or compare with --across {across}"
    assert refusal(new(candidate), old(baseline)) == f"{BEGIN} {said}; {remedy}."
    found = paired(candidate, baseline, across=[across])
    assert (len(found.pairs), notice in found.notices) == (1, True)


def test_all_that_differs_is_named_in_one_sentence() -> None:
    candidate = evaluation("a", fingerprint=OTHER, revision="ab12", prompt_set="plain", precision="bf16")
    assert refusal(new(candidate), old(evaluation("b"))) == (
        f"{BEGIN} another revision of the data (ab12 instead of none), other prompts (the set 'plain' instead of the "
        f"task's own), another precision (bf16 instead of fp32); {ALIKE}."
    )
    two = evaluation("a", precision="bf16", space="pre_projection")
    assert refusal(new(two), old(evaluation("b"))) == (
        f"{BEGIN} another precision (bf16 instead of fp32), another space (pre_projection instead of output); {ALIKE}, "
        "or compare with --across precision --across space."
    )


@pytest.mark.parametrize("metric", ["zero_shot", "kstar"])
def test_another_version_of_a_metric_is_refused(metric: str) -> None:
    versions = {"kstar": "3", "zero_shot": "1"}
    candidate = evaluation("a", metrics=versions | {metric: "7"})
    baseline = evaluation("b", metrics=versions | {"alignment": "2"})
    assert refusal(new(candidate), old(baseline)) == (
        f"{BEGIN} another version of {metric} (7 instead of {versions[metric]}); measure both by one clipkstar "
        "('clipkstar score RUNS', then 'clipkstar baseline save')."
    )


def test_versions_of_metrics_that_are_not_compared_make_no_difference() -> None:
    versions = {"kstar": "3", "zero_shot": "1"}
    candidate, baseline = (evaluation(m, metrics=versions | {"nc1": v}) for m, v in (("a", "1"), ("b", "2")))
    assert len(paired(candidate, baseline).pairs) == 1


def test_a_data_set_that_the_candidate_lacks_is_refused() -> None:
    others = [evaluation("b", name=name, fingerprint=name) for name in ("emoji", "fashion")]
    assert refusal(new(evaluation("a")), old(evaluation("b"), *others)) == (
        "the candidate 'zoo--a--final' has no run on emoji, fashion, which the baseline has; evaluate it there, or "
        "name the others with --task."
    )


def test_a_second_way_in_which_the_baseline_evaluated_a_data_set_needs_its_pair_too() -> None:
    candidate, baseline = new(evaluation("a")), old(evaluation("b"), evaluation("b", precision="bf16"))
    assert refusal(candidate, baseline) == (
        f"{BEGIN} another precision (fp32 instead of bf16); {ALIKE}, or compare with --across precision."
    )


def test_several_runs_of_the_candidate_that_fit_are_refused_and_listed() -> None:
    candidate = [evaluation("a", precision=precision) for precision in ("fp32", "bf16")]
    (pair,) = pair_sides(new(*candidate), old(evaluation("b"))).pairs
    assert pair.candidate.run.protocol.precision == "fp32"
    first, second = (one.run.run_id[:8] for one in candidate)
    assert refusal(new(*candidate), old(evaluation("b")), across=["precision"]) == (
        "the candidate 'zoo--a--final' has 2 runs on digits that fit (fp32 on cpu with open_clip 0, "
        f"{first}; bf16 on cpu with open_clip 0, {second}); give a folder with one of them."
    )


def test_several_runs_of_the_baseline_that_fit_are_refused_and_listed() -> None:
    baseline = [evaluation("b", device=device) for device in ("cpu", "cuda")]
    first, second = (one.run.run_id[:8] for one in baseline)
    assert refusal(new(evaluation("a")), old(*baseline)) == (
        f"the baseline 'zoo--b--final' has 2 runs on digits that fit (fp32 on cpu with open_clip 0, {first}; fp32 on "
        f"cuda with open_clip 0, {second}); give a folder with one of them."
    )


# what failed or is damaged must not go missing


def two_sides(**models: str | None) -> tuple[Side, Side]:
    return (
        read_side(Path("new"), role="candidate", model=models.get("model")),
        read_side(Path("old"), role="baseline", model=models.get("baseline_model"), option="--baseline-model"),
    )


def both(*names: str) -> None:
    for model, root in (("a", "new"), ("b", "old")):
        write(root, *(evaluation(model, name=name, fingerprint=name) for name in names))


def test_a_pair_of_the_candidate_that_failed_is_refused_though_an_older_run_is_there() -> None:
    both("digits", "fashion")
    write_failure(Path("new"), "zoo--a--final", "it has no weights.", task="fashion")
    assert refusal(*two_sides()) == (
        "the candidate 'zoo--a--final' has runs that cannot be used (fashion: it failed: it has no weights); repeat "
        "them, or leave them out with --task."
    )
    assert [pair.label for pair in pair_sides(*two_sides(), tasks=["digits"]).pairs] == ["digits"]


def test_a_pair_of_the_baseline_that_failed_is_refused_though_nothing_else_of_it_is_there() -> None:
    both("digits")
    write_failure(Path("old"), "zoo--b--final of epochs/b.pt", "it has no weights.", task="fashion")
    expected = (
        "the baseline 'zoo--b--final' has runs that cannot be used (fashion: it failed: it has no weights); repeat "
        "them, or leave them out with --task."
    )
    assert refusal(*two_sides()) == expected
    assert refusal(*two_sides(), tasks=["fashion"]) == expected
    assert [pair.label for pair in pair_sides(*two_sides(), tasks=["digits"]).pairs] == ["digits"]


@pytest.mark.parametrize("model", ["zoo--b--final", "b final", "b", "zoo--b*l"])
def test_what_failed_of_another_checkpoint_than_is_chosen_or_on_another_data_set_is_only_said(model: str) -> None:
    both("digits")
    write_failure(Path("old"), "zoo--b2--final2", "it has no weights.", task="digits")
    write_failure(Path("new"), "zoo--a--final", "it has no weights.", task="fashion")
    found = pair_sides(*two_sides(baseline_model=model))
    assert len(found.pairs) == 1
    assert found.notices == (
        "the candidate's folder: zoo--a--final on fashion failed: it has no weights.",
        "the baseline's folder: zoo--b2--final2 on digits failed: it has no weights.",
    )


@pytest.mark.parametrize(
    ("root", "own", "option", "model"),
    [
        ("new", "the candidate 'zoo--a--final'", "--model", None),
        ("new", "the candidate 'zoo--a--final'", "--model", "a"),
        ("new", "the candidate 'zoo--a--final'", "--model", "zoo--a--*"),
        ("old", "the baseline 'zoo--b--final'", "--baseline-model", None),
        ("old", "the baseline 'zoo--b--final'", "--baseline-model", "b*"),
    ],
)
def test_an_older_checkpoint_does_not_stand_for_one_that_failed(
    root: str, own: str, option: str, model: str | None
) -> None:
    both("digits", "fashion")
    failed = f"zoo--{'a' if root == 'new' else 'b'}--epoch9"
    write_failure(Path(root), f"{failed} of epochs/9.pt", "out of memory.", task="digits")
    sides = two_sides(**{option.strip("-").replace("-", "_"): model})
    assert refusal(*sides) == (
        f"{own} has others beside it whose runs cannot be used ({failed} of epochs/9.pt on digits: it failed: out of "
        f"memory); say which is meant with {option}."
    )
    assert len(pair_sides(*sides, tasks=["fashion"]).pairs) == 1


def test_a_damaged_run_of_another_checkpoint_counts_as_one_that_failed() -> None:
    both("digits")
    write("new", evaluation("z", fingerprint="digits"))
    (record,) = Path("new/digits/zoo--z--final").glob("*/run.json")
    (record.parent / "images.parquet").write_bytes(b"")
    assert refusal(*two_sides()) == (
        "the candidate 'zoo--a--final' has others beside it whose runs cannot be used (zoo--z--final on digits: "
        f"{record.parent.name} lacks a whole table); say which is meant with --model."
    )


def test_a_baseline_is_not_saved_of_an_older_checkpoint_nor_of_tables_that_do_not_fit() -> None:
    both("digits")
    write_failure(Path("old"), "zoo--b--epoch9", "out of memory.")
    with pytest.raises(InputError, match=r"zoo--b--epoch9 on digits: .*; say which is meant with --model\.$"):
        save(Path("old"), Path("b.parquet"))
    (file,) = Path("old").glob("*/*/*/images.parquet")
    pl.read_parquet(file).drop("label").write_parquet(file)
    with pytest.raises(InputError, match=r"are not those of its run\.json \(images\.parquet has no label\)"):
        save(Path("old"), Path("b.parquet"), model="b final")
    assert not Path("b.parquet").exists()


def test_a_name_with_brackets_is_no_pattern_for_what_failed() -> None:
    write("new", evaluation("a[1]"))
    write_failure(Path("new"), "zoo--a1--final", "out of memory.")
    side = read_side(Path("new"), role="candidate", model="a[1]")
    assert len(pair_sides(side, old(evaluation("b"))).pairs) == 1


# tables that are not those of their records


@pytest.mark.parametrize(("name", "said"), [("row", "row"), ("label", "label")])
def test_tables_of_other_images_under_equal_records_are_no_pair(name: str, said: str) -> None:
    candidate = evaluation("a")
    candidate = replace(candidate, images=candidate.images.with_columns(pl.col(name).reverse()))
    assert refusal(new(candidate), old(evaluation("b"))) == (
        f"candidate and baseline do not compare on digits: their images.parquet differ in {said}, though their records "
        "name the same images; repeat both runs with --force."
    )


def test_tables_that_do_not_give_the_recorded_scores_are_refused() -> None:
    both("digits")
    (file,) = Path("new").glob("*/*/*/images.parquet")
    pl.read_parquet(file).with_columns(prediction=pl.col("label")).write_parquet(file)
    recorded = evaluation("a", name="digits", fingerprint="digits").run.scores["top1"]
    assert refusal(*two_sides()) == (
        f"the tables of {file.parent} are not those of its run.json (top1 of the tables is 1.0, the record has "
        f"{recorded}); repeat the run with --force."
    )


def test_a_table_with_overwritten_bytes_is_refused() -> None:
    both("digits")
    (file,) = Path("new").glob("*/*/*/images.parquet")
    whole = file.read_bytes()
    for start in range(4, len(whole) - 60, 100):
        file.write_bytes(whole[:start] + b"\xff" * 50 + whole[start + 50 :])
        try:
            (pair,) = pair_sides(*two_sides()).pairs
        except InputError as error:
            assert str(error).startswith(f"the tables of {file.parent} ")
        else:
            assert pair.candidate.images.equals(condensed(evaluation("a", name="digits", fingerprint="digits")).images)


def test_a_name_that_is_too_long_for_a_file_is_refused() -> None:
    place = "x" * 300
    assert choice_refusal(Path(place)) == f"'{place}' cannot be read (File name too long); check the path."


@pytest.mark.parametrize(("root", "role", "model"), [("new", "candidate", "a"), ("old", "baseline", "b")])
def test_a_damaged_run_is_refused(root: str, role: str, model: str) -> None:
    both("digits", "fashion")
    (record,) = Path(root, "fashion").glob("*/*/run.json")
    (record.parent / "images.parquet").write_bytes(b"")
    assert refusal(*two_sides()) == (
        f"the {role} 'zoo--{model}--final' has runs that cannot be used (fashion: {record.parent.name} lacks a whole "
        "table); repeat them, or leave them out with --task."
    )
    record.write_text(json.dumps(json.loads(record.read_text()) | {"schema": 2}))
    assert refusal(*two_sides()) == (
        f"the {role} 'zoo--{model}--final' has runs that cannot be used (fashion: {record.parent.name}/run.json has "
        "record schema 2, this clipkstar reads 1; use other --runs); repeat them, or leave them out with --task."
    )


def test_a_damaged_run_is_seen_in_the_folder_of_a_data_set_and_of_a_checkpoint_too() -> None:
    both("digits")
    second = write("old", evaluation("b", name="digits", fingerprint="digits", precision="bf16"))
    records = sorted((second / "digits").glob("*/*/run.json"))
    broken = next(record for record in records if '"bf16"' in record.read_text())
    broken.write_text("{")
    candidate = read_side(Path("new"), role="candidate")
    for place in (Path("old/digits"), Path("old/digits/zoo--b--final")):
        found = refusal(candidate, read_side(place, role="baseline"))
        assert found.startswith(
            "the baseline 'zoo--b--final' has runs that cannot be used (digits: "
            f"{broken.parent.name}/run.json is not a readable run record"
        )


def test_a_copy_of_a_run_is_no_trouble_and_an_empty_failed_json_is() -> None:
    both("digits")
    shutil.copytree("old/digits", "old/copy of digits")
    assert len(pair_sides(*two_sides()).pairs) == 1
    Path("old/digits/zoo--b--final/failed.json").write_text("")
    assert refusal(*two_sides()) == (
        "the baseline 'zoo--b--final' has runs that cannot be used (digits: its failed.json cannot be read (Input data "
        "was truncated)); repeat them, or leave them out with --task."
    )
