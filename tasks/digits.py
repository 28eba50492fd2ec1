"""Handwritten digits of the UCI repository, as scikit-learn ships them; the last 797 in file order are held out."""

from pathlib import Path

from clipkstar.task import HubDataset, PromptSet, Task

TASK = Task(
    name="digits",
    summary="handwritten digits, 8×8 grey",
    dataset=HubDataset(path="parquet", data_files=str(Path(__file__).parent / "_bundled" / "digits.parquet")),
    class_names=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    templates=(
        'a photo of the number: "{c}".',
        "a photo of the number {c}.",
        "a handwritten digit {c}.",
        "the digit {c}, written by hand.",
        "a grey picture of the digit {c}.",
    ),
    prompt_sets=(
        PromptSet(name="plain", templates=("the number {c}.",)),
        PromptSet(
            name="de",
            class_names=("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
            templates=('ein Foto der Zahl: "{c}".', "eine handgeschriebene {c}."),
        ),
    ),
    n_images=797,
    source="Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, UCI (scikit-learn's copy of its test part)",
    license="CC-BY-4.0",
    groups=("bundled",),
)
