"""MNIST, test set: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="mnist",
    summary="handwritten digits, 28×28 grey",
    dataset=HubDataset(path="djghosh/wds_mnist_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=10_000,
    n_classes=10,
    main_score="top1",
    source="LeCun, Bottou, Bengio, Haffner 1998 (Proceedings of the IEEE)",
    license="unknown",
    groups=("standard",),
)
