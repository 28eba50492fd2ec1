"""CIFAR-10, test set: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="cifar10",
    summary="10 kinds of animals and vehicles, 32×32 colour",
    dataset=HubDataset(path="djghosh/wds_cifar10_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=10_000,
    n_classes=10,
    main_score="top1",
    source="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
    license="unknown",
    groups=("core", "standard"),
)
