"""EuroSAT, the fifth that VTAB keeps for testing: DataComp's copy."""

from clipkstar.task import HubDataset, RepositoryFile, Task

TASK = Task(
    name="eurosat",
    summary="10 kinds of land cover seen by the Sentinel-2 satellites, 64×64 colour",
    dataset=HubDataset(path="djghosh/wds_vtab-eurosat_test", data_files="test/*.tar"),
    image_column=("webp", "png", "jpg", "jpeg"),
    label_column="cls",
    class_names=RepositoryFile(path="classnames.txt"),
    templates=RepositoryFile(path="zeroshot_classification_templates.txt"),
    n_images=5400,
    n_classes=10,
    main_score="top1",
    source="Helber et al. 2019, arXiv 1709.00029; split of VTAB, arXiv 1910.04867",
    license="MIT (the authors' repository); Copernicus Sentinel data",
    groups=("core", "standard", "vtab"),
)
