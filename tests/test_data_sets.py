"""Which runs are one data set, and what each is called."""

from hand_made_runs import hand_made
from hypothesis import given
from hypothesis import strategies as st

from clipkstar.data_sets import data_set_labels, key_of, split_notices
from clipkstar.run import Run

WHOLE = [hand_made("a"), hand_made("b"), hand_made("c")]


def labels(*others: Run) -> list[str]:
    return list(data_set_labels([*others, *WHOLE]).values())


def test_runs_of_one_kind_are_one_data_set_of_the_name_of_the_task() -> None:
    assert labels(hand_made("d", device="cuda", batch_size=7, lineage="x")) == ["digits"]


def test_another_precision_and_another_space_are_data_sets_of_their_own() -> None:
    half = hand_made("a", precision="fp16")
    before = hand_made("a", space="pre_projection")
    both = hand_made("a", precision="fp16", space="pre_projection")
    expected = ["digits", "digits (pre_projection)", "digits (fp16)", "digits (fp16, pre_projection)"]
    assert labels(half, before, both) == expected


def test_a_sample_says_so_even_where_there_is_nothing_else() -> None:
    sample = hand_made("a", limit=200, fingerprint="1" * 64)
    assert list(data_set_labels([sample]).values()) == ["digits (sample of 200)"]
    assert list(data_set_labels([sample, sample, WHOLE[0]]).values()) == ["digits", "digits (sample of 200)"]


def test_other_words_are_told_by_their_name_or_hash() -> None:
    named = hand_made("a", fingerprint="1" * 64, templates=("this is {}.",), prompt_set="plain")
    own = hand_made("a", fingerprint="123456789" * 7, templates=("this is {}.",))
    assert labels(named) == ["digits", "digits (prompts plain)"]
    assert labels(own) == ["digits", "digits (prompts 12345678)"]


def test_other_images_and_other_class_names_are_told_by_a_hash() -> None:
    images = hand_made("a", fingerprint="1" * 64, revision="2" * 40)
    hidden = hand_made("a", fingerprint="3" * 64)
    assert labels(images, hidden) == ["digits", "digits (images 11111111)", "digits (variant 33333333)"]


def test_two_samples_of_equal_size_keep_different_names() -> None:
    samples = [hand_made("a", limit=200, fingerprint=digit * 64) for digit in "12"]
    assert labels(*samples) == ["digits", "digits (sample of 200) (11111111)", "digits (sample of 200) (22222222)"]


def test_the_largest_keeps_the_name_and_of_equally_large_ones_the_usual() -> None:
    half = [hand_made(model, precision="fp16") for model in "abcd"]
    assert list(data_set_labels([*half, *WHOLE]).values()) == ["digits", "digits (fp32)"]
    assert list(data_set_labels([*half[:3], *WHOLE]).values()) == ["digits", "digits (fp16)"]
    plain = [hand_made(model, prompt_set="plain", fingerprint="0" * 64) for model in "abc"]
    assert list(data_set_labels([*plain, *WHOLE]).values()) == ["digits", "digits (prompts plain)"]


def test_tasks_come_by_name() -> None:
    runs = [hand_made("a", name=name, fingerprint=name) for name in ("svhn", "cars")]
    assert list(data_set_labels(runs).values()) == ["cars", "svhn"]


def test_what_was_split_is_said_with_the_number_of_runs() -> None:
    runs = [*WHOLE, hand_made("a", precision="fp16"), hand_made("a", name="cars")]
    assert split_notices(runs, data_set_labels(runs)) == [
        "digits was evaluated in 2 ways, which are kept apart, since only equal images, prompts, precision and space "
        "compare (digits: 3 runs; digits (fp16): 1 run)."
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["digits", "cars"]),
            st.sampled_from(["1" * 64, "2" * 64, "3" * 64]),
            st.sampled_from(["fp32", "fp16"]),
            st.sampled_from([None, 200]),
            st.sampled_from(["", "plain"]),
        ),
        min_size=1,
    ),
    st.randoms(),
)
def test_names_are_as_many_as_data_sets_and_do_not_depend_on_the_order(kinds, rng) -> None:
    runs = [
        hand_made(
            f"m{number}", name=name, fingerprint=fingerprint + str(limit) + words, precision=precision,
            limit=limit, prompt_set=words,
        )
        for number, (name, fingerprint, precision, limit, words) in enumerate(kinds)
    ]  # fmt: skip
    named = data_set_labels(runs)
    assert set(named) == {key_of(run) for run in runs}
    assert len(set(named.values())) == len(named)
    rng.shuffle(runs)
    assert list(data_set_labels(runs).items()) == list(named.items())
