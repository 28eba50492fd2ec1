"""FER-2013, both test parts: CLIP_benchmark's copy (DataComp has none)."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="fer2013",
    summary="7 expressions of faces, 48×48 grey",
    dataset=HubDataset(path="clip-benchmark/wds_fer2013", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=7178,
    n_classes=7,
    main_score="top1",
    source="Goodfellow et al. 2013, arXiv 1307.0414",
    license="unknown",
    groups=("standard",),
)
