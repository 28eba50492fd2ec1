"""Caltech-101, the test part of VTAB's split: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="caltech101",
    summary="101 kinds of objects and one of background clutter, photos of about 300×200",
    dataset=HubDataset(path="djghosh/wds_vtab-caltech101_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=6085,
    n_classes=102,
    main_score="mean_class_recall",
    source="Fei-Fei, Fergus, Perona 2004 (Caltech); split of VTAB, arXiv 1910.04867",
    license="CC-BY-4.0",
    groups=("standard", "vtab"),
)
