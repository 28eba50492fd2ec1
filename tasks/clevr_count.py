"""CLEVR's validation images, labelled by VTAB with the number of their objects: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="clevr_count",
    summary="how many objects, three to ten, lie in a rendered scene, 480×320",
    dataset=HubDataset(path="djghosh/wds_vtab-clevr_count_all_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=15_000,
    n_classes=8,
    main_score="top1",
    source="Johnson et al. 2017, arXiv 1612.06890; labels of VTAB, arXiv 1910.04867",
    license="CC-BY-4.0",
    groups=("standard", "vtab"),
)
