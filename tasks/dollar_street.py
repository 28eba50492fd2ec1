"""Dollar Street: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Subgroups, Task

TASK = Task(
    name="dollar_street",
    summary="58 kinds of household things in homes of all incomes all over the world",
    dataset=HubDataset(path="djghosh/wds_dollar_street_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=3503,
    n_classes=58,
    subgroups=Subgroups(column="npy", index=0, meaning="level of income"),
    main_score="worst_group_top5",
    source="Gaviria Rojas et al. 2022 (NeurIPS Datasets and Benchmarks); photos of Gapminder",
    license="CC-BY-SA-4.0",
    groups=("standard", "fairness"),
)
