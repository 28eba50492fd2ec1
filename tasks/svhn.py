"""Street View House Numbers, test set, cropped digits: DataComp's copy. The published table used other prompts."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="svhn",
    summary="digits of house numbers cut out of street photos, 32×32 colour",
    dataset=HubDataset(path="djghosh/wds_vtab-svhn_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=26_032,
    n_classes=10,
    main_score="top1",
    source="Netzer et al. 2011 (NIPS workshop on deep learning)",
    license="non-commercial use only",
    groups=("standard", "vtab"),
)
