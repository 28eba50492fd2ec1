"""summary.md says the answer and the numbers behind it, and no name breaks its tables."""

from dataclasses import replace

import polars as pl
import pytest
from synthetic_store import make_store

from clipkstar.markdown import escaped
from clipkstar.reference import COLUMNS, NUMBERS
from clipkstar.report.answer import answer
from clipkstar.report.page import PageContent
from clipkstar.report.points import read_points
from clipkstar.report.record import Pooled, Statistics, Verdict
from clipkstar.report.statistics import statistics
from clipkstar.report.summary import summary


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> PageContent:
    root = tmp_path_factory.mktemp("summary")
    make_store(root, n_models=8, n_data_sets=2)
    points = read_points([root])
    return PageContent(
        points=points,
        statistics=statistics(points, n_resamples=50),
        classes=(),
        details={},
        reference=None,
        notices=("one run has <failed> | *",),
        title="A question?",
    )


def verdict(judgement: str, data_set: str = "digits") -> Verdict:
    return Verdict(
        data_set=data_set, judgement=judgement, value=-0.5, low=-0.9, high=0.1, p_value=0.2, p_holm=0.4, n_models=8,
        n_lineages=4, reason="4 lineages.",
    )  # fmt: skip


def judged(*judgements: str, pooled: tuple[Pooled, ...] = ()) -> Statistics:
    return Statistics(
        accuracy="top1", data_sets=(), correlations=(), verdicts=tuple(map(verdict, judgements)), pooled=pooled,
        partial=(), rankings=(),
    )  # fmt: skip


def test_the_answer_counts_the_verdicts() -> None:
    assert answer(judged("follows", "undecided", "follows", "violates")) == (
        "Of 4 data sets, 2 follow the claim that a lower Γ′ goes with a higher zero-shot accuracy (digits, digits), "
        "1 violates it (digits), 1 is undecided."
    )
    assert answer(judged(*["follows"] * 4)).startswith(
        "Of 4 data sets, 4 follow the claim that a lower Γ′ goes with a higher zero-shot accuracy, none violates it, "
    )
    assert answer(judged("undecided")) == (
        "Of 1 data set, none follows the claim that a lower Γ′ goes with a higher zero-shot accuracy, none violates "
        "it, 1 is undecided."
    )


def test_the_answer_ends_with_the_correlation_over_all_data_sets() -> None:
    over_all = Pooled(score="gamma_approx", value=-0.47, low=-0.99, high=0.79, n_data_sets=4, n_models=10, n_lineages=9)
    assert answer(judged("undecided", pooled=(over_all,))).endswith(
        "Over 4 data sets and 10 models of 9 lineages, the rank correlation of accuracy and Γ′ is −0.47 "
        "(95 % interval −0.99 to 0.79)."
    )


def test_the_answer_tells_too_few_lineages_from_no_correlation() -> None:
    about = {"score": "gamma_approx", "low": None, "high": None, "n_models": 5}
    few = Pooled(**about, value=-0.47, n_data_sets=1, n_lineages=3)
    assert answer(judged("undecided", pooled=(few,))).endswith("is −0.47 (too few lineages for an interval).")
    enough = replace(few, n_lineages=4)
    assert answer(judged("undecided", pooled=(enough,))).endswith("is −0.47 (no interval).")
    none = replace(few, value=None, n_data_sets=0, n_lineages=0, reason="no data set defines it")
    assert answer(judged("undecided", pooled=(none,))).endswith(
        " Over all data sets, the rank correlation of accuracy and Γ′ could not be computed: no data set defines it."
    )


def test_the_answer_leaves_out_what_is_not_counted_and_says_how_many() -> None:
    aside = replace(verdict("undecided", "digits (bf16)"), counted=False)
    two = judged("follows", "undecided")
    said = (
        "Of 2 data sets, 1 follows the claim that a lower Γ′ goes with a higher zero-shot accuracy (digits), none "
        "violates it, 1 is undecided."
    )
    one_aside, two_aside = (replace(two, verdicts=(*two.verdicts, *[aside] * number)) for number in (1, 2))
    assert answer(one_aside) == f"{said} 1 other evaluation of these tasks is shown and not counted."
    assert answer(two_aside) == f"{said} 2 other evaluations of these tasks are shown and not counted."


def test_a_summary_has_the_answer_a_row_per_verdict_and_one_per_model(content: PageContent) -> None:
    lines = summary(content).splitlines()
    assert lines[:3] == ["# A question?", "", escaped(answer(content.statistics))]
    assert sum(line.startswith("| set0") for line in lines) == 2
    models = content.points.table.filter(data_set="set00", counted=True)["model"].to_list()
    section = lines[lines.index("<summary>set00: 8 models on 200 images</summary>") :]
    assert [sum(line.startswith(f"| {model} ") for line in section) for model in models] == [2] * 8  # in set01, too


def test_models_stand_in_the_order_of_their_accuracy(content: PageContent) -> None:
    lines = summary(content).splitlines()
    start = lines.index("<summary>set00: 8 models on 200 images</summary>") + 4
    shown = [float(line.split("|")[2]) for line in lines[start : start + 8]]
    assert shown == sorted(shown, reverse=True)


def test_scores_that_order_models_best_stand_beside_those_that_gamma_is_compared_with(content: PageContent) -> None:
    lines = summary(content).splitlines()
    start = lines.index("## Which score of the latent space orders models best") + 6
    shown = [line.split("|")[1].strip() for line in lines[start : lines.index("", start)]]
    assert shown[:5] == [one.score for one in content.statistics.rankings[:5]]
    assert {"gamma_approx", "nn1_accuracy", "kstar_mean"} <= set(shown)


def test_a_summary_fits_into_a_comment_and_says_what_it_left_out(content: PageContent) -> None:
    one = content.points.data_sets[0]
    many = replace(content.points, data_sets=tuple([one] * 200))
    text = summary(replace(content, points=many))
    n_shown = text.count("<details>")
    assert 50_000 < len(text) < 65_536 and 10 < n_shown < 200
    assert text.endswith(f"\n\nThe models of {200 - n_shown} more data sets are in tables/points.csv.\n")


def test_what_would_be_markdown_or_html_is_escaped(content: PageContent) -> None:
    assert r"- one run has &lt;failed> \| \*" in summary(content).splitlines()
    hostile = replace(content.statistics, verdicts=(verdict("undecided", "a|b\n<script>`_x_`"),))
    row = next(line for line in summary(replace(content, statistics=hostile)).splitlines() if line.startswith("| a"))
    assert row.startswith(r"| a\|b�&lt;script>\`\_x\_\` | undecided |")


def test_published_numbers_stand_beside_ours(content: PageContent) -> None:
    row = {
        "task": "cifar10", "model": "ViT-B-32", "pretrained": "openai", "run_id": "0", "reference_model": "ViT-B-32",
        "score": "top1", "ours": 0.8983, "reference": 0.8981, "delta": 0.0002, "tolerance": 0.0003, "verdict": "equal",
        "fault": None,
    }  # fmt: skip
    table = pl.DataFrame([row], schema={name: pl.Float64 if name in NUMBERS else pl.String for name in COLUMNS})
    said = summary(replace(content, reference=table))
    assert "| ViT-B-32 openai | cifar10 | 0.8983 | 0.8981 | 0.0003 | equal |" in said.splitlines()
