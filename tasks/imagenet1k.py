"""ImageNet-1k, validation set of ILSVRC 2012: DataComp's copy."""

from clipkstar.task import HubDataset, OpenClipList, Task

TASK = Task(
    name="imagenet1k",
    summary="1,000 kinds of animals, plants and things, photos of about 500×375",
    dataset=HubDataset(path="djghosh/wds_imagenet1k_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=OpenClipList(name="IMAGENET_CLASSNAMES"),
    templates=OpenClipList(name="OPENAI_IMAGENET_TEMPLATES"),
    n_images=50_000,
    n_classes=1000,
    main_score="top1",
    source="Deng et al. 2009 (CVPR); Russakovsky et al. 2015, arXiv 1409.0575",
    license="ImageNet's terms of access: non-commercial research and education",
    groups=("standard", "imagenet"),
)
