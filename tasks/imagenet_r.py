"""ImageNet-R, all of it: DataComp's copy."""

from clipkstar.task import HubDataset, OpenClipList, RepositoryFile, Task

TASK = Task(
    name="imagenet_r",
    summary="200 of ImageNet's classes as paintings, cartoons, toys, embroidery and other renditions",
    dataset=HubDataset(path="djghosh/wds_imagenet-r_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=OpenClipList(name="OPENAI_IMAGENET_TEMPLATES"),
    n_images=30_000,
    n_classes=200,
    main_score="top1",
    source="Hendrycks et al. 2021, arXiv 2006.16241",
    license="MIT (the authors' repository); the images' own terms are unknown",
    groups=("standard", "imagenet", "robustness"),
)
