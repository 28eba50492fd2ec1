"""Fashion-MNIST: 200 test images of each class, drawn with a fixed seed."""

from pathlib import Path

from clipkstar.task import HubDataset, Task

TASK = Task(
    name="fashion_mnist_2k",
    summary="clothes from a shop's catalogue, 28×28 grey",
    dataset=HubDataset(path="parquet", data_files=str(Path(__file__).parent / "_bundled" / "fashion_mnist_2k.parquet")),
    class_names=(
        "t-shirt or top",
        "pair of trousers",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    templates=(
        "a photo of the {c}.",
        "a product photo of the {c}.",
        "a grey photo of the {c}.",
        "a photo of the {c} from a fashion shop.",
        "something to wear: the {c}.",
    ),
    n_images=2000,
    source="Xiao, Rasul, Vollgraf, arXiv 1708.07747 (Zalando Research), test set",
    license="MIT",
    groups=("bundled",),
)
