"""ImageNetV2, the variant of matched frequency: DataComp's copy."""

from clipkstar.task import HubDataset, OpenClipList, Task

TASK = Task(
    name="imagenetv2",
    summary="ImageNet's 1,000 classes collected again from Flickr in the way of the first time",
    dataset=HubDataset(path="djghosh/wds_imagenetv2_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=OpenClipList(name="IMAGENET_CLASSNAMES"),
    templates=OpenClipList(name="OPENAI_IMAGENET_TEMPLATES"),
    n_images=10_000,
    n_classes=1000,
    main_score="top1",
    source="Recht, Roelofs, Schmidt, Shankar 2019, arXiv 1902.10811",
    license="MIT (the authors' repository); the photos' own terms are unknown",
    groups=("standard", "imagenet", "robustness"),
)
