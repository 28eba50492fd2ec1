"""ImageNet-A, all of it: DataComp's copy."""

from clipkstar.task import HubDataset, OpenClipList, RepositoryFile, Task

TASK = Task(
    name="imagenet_a",
    summary="unaltered photos of 200 of ImageNet's classes, chosen because a ResNet-50 gets them wrong",
    dataset=HubDataset(path="djghosh/wds_imagenet-a_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=OpenClipList(name="OPENAI_IMAGENET_TEMPLATES"),
    n_images=7500,
    n_classes=200,
    main_score="top1",
    source="Hendrycks et al. 2021, arXiv 1907.07174",
    license="MIT (the authors' repository); the photos' own terms are unknown",
    groups=("standard", "imagenet", "robustness"),
)
