"""CLEVR's validation images, labelled by VTAB with the distance of the nearest object: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

# Labels are bins of the distance that end at 8, 8.5, 9, 9.5 and 10. The fourth name is blank in CLIP_benchmark's list
# and an empty line in the copy's: this one is ours, so that published numbers, made without it, cannot be compared.
NAMES = ("very nearby", "nearby", "near", "moderately distant", "distant", "very distant")

TASK = Task(
    name="clevr_distance",
    summary="how far away the nearest object of a rendered scene is, 480×320",
    dataset=HubDataset(path="djghosh/wds_vtab-clevr_closest_object_distance_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=NAMES,
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=15_000,
    n_classes=6,
    main_score="top1",
    source="Johnson et al. 2017, arXiv 1612.06890; labels of VTAB, arXiv 1910.04867; names of CLIP_benchmark, but one",
    license="CC-BY-4.0",
    groups=("standard", "vtab"),
)
