"""Country211, test set: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="country211",
    summary="in which of 211 countries and territories a photo was taken",
    dataset=HubDataset(path="djghosh/wds_country211_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=21_100,
    n_classes=211,
    main_score="top1",
    source="Radford et al. 2021, arXiv 2103.00020; photos of YFCC100M that carry a position",
    license="Creative Commons, of several kinds: each photo has its own (YFCC100M)",
    groups=("standard",),
)
