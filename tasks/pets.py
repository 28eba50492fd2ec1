"""Oxford-IIIT Pet, test set: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="pets",
    summary="37 breeds of cats and dogs, photos of about 500 pixels",
    dataset=HubDataset(path="djghosh/wds_vtab-pets_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=3669,
    n_classes=37,
    main_score="mean_class_recall",
    source="Parkhi, Vedaldi, Zisserman, Jawahar 2012 (CVPR)",
    license="CC-BY-SA-4.0",
    groups=("core", "standard", "vtab"),
)
