"""KITTI's object images, labelled by VTAB with the distance of the nearest vehicle: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="kitti",
    summary="how far away the nearest vehicle is, seen from a car, about 1242×375",
    dataset=HubDataset(path="djghosh/wds_vtab-kitti_closest_vehicle_distance_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=711,
    n_classes=4,
    main_score="top1",
    source="Geiger, Lenz, Stiller, Urtasun 2013 (IJRR); labels of VTAB, arXiv 1910.04867",
    license="CC-BY-NC-SA-3.0",
    groups=("core", "standard", "vtab"),
)
