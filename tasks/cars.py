"""Stanford Cars, test set: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="cars",
    summary="196 cars by make, model and year, photos of many sizes",
    dataset=HubDataset(path="djghosh/wds_cars_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=8041,
    n_classes=196,
    main_score="top1",
    source="Krause, Stark, Deng, Fei-Fei 2013 (3dRR workshop)",
    license="unknown",
    groups=("standard",),
)
