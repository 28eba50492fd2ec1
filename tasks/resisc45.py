"""NWPU-RESISC45, the fifth that VTAB keeps for testing: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="resisc45",
    summary="45 kinds of places seen from above, 256×256 colour",
    dataset=HubDataset(path="djghosh/wds_vtab-resisc45_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=6300,
    n_classes=45,
    main_score="top1",
    source="Cheng, Han, Lu 2017, arXiv 1703.00121; split of VTAB, arXiv 1910.04867",
    license="unknown",
    groups=("standard", "vtab"),
)
