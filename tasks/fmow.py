"""Functional Map of the World of WILDS, the test set of later years: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Subgroups, Task

# WILDS leaves its region "Other", a handful of images, out of the worst region. The evaluation behind the published
# table counts it, and so does this: a worst region of exactly 0 is common there.
TASK = Task(
    name="fmow",
    summary="62 uses of land and buildings seen by satellites, 224×224 colour",
    dataset=HubDataset(path="djghosh/wds_wilds-fmow_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=22_108,
    n_classes=62,
    subgroups=Subgroups(column="npy", index=0, meaning="region of the world"),
    main_score="worst_group_top1",
    source="Christie et al. 2018, arXiv 1711.07846; split of WILDS, arXiv 2012.07421",
    license="Functional Map of the World Challenge Public License",
    groups=("standard", "wilds"),
)
