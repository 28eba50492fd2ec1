"""STL-10, test set: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="stl10",
    summary="10 kinds of animals and vehicles, 96×96 colour, from ImageNet",
    dataset=HubDataset(path="djghosh/wds_stl10_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=8000,
    n_classes=10,
    main_score="top1",
    source="Coates, Ng, Lee 2011 (AISTATS)",
    license="unknown",
    groups=("standard",),
)
