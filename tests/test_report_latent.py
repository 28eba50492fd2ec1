"""Which scores are latent, and which column holds them."""

from clipkstar.discovery import METRICS, list_own
from clipkstar.report.latent import column, latent_scores


def test_gamma_comes_first_and_every_score_has_the_direction_of_its_metric() -> None:
    latent = latent_scores()
    assert next(iter(latent)) == "gamma_approx"
    declared = {score.name: score.better for metric in list_own(METRICS) for score in metric.scores}
    assert latent == {name: declared[name] for name in latent}


def test_what_needs_words_counts_classes_or_has_no_direction_is_not_latent() -> None:
    known = {score.name for metric in list_own(METRICS) for score in metric.scores}
    of_kstar = {"gamma_undefined", "singleton_classes", "fractured", "overlapped", "clustered"}
    of_kstar |= {"kstar_mean_null", "gamma_approx_null", "gamma_approx_null_sd"}
    of_text = {"top1", "top5", "mean_class_recall", "ece", "f1_macro", "worst_group_top1", "worst_group_top5"}
    assert known - latent_scores().keys() == of_text | of_kstar | {f"cosine_{name}" for name in of_kstar}


def test_only_gamma_over_common_classes_has_a_column_of_another_name() -> None:
    assert column("gamma_approx") == "gamma_approx_common"
    assert column("cosine_gamma_approx") == "cosine_gamma_approx_common"
    others = [name for name in latent_scores() if name not in ("gamma_approx", "cosine_gamma_approx")]
    assert [column(name) for name in others] == others
