"""A task: one labelled image data set with the words to classify it by."""

from dataclasses import dataclass
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
class Task:
    """One data set to evaluate on. To add one: a file `tasks/<name>.py` with `TASK = Task(name="<name>", …)`.

    image_column, label_column: columns of the data set; labels are integers 0 … n_classes - 1.
    class_names: the words for each label, in label order; None = the names of the label column's ClassLabel.
    templates: prompts with `{}` or `{c}` where the class name goes.
    n_images: images in the split (checked whenever the task is opened); None = not known.
    source, license: where the images come from and under which terms.
    groups: suites this task belongs to, such as "core" or "bundled".
    """

    name: str
    summary: str
    dataset: HubDataset
    image_column: str = "image"
    label_column: str = "label"
    class_names: tuple[str, ...] | None = None
    templates: tuple[str, ...] = ("a photo of a {}.",)
    n_images: int | None = None
    source: str = ""
    license: str = ""
    groups: tuple[str, ...] = ()
