"""Camelyon17 of WILDS, the test set of a hospital not seen in training: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Subgroups, Task

TASK = Task(
    name="camelyon17",
    summary="stained lymph node with or without tumour, 96×96 microscope images of another hospital",
    dataset=HubDataset(path="djghosh/wds_wilds-camelyon17_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=85_054,
    n_classes=2,
    subgroups=Subgroups(column="npy", index=1, meaning="slide"),
    main_score="top1",
    source="Bándi et al. 2018 (IEEE Transactions on Medical Imaging); split of WILDS, arXiv 2012.07421",
    license="CC0-1.0",
    groups=("standard", "wilds"),
)
