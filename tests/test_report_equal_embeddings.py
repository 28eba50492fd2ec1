"""Which runs agree in their latent scores as only equal embeddings do."""

from hand_made_runs import hand_made
from hypothesis import given
from hypothesis import strategies as st

from clipkstar.report.equal_embeddings import equal_embeddings
from clipkstar.run import Run

SMOOTH = ("silhouette", "rankme", "alignment", "uniformity")
FACTOR = st.sampled_from([1.0, 1.00005, 1.0003, 1.005, 1.03])
SPACE = st.fixed_dictionaries(dict.fromkeys((*SMOOTH, "gamma_approx"), FACTOR))


def run_of(number: int, factors: dict[str, float]) -> Run:
    """A run with scores of about 1 to 5, each times its factor."""
    values = {name: place * factors[name] for place, name in enumerate(factors, start=1)}
    return hand_made(f"m{number}", scores=values | {"gamma_true": 0.5, "kstar_mean": 0.25})


def agree(one: Run, other: Run) -> bool:
    near = all(abs(one.scores[name] / other.scores[name] - 1) < 1e-4 for name in SMOOTH)  # type: ignore[operator]
    return near and abs(one.scores["gamma_approx"] / other.scores["gamma_approx"] - 1) < 1e-2  # type: ignore[operator]


@given(st.lists(SPACE, min_size=1, max_size=8), st.randoms())
def test_each_run_stands_for_the_first_that_counts_and_agrees_as_a_loop_finds(spaces, rng) -> None:
    runs = [run_of(number, factors) for number, factors in enumerate(spaces)]
    order = list(range(len(runs)))
    rng.shuffle(order)
    expected: dict[int, int] = {}
    counted: list[int] = []
    for number in order:
        same = [other for other in counted if agree(runs[number], runs[other])]
        if same:
            expected[number] = same[0]
        else:
            counted.append(number)
    assert equal_embeddings(runs, order) == expected


def test_no_run_has_the_embeddings_of_none() -> None:
    assert equal_embeddings([hand_made("a")], []) == {}


def test_scores_about_zero_are_equal_within_a_millionth() -> None:
    equal = {"rankme": 9.5, "alignment": 1.25, "uniformity": -2.5}
    equal |= {"gamma_approx": 0.5, "gamma_true": 0.1, "kstar_mean": 0.5}
    values = {"a": 0.0, "b": 9e-7, "c": 3e-6}
    runs = [hand_made(name, scores=equal | {"silhouette": value}) for name, value in values.items()]
    assert equal_embeddings(runs, [0, 1, 2]) == {1: 0}
