"""Points and statistics made by hand for the tests of charts and pages; nothing in them is computed by the package."""

import numpy as np
import polars as pl

from clipkstar.report.latent import COMMON, latent_scores
from clipkstar.report.page import PageContent
from clipkstar.report.points import Points
from clipkstar.report.record import (
    ClassCorrelation,
    Correlation,
    DataSet,
    Partial,
    Pooled,
    Ranking,
    Statistics,
    Verdict,
)

TEXT = ("data_set", "task", "model", "family", "lineage", "training_run", "why_not", "counted_as", "run_id", "folder")
WHOLE = ("stage", "n_images", "n_classes")
DATA_SETS = ("digits", "fashion_mnist", "emoji")
REASONS = {
    "follows": "8 lineages, Holm-corrected p 0.012.",
    "violates": "8 lineages, Holm-corrected p 0.021.",
    "undecided": "it has 4 lineages; a verdict needs 6.",
}


def make_content(*, names=None, data_sets=DATA_SETS, seed=0, **changed):
    """A PageContent of the models named, of 8 lineages; the first has two earlier stages, the last a copy."""
    names = names or [f"open_clip--ViT-B-{number}--laion" for number in range(12)]
    points = make_points(names, data_sets, seed=seed)
    given = {
        "points": points,
        "statistics": make_statistics(points),
        "classes": (_class_correlation(points),),
        "details": {points.table["run_id"][0]: "runs/first.html"},
        "reference": None,
        "notices": ("digits: 2 stages of one training run are shown; the last one counts.",),
        "title": "Does a tighter latent space mean better zero-shot?",
    }
    return PageContent(**given | changed)


def make_points(names, data_sets, *, seed=0):
    rng = np.random.default_rng(seed)
    rows = [row for place in range(len(data_sets)) for row in _rows(names, data_sets[place], place, rng)]
    text, whole = dict.fromkeys(TEXT, pl.String), dict.fromkeys(WHOLE, pl.Int64)
    numbers = {name: pl.Float64 for name in rows[0] if name not in (*TEXT, *WHOLE, "counted")}
    table = pl.DataFrame(rows, schema=text | whole | {"counted": pl.Boolean} | numbers)
    return Points(table=table, data_sets=tuple(_data_set(table, label) for label in data_sets), notices=())


def _rows(names, data_set, place, rng):
    quality = np.linspace(0.3, 0.9, len(names)) + rng.normal(0, 0.05, len(names))
    rows = [
        _row(name, data_set, float(value), -1.5 * float(value) + float(rng.normal(0, 0.15)), lineage=number % 8)
        for number, (name, value) in enumerate(zip(names, quality, strict=True))
    ]
    first, last = rows[0], rows[-1]
    stages = [
        {**first, "model": f"{names[0]}-stage{stage}", "stage": stage, "counted": False, "why_not": "earlier stage"}
        | {"top1": first["top1"] - 0.1 * (2 - stage), "gamma_approx_common": first["gamma_approx_common"] + 0.2}
        for stage in range(2)
    ]
    copy = {**last, "model": f"{last['model']} again", "training_run": "copy", "counted": False}
    rows = [{**first, "stage": 2}, *rows[1:], *stages, {**copy, "why_not": "equal weights"}]
    return [row | {"run_id": f"{place}-{number}"} for number, row in enumerate(rows)]


def _row(name, data_set, top1, gamma, *, lineage):
    top1 = min(0.99, max(0.01, top1))
    texts = {"data_set": data_set, "task": data_set, "model": name, "family": "open_clip" if lineage % 2 else "zoo"}
    texts |= {"lineage": f"lineage-{lineage}", "training_run": name, "why_not": "", "counted_as": name, "folder": "x"}
    numbers = {"stage": 0, "n_images": 1000, "n_classes": 10, "counted": True, "top1": top1}
    numbers |= {
        "top1_low": top1 - 0.02,
        "top1_high": top1 + 0.02,
        "gamma_approx": gamma,
        "gamma_approx_low": gamma - 0.1,
    }
    return texts | numbers | {"gamma_approx_high": gamma + 0.1} | dict.fromkeys(COMMON.values(), gamma)


def _data_set(table, label):
    counted = table.filter(pl.col("counted") & (pl.col("data_set") == label))
    return DataSet(
        label=label, task=label, fingerprint="0" * 8, precision="fp32", space="output", n_images=1000, n_classes=10,
        limit=None, n_models=counted.height, n_lineages=counted["lineage"].n_unique(), n_stages=2, n_copies=1,
        n_classes_left_out=0, n_classes_left_out_cosine=0,
    )  # fmt: skip


def make_statistics(points):
    judgements = ("follows", "violates", "undecided")
    verdicts, correlations = [], []
    for place, data_set in enumerate(points.data_sets):
        judgement, value = judgements[place % 3], (-0.81, 0.74, -0.32)[place % 3]
        about = {"data_set": data_set.label, "n_models": data_set.n_models, "n_lineages": data_set.n_lineages}
        found = about | {"value": value, "low": max(-1.0, value - 0.2), "high": min(1.0, value + 0.2), "p_value": 0.004}
        verdicts.append(Verdict(**found, judgement=judgement, p_holm=0.012, reason=REASONS[judgement]))
        correlations += _correlations(found)
    about = {"n_data_sets": len(points.data_sets), "n_models": 12, "n_lineages": 8}
    return Statistics(
        accuracy="top1",
        data_sets=points.data_sets,
        correlations=tuple(correlations),
        verdicts=tuple(verdicts),
        pooled=(Pooled(score="gamma_approx", value=-0.42, low=-0.8, high=0.1, **about),),
        partial=_partial(points),
        rankings=_rankings(),
    )


def _correlations(found):
    made = []
    for number, (score, better) in enumerate(latent_scores().items()):
        for coefficient in ("spearman", "pearson", "kendall"):
            turned = found["value"] * (1 - 0.06 * number) * (1 if better == "lower" else -1)
            value = turned if coefficient == "spearman" else 0.7 * turned
            around = {"value": value, "low": value - 0.1, "high": value + 0.1}
            made.append(Correlation(**found | around, score=score, coefficient=coefficient))
    return made


def _partial(points):
    given = {"score": "gamma_approx", "given": ("nn1_accuracy", "kstar_mean")}
    nothing = {"value": None, "low": None, "high": None, "reason": "it has 11 models; 12 are needed."}
    pooled = Partial(data_set="", **given, value=-0.12, low=-0.4, high=0.2, n_models=12, n_lineages=8)
    alone = [Partial(data_set=one.label, **given, **nothing, n_models=11, n_lineages=8) for one in points.data_sets[:2]]
    return (pooled, *alone)


def _rankings():
    return tuple(
        Ranking(score=score, value=0.8 - 0.03 * place, difference=-0.03 * place, low=-0.2, high=0.1, n_data_sets=3)
        for place, score in enumerate(latent_scores())
    )


def _class_correlation(points):
    run_id, data_set, model = points.table.select("run_id", "data_set", "model").row(0)
    about = {"run_id": run_id, "data_set": data_set, "model": model, "score": "gamma"}
    return ClassCorrelation(**about, value=-0.5, low=-0.9, high=0.1, n_classes=10)
