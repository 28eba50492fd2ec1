"""summary.md says the answer and the numbers behind it, and no name breaks its tables."""

from dataclasses import replace

import polars as pl
import pytest
from synthetic_store import make_store

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
        "Of 4 data sets, 2 follow the claim that a lower Γ′ goes with a higher zero-shot accuracy, 1 violates it, "
        "1 is undecided."
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


def test_a_summary_has_the_answer_a_row_per_verdict_and_one_per_model(content: PageContent) -> None:
    lines = summary(content).splitlines()
    assert lines[:3] == ["# A question?", "", answer(content.statistics)]
    assert sum(line.startswith("| set0") for line in lines) == 2
    models = content.points.table.filter(data_set="set00", counted=True)["model"].to_list()
    section = lines[lines.index("## set00: 8 models on 200 images") :]
    assert [sum(line.startswith(f"| {model} ") for line in section) for model in models] == [2] * 8  # in set01, too


def test_models_stand_in_the_order_of_their_accuracy(content: PageContent) -> None:
    lines = summary(content).splitlines()
    start = lines.index("## set00: 8 models on 200 images") + 4
    shown = [float(line.split("|")[2]) for line in lines[start : start + 8]]
    assert shown == sorted(shown, reverse=True)


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
