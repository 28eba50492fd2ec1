"""Class names × templates → prompts."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipkstar.errors import InputError
from clipkstar.prompts import distinct_prompts, prompts_by_name, prompts_of, render


@pytest.mark.parametrize("slot", ["{}", "{c}"])
def test_the_class_name_goes_where_the_slot_is(slot: str) -> None:
    assert render(f"a photo of a {slot}.", "cat") == "a photo of a cat."


@pytest.mark.parametrize("slot", ["{}", "{c}"])
def test_every_slot_of_a_template_is_filled(slot: str) -> None:
    assert render(f"{slot}, truly {slot}", "cat") == "cat, truly cat"


@pytest.mark.parametrize("name", ["{}", "{c}", "{0}", "{", "}", "set {a, b}", "%s", r"\1", " {c} {} "])
@pytest.mark.parametrize("slot", ["{}", "{c}"])
def test_braces_in_a_class_name_stay_as_they_are(slot: str, name: str) -> None:
    assert render(f"a {slot}!", name) == "a " + name + "!"


def test_other_braces_in_a_template_stay_as_they_are() -> None:
    assert render("{x} {0} a {c}", "cat") == "{x} {0} a cat"


def test_quotes_around_the_slot_stay() -> None:
    assert render('the number: "{c}".', "one") == 'the number: "one".'


def test_a_template_without_a_slot_is_an_error() -> None:
    with pytest.raises(InputError) as raised:
        render("a photo.", "cat")
    assert str(raised.value) == ("the template 'a photo.' has no {} for the class name; write it where the name goes.")


@pytest.mark.parametrize(
    ("templates", "shown"), [([], "[]"), ((), "()"), ("", "''"), ("a photo of a {}.", "'a photo of a {}.'")]
)
def test_no_template_and_one_outside_a_tuple_are_errors(templates: Sequence[str], shown: str) -> None:
    with pytest.raises(InputError) as raised:
        prompts_of(["cat", "dog"], templates)
    assert str(raised.value) == (
        f"the templates are {shown}; they need to be a tuple of strings, such as ('a photo of a {{}}.',)."
    )


def test_prompts_come_in_the_order_of_classes_and_then_templates() -> None:
    prompts, by_class = distinct_prompts(prompts_of(["cat", "dog"], ["a {}", "the {}"]))
    assert prompts == ["a cat", "the cat", "a dog", "the dog"]
    assert by_class == [[0, 1], [2, 3]]


def test_equal_class_names_share_their_prompts() -> None:
    prompts, by_class = distinct_prompts(prompts_of(["crane", "cat", "crane"], ["a {}", "the {}"]))
    assert prompts == ["a crane", "the crane", "a cat", "the cat"]
    assert by_class == [[0, 1], [2, 3], [0, 1]]


def test_equal_prompts_of_different_names_are_encoded_once() -> None:
    prompts, by_class = distinct_prompts(prompts_of(["cat", "black cat"], ["a {}", "a black {}"]))
    assert prompts == ["a cat", "a black cat", "a black black cat"]
    assert by_class == [[0, 1], [1, 2]]


def test_prompts_written_out_for_each_class_come_in_label_order_and_may_differ_in_number() -> None:
    by_class = {"dog": ["a dog.", "barks"], "cat": ["a cat."]}
    assert prompts_by_name(["cat", "dog"], by_class) == (("a cat.",), ("a dog.", "barks"))


@pytest.mark.parametrize(
    ("by_class", "sentence"),
    [
        ({"cat": ["a cat."]}, "the prompts have no class 'dog'; they need one of each of 2 class names."),
        ({"cat": ["a"], "dog": []}, "the prompts of class 'dog' are []; they need to be a list of sentences."),
        ({"cat": ["a"], "dog": "b"}, "the prompts of class 'dog' are 'b'; they need to be a list of sentences."),
        ({"cat": [" "], "dog": ["b"]}, "the prompts of class 'cat' are [' ']; they need to be a list of sentences."),
    ],
)
def test_a_class_without_prompts_is_an_error(by_class: dict[str, Sequence[str]], sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        prompts_by_name(["cat", "dog"], by_class)
    assert str(raised.value) == sentence


words = st.text(alphabet="ab{}c ", max_size=5)


@given(names=st.lists(words, max_size=6), templates=st.lists(words.map(lambda text: f"{{c}}{text}"), min_size=1))
def test_the_positions_lead_back_to_every_class_and_template(names: list[str], templates: list[str]) -> None:
    prompts, by_class = distinct_prompts(prompts_of(names, templates))
    assert len(set(prompts)) == len(prompts)
    rests = [template.split("{c}")[1:] for template in templates]
    expected = [["".join(name + part for part in rest) for rest in rests] for name in names]
    assert [[prompts[position] for position in positions] for positions in by_class] == expected
