"""PatchCamelyon, test set: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="pcam",
    summary="stained lymph node with or without tumour, 96×96 microscope images",
    dataset=HubDataset(path="djghosh/wds_vtab-pcam_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=32_768,
    n_classes=2,
    main_score="top1",
    source="Veeling et al. 2018, arXiv 1806.03962, from slides of Camelyon16",
    license="CC0-1.0",
    groups=("standard", "vtab"),
)
