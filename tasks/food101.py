"""Food-101, test set: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="food101",
    summary="101 dishes, photos of at most 512 pixels",
    dataset=HubDataset(path="djghosh/wds_food101_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=25_250,
    n_classes=101,
    main_score="top1",
    source="Bossard, Guillaumin, Van Gool 2014 (ECCV)",
    license="photos of Foodspotting's users: scientific fair use only",
    groups=("standard",),
)
