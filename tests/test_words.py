"""The words of a task: its own, of its repository, of open_clip, or the user's."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES

from clipkstar.data.words import PromptChoice, Wording, repository_files, word
from clipkstar.errors import InputError
from clipkstar.task import HubDataset, OpenClipList, PromptSet, RepositoryFile, Task

TASK = Task(
    name="pets",
    summary="two pets",
    dataset=HubDataset(path="org/pets", data_files="test/*.tar"),
    class_names=("cat", "dog"),
    templates=("a {}.", "the {c}."),
    prompt_sets=(
        PromptSet(name="de", class_names=("Katze", "Hund"), templates=("ein Foto: {c}.",)),
        PromptSet(name="told", by_class={"cat": ("it purrs.",), "dog": ("it barks.", "it fetches.")}),
        PromptSet(name="short", templates=("{}",)),
    ),
)
IN_REPOSITORY = replace(TASK, class_names=RepositoryFile(path="names.txt"), templates=RepositoryFile(path="t.txt"))


def _word(task: Task = TASK, *, label_names: tuple[str, ...] = (), folder: Path | None = None, **chosen) -> Wording:
    return word(task, PromptChoice(**chosen), label_names=label_names, folder=folder)


def _refusal(task: Task = TASK, **options) -> str:
    with pytest.raises(InputError) as raised:
        _word(task, **options)
    return str(raised.value)


def _file(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_without_a_choice_a_task_speaks_its_own_words():
    words = _word()
    assert (words.class_names, words.templates, words.prompt_set) == (("cat", "dog"), ("a {}.", "the {c}."), "")
    assert words.prompts == (("a cat.", "the cat."), ("a dog.", "the dog."))


def test_a_task_without_names_takes_those_of_the_label_column():
    assert _word(replace(TASK, class_names=None), label_names=("x", "y")).class_names == ("x", "y")
    assert _refusal(replace(TASK, class_names=None)) == (
        "task 'pets' has no class names and its label column has none; give class_names, or --class-names FILE."
    )


def test_words_of_the_repository_are_read_line_by_line_without_the_space_around_them(tmp_path):
    _file(tmp_path, "names.txt", "cat \r\n  dog\n")
    _file(tmp_path, "t.txt", "a photo of a {c}.\nsome {c}\n")
    words = _word(IN_REPOSITORY, folder=tmp_path)
    assert words.class_names == ("cat", "dog")
    assert words.prompts == (("a photo of a cat.", "some cat"), ("a photo of a dog.", "some dog"))
    assert repository_files(IN_REPOSITORY) == ["names.txt", "t.txt"]
    assert repository_files(TASK) == []


def test_a_blank_line_among_the_names_of_a_repository_is_refused(tmp_path):
    _file(tmp_path, "names.txt", "cat\n\ndog\n")
    _file(tmp_path, "t.txt", "{c}\n")
    assert _refusal(IN_REPOSITORY, folder=tmp_path) == (
        "task 'pets' has a blank class name for label 1; each class needs a name."
    )


def test_another_number_of_names_than_the_task_has_classes_is_refused(tmp_path):
    _file(tmp_path, "names.txt", "cat\ndog\n")
    _file(tmp_path, "t.txt", "{c}\n")
    assert _refusal(replace(IN_REPOSITORY, n_classes=3), folder=tmp_path) == (
        "task 'pets' should have 3 classes, there are 2 class names; this is another list or copy of the data."
    )


def test_words_of_a_repository_that_is_local_files_are_refused():
    assert _refusal(IN_REPOSITORY) == (
        "task 'pets' takes its words from a repository but reads local files; name them."
    )


def test_the_lists_of_open_clip_are_names_and_templates():
    task = replace(
        TASK,
        class_names=OpenClipList(name="IMAGENET_CLASSNAMES"),
        templates=OpenClipList(name="OPENAI_IMAGENET_TEMPLATES"),
    )
    words = _word(task)
    assert words.class_names == tuple(IMAGENET_CLASSNAMES)
    assert words.prompts[2] == tuple(template(IMAGENET_CLASSNAMES[2]) for template in OPENAI_IMAGENET_TEMPLATES)


def test_a_file_of_templates_and_one_of_names_go_before_the_own_ones(tmp_path):
    templates = _file(tmp_path, "templates.txt", "one {}\nmany {c}s\n")
    names = _file(tmp_path, "names.txt", "pussy-cat\npuppy\n")
    assert _word(templates=templates).prompts == (("one cat", "many cats"), ("one dog", "many dogs"))
    assert _word(class_names=names).prompts[1] == ("a puppy.", "the puppy.")
    assert _word(templates=templates, class_names=names).prompts[0] == ("one pussy-cat", "many pussy-cats")


def test_a_prompt_set_in_another_language_has_its_own_names_and_templates(tmp_path):
    words = _word(prompts="de")
    assert (words.class_names, words.prompt_set) == (("Katze", "Hund"), "de")
    names = _file(tmp_path, "names.txt", "Mieze\nWauwau\n")
    assert _word(prompts="de", class_names=names).prompt_set == "de+names"
    assert words.prompts == (("ein Foto: Katze.",), ("ein Foto: Hund.",))


def test_a_prompt_set_may_have_templates_only_or_prompts_written_out():
    assert _word(prompts="short").prompts == (("cat",), ("dog",))
    told = _word(prompts="told")
    assert (told.class_names, told.templates) == (("cat", "dog"), ())
    assert told.prompts == (("it purrs.",), ("it barks.", "it fetches."))


def test_prompts_of_each_class_come_from_a_json_file(tmp_path):
    path = _file(tmp_path, "mine.json", json.dumps({"dog": ["woof"], "cat": ["miaow", "purr"]}))
    words = _word(prompts=str(path))
    assert (words.prompts, words.templates, words.prompt_set) == ((("miaow", "purr"), ("woof",)), (), "mine")


def test_one_of_several_prompt_sets_of_a_json_file_is_chosen_by_its_name(tmp_path):
    sets = [
        {"name": "fr", "class_names": ["chat", "chien"], "templates": ["un {}"]},
        {"name": "plain", "templates": ["{c}"]},
    ]
    path = _file(tmp_path, "sets.json", json.dumps(sets))
    assert _word(prompts=f"{path}:fr").prompts == (("un chat",), ("un chien",))
    assert _word(prompts=f"{path}:plain").prompts == (("cat",), ("dog",))
    assert _refusal(prompts=str(path)) == (
        "'sets.json' holds the prompt sets fr, plain; write --prompts sets.json:NAME."
    )
    assert _refusal(prompts=f"{path}:fe") == "there is no prompt set 'fe'; did you mean 'fr'?"
    alone = _file(tmp_path, "alone.json", json.dumps(sets[:1]))
    assert _word(prompts=str(alone)).prompt_set == "fr"


def test_an_unknown_prompt_set_is_refused_with_the_known_ones(tmp_path):
    assert _refusal(prompts="nl") == "there is no prompt set 'nl'; known are de, short, told."
    missing = tmp_path / "none.json"
    assert _refusal(prompts=str(missing)) == f"there is no file of prompts '{missing}'; check the path."


UNREAD = "the prompts cannot be read from 'bad.json' ("
SHAPE = (
    "'bad.json' holds no prompts; it needs {class name: [prompt, …]}, or a list of objects with name, class_names, "
    "templates, by_class."
)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[1,", UNREAD + "Expecting value: line 1 column 4 (char 3)); check the file."),
        ('{"cat": ["a"], "cat": ["b"], "dog": ["c"]}', UNREAD + "'cat' occurs twice); check the file."),
        ('"cat"', SHAPE),
        ('["cat"]', SHAPE),
        ('{"cat": "miaow"}', "'bad.json' has 'miaow' for 'cat'; it needs a list of sentences."),
        ('[{"templates": ["{}"]}]', "a prompt set in 'bad.json' has no name; give it one."),
        (
            '[{"name": "de", "template": ["ein {}"]}]',
            "a prompt set in 'bad.json' has 'template', it may have name, class_names, templates, by_class; "
            "correct it.",
        ),
        (
            '[{"name": "en"}]',
            "the prompt set 'en' in 'bad.json' says nothing; it needs one of class_names, templates, by_class.",
        ),
        (
            '[{"name": "en", "by_class": ["a"]}]',
            "the prompt set 'en' in 'bad.json' needs {class name: [prompt, …]} as by_class.",
        ),
        (
            '[{"name": "en", "templates": ["{}"]}, {"name": "en", "templates": ["a {}"]}]',
            "'bad.json' has two prompt sets named 'en'; rename one.",
        ),
        (
            '{"cat": ["a"], "dog": ["b"], "cow": ["c"]}',
            "the prompts have the class 'cow', which the task has not; remove or correct it.",
        ),
    ],
)
def test_a_file_of_prompts_that_is_not_understood_in_full_is_refused(tmp_path, content, sentence):
    path = _file(tmp_path, "bad.json", content)
    assert _refusal(prompts=str(path)) == sentence


def test_a_list_of_names_of_another_length_than_the_task_has_classes_is_refused(tmp_path):
    names = _file(tmp_path, "names.txt", "header\ncat\ndog\n")
    sentence = "task 'pets' should have 2 classes, there are 3 class names; this is another list or copy of the data."
    assert _refusal(class_names=names) == sentence
    assert _refusal(replace(TASK, class_names=None), class_names=names, label_names=("a", "b")) == sentence


def test_words_that_are_the_tasks_own_are_no_other_prompt_set(tmp_path):
    templates = _file(tmp_path, "mine.txt", "a {}.\nthe {c}.\n")
    assert _word(templates=templates) == _word()
    assert _word(templates=_file(tmp_path, "other.txt", "a {}.\n")).prompt_set == "other"


def test_a_repository_without_a_file_of_words_is_one_sentence(tmp_path):
    assert _refusal(IN_REPOSITORY, folder=tmp_path) == (
        "the repository of task 'pets' has no 'names.txt'; give --class-names FILE and --templates FILE for what it "
        "lacks."
    )


def test_prompts_and_templates_at_once_are_refused(tmp_path):
    templates = _file(tmp_path, "templates.txt", "one {}\n")
    assert _refusal(prompts="de", templates=templates) == ("--prompts and --templates were both given; leave one out.")


def test_a_file_of_words_that_cannot_be_read_is_refused(tmp_path):
    missing = tmp_path / "none.txt"
    assert _refusal(templates=missing).startswith("the templates cannot be read from 'none.txt' (")
    latin = tmp_path / "latin.txt"
    latin.write_bytes("caf\xe9\n".encode("latin-1"))
    assert _refusal(class_names=latin).startswith("the class names cannot be read from 'latin.txt' (")
