"""What a task's rows must be like to evaluate on; most rules give one sentence, or None where they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipkstar.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipkstar.task import Task


def check_revision(task: Task, revision: str | None) -> None:
    """Raise InputError for a revision of local files."""
    if revision is not None and task.dataset.is_local:
        raise InputError(f"task '{task.name}' reads local files, which have no revision; leave --revision out.")


def count_problem(task: Task, n_images: int) -> str | None:
    """Say that the data set has not the number of images that the task knows."""
    if task.n_images is None or n_images == task.n_images:
        return None
    return (
        f"task '{task.name}' should have {task.n_images} images, its data set has {n_images}; "
        "this is another split or copy of the data."
    )


def label_problem(task: Task, labels: NDArray[np.int64], n_names: int) -> str | None:
    """Say that labels (n_images,) are not all among 0 … n_names - 1."""
    if labels.min() >= 0 and labels.max() < n_names:
        return None
    return (
        f"task '{task.name}' has labels from {labels.min()} to {labels.max()} but {n_names} class names; "
        "each label needs a name (0 is the first)."
    )


def single_class_problem(task: Task, labels: NDArray[np.int64], limit: int | None) -> str | None:
    """Say that all labels (n_images,) are equal. limit: the size of the sample they are of; None = of all images."""
    if (labels != labels[0]).any():
        return None
    cause = "has" if limit is None else f"has, in a sample of {limit},"
    return f"task '{task.name}' {cause} images of one class only; it needs at least two classes."
