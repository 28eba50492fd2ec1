"""A task: one labelled image data set with the words to classify it by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

BUILDERS = ("parquet", "webdataset", "imagefolder", "arrow")
"""Builders of Hugging Face `datasets` that read local files, by the name that `load_dataset` gives them."""


@dataclass(frozen=True, kw_only=True)
class HubDataset:
    """Where the rows of a task are.

    path: a hub repository ("org/name"), or one of BUILDERS for local files.
    data_files: file or glob, inside the repository or (for a builder) on this machine; None = what the repository
        declares for `split`. Name it where you can: without it the whole repository is downloaded.
    split: the split to read; with `data_files` those files are the split, and it is recorded only.
    revision: commit, tag or branch of a hub repository; None = the newest one, resolved when it is opened and recorded.
    """

    path: str
    data_files: str | None = None
    split: str = "test"
    revision: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether the rows are files on this machine, so that no network is needed."""
        return self.path in BUILDERS

    @property
    def title(self) -> str:
        """The name in records: the repository, or builder and file name; never a folder of this machine."""
        return f"{self.path}:{PurePath(self.data_files or '').name}" if self.is_local else self.path


@dataclass(frozen=True, kw_only=True)
class RepositoryFile:
    """Words that stand in a text file of the data set's own repository, one a line, read at the images' revision."""

    path: str


@dataclass(frozen=True, kw_only=True)
class OpenClipList:
    """Words that open_clip ships: the name of a list in `open_clip.zero_shot_metadata`."""

    name: str


Words = tuple[str, ...] | RepositoryFile | OpenClipList


@dataclass(frozen=True, kw_only=True)
class PromptSet:
    """Another wording of a task's classes, such as one in another language; chosen by name.

    class_names: in label order; None = the task's own. templates: with `{}` or `{c}` where the class name goes.
    by_class: class name → its prompts, written out; goes before templates.
    """

    name: str
    class_names: tuple[str, ...] | None = None
    templates: tuple[str, ...] = ()
    by_class: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Subgroups:
    """Which part of the population an image comes from, for scores such as the accuracy of the worst region.

    column: of the data set; each cell is a whole number, or an array of them with the one meant at `index`.
    meaning: what the numbers stand for, such as "region".
    """

    column: str
    index: int = 0
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """One data set to evaluate on. To add one: a file `tasks/<name>.py` with `TASK = Task(name="<name>", …)`.

    image_column, label_column: columns of the data set; labels are integers 0 … n_classes - 1. Several image columns
        are alternatives, of which the data set has one.
    class_names: the words for each label, in label order; None = the names of the label column's ClassLabel.
    templates: prompts with `{}` or `{c}` where the class name goes.
    prompt_sets: further wordings to choose from.
    n_images, n_classes: of the split (checked whenever the task is opened); None = not known.
    subgroups: where the data set says which part of the population an image comes from.
    main_score: the score that published tables give for this data set.
    source, license: where the images come from and under which terms.
    groups: suites this task belongs to, such as "core" or "bundled".
    """

    name: str
    summary: str
    dataset: HubDataset
    image_column: str | tuple[str, ...] = "image"
    label_column: str = "label"
    class_names: Words | None = None
    templates: Words = ("a photo of a {}.",)
    prompt_sets: tuple[PromptSet, ...] = ()
    n_images: int | None = None
    n_classes: int | None = None
    subgroups: Subgroups | None = None
    main_score: str = "top1"
    source: str = ""
    license: str = ""
    groups: tuple[str, ...] = ()
