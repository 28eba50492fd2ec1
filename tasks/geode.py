"""GeoDE: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Subgroups, Task

TASK = Task(
    name="geode",
    summary="40 kinds of everyday things photographed for the purpose in six regions of the world",
    dataset=HubDataset(path="djghosh/wds_geode_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=12_488,
    n_classes=40,
    subgroups=Subgroups(column="npy", index=0, meaning="region of the world"),
    main_score="worst_group_top1",
    source="Ramaswamy et al. 2023, arXiv 2301.02560",
    license="CC-BY",
    groups=("standard", "fairness"),
)
