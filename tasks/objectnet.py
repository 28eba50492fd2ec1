"""ObjectNet, the classes that ImageNet has too: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="objectnet",
    summary="113 household objects in unusual positions, rooms and views",
    dataset=HubDataset(path="djghosh/wds_objectnet_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=18_574,
    n_classes=113,
    main_score="top1",
    source="Barbu et al. 2019 (NeurIPS)",
    license="CC-BY-4.0 with two conditions: never train or tune on it, show its images only with a red border",
    groups=("standard", "robustness"),
)
