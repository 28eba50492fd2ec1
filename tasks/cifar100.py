"""CIFAR-100, test set, fine labels: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="cifar100",
    summary="100 kinds of animals, plants, people and things, 32×32 colour",
    dataset=HubDataset(path="djghosh/wds_vtab-cifar100_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=10_000,
    n_classes=100,
    main_score="top1",
    source="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
    license="unknown",
    groups=("standard", "vtab"),
)
