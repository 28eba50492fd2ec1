"""German Traffic Sign Recognition Benchmark, test set: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="gtsrb",
    summary="43 kinds of German traffic signs cut out of video, 15 to 250 pixels",
    dataset=HubDataset(path="djghosh/wds_gtsrb_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=12_630,
    n_classes=43,
    main_score="top1",
    source="Stallkamp, Schlipsing, Salmen, Igel 2011 (IJCNN)",
    license="unknown",
    groups=("standard",),
)
