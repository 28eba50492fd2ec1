"""SUN397, all images and no split (VTAB's test part, in other copies, has 21,750): DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="sun397",
    summary="397 kinds of scenes indoors and outdoors, photos of 200×200 and more",
    dataset=HubDataset(path="djghosh/wds_sun397_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=108_754,
    n_classes=397,
    main_score="top1",
    source="Xiao, Hays, Ehinger, Oliva, Torralba 2010 (CVPR)",
    license="unknown",
    groups=("standard", "vtab"),
)
