"""Oxford Flowers-102, test set: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="flowers",
    summary="102 kinds of flowers that grow in Britain, photos of 500 pixels and more",
    dataset=HubDataset(path="djghosh/wds_vtab-flowers_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=6149,
    n_classes=102,
    main_score="mean_class_recall",
    source="Nilsback, Zisserman 2008 (ICVGIP)",
    license="unknown",
    groups=("standard", "vtab"),
)
