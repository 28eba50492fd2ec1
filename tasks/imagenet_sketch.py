"""ImageNet-Sketch, all of it: DataComp's copy."""

from clipkstar.task import HubDataset, OpenClipList, Task

TASK = Task(
    name="imagenet_sketch",
    summary="ImageNet's 1,000 classes as black and white drawings found on the web",
    dataset=HubDataset(path="djghosh/wds_imagenet_sketch_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=OpenClipList(name="IMAGENET_CLASSNAMES"),
    templates=OpenClipList(name="OPENAI_IMAGENET_TEMPLATES"),
    n_images=50_889,
    n_classes=1000,
    main_score="top1",
    source="Wang, Ge, Lipton, Xing 2019, arXiv 1905.13549",
    license="MIT (the authors' repository); the drawings' own terms are unknown",
    groups=("standard", "imagenet", "robustness"),
)
