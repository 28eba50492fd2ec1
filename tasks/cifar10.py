"""CIFAR-10 test set, from the webdataset copy that CLIP_benchmark evaluates."""

from clipkstar.task import HubDataset, Task

TASK = Task(
    name="cifar10",
    summary="10 kinds of animals and vehicles, 32×32 colour",
    dataset=HubDataset(path="clip-benchmark/wds_vtab-cifar10", data_files="test/*.tar"),
    image_column="webp",
    label_column="cls",
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    templates=(
        "a photo of a {c}.",
        "a blurry photo of a {c}.",
        "a black and white photo of a {c}.",
        "a low contrast photo of a {c}.",
        "a high contrast photo of a {c}.",
        "a bad photo of a {c}.",
        "a good photo of a {c}.",
        "a photo of a small {c}.",
        "a photo of a big {c}.",
        "a photo of the {c}.",
        "a blurry photo of the {c}.",
        "a black and white photo of the {c}.",
        "a low contrast photo of the {c}.",
        "a high contrast photo of the {c}.",
        "a bad photo of the {c}.",
        "a good photo of the {c}.",
        "a photo of the small {c}.",
        "a photo of the big {c}.",
    ),
    n_images=10_000,
    source="Krizhevsky 2009; prompts of Radford et al., arXiv 2103.00020",
    license="unknown",
    groups=("core",),
)
