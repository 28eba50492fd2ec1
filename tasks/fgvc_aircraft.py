"""FGVC-Aircraft, test set, labelled by variant: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="fgvc_aircraft",
    summary="100 variants of aircraft, large photos by plane spotters",
    dataset=HubDataset(path="djghosh/wds_fgvc_aircraft_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=3333,
    n_classes=100,
    main_score="mean_class_recall",
    source="Maji et al. 2013, arXiv 1306.5151",
    license="non-commercial research only",
    groups=("standard",),
)
