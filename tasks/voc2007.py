"""Pascal VOC 2007, test set, each object cut out by its box, so that an image has one label: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="voc2007",
    summary="20 kinds of people, animals, vehicles and furniture, cut out of photos",
    dataset=HubDataset(path="djghosh/wds_voc2007_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=14_976,
    n_classes=20,
    main_score="top1",
    source="Everingham et al. 2010 (IJCV)",
    license="photos of Flickr: Flickr's terms of use",
    groups=("standard",),
)
