"""Rendered SST2, test set: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="renderedsst2",
    summary="sentences of film reviews, kind or unkind, printed black on white, 448×448",
    dataset=HubDataset(path="djghosh/wds_renderedsst2_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=1821,
    n_classes=2,
    main_score="top1",
    source="Radford et al. 2021, arXiv 2103.00020; sentences of Socher et al. 2013 (EMNLP)",
    license="unknown",
    groups=("core", "standard"),
)
