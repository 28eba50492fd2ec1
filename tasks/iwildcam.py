"""iWildCam of WILDS, the test set of cameras not seen in training: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="iwildcam",
    summary="182 kinds of animals, empty being one, before camera traps by day and night",
    dataset=HubDataset(path="djghosh/wds_wilds-iwildcam_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=42_791,
    n_classes=182,
    main_score="f1_macro",
    source="Beery, Cole, Gjoka 2020, arXiv 2004.10340; split of WILDS, arXiv 2012.07421",
    license="CDLA-Permissive-1.0",
    groups=("standard", "wilds"),
)
