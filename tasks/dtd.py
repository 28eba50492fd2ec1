"""Describable Textures, test set of the first of its ten splits, as VTAB takes it: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="dtd",
    summary="47 textures named by an adjective, such as striped or bumpy; photos of 300 to 640 pixels",
    dataset=HubDataset(path="djghosh/wds_vtab-dtd_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=1880,
    n_classes=47,
    main_score="top1",
    source="Cimpoi et al. 2014, arXiv 1311.3618",
    license="for research purposes",
    groups=("core", "standard", "vtab"),
)
