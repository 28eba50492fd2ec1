"""What the zoo is taught to call its pictures: the words of the bundled task files, and the names of emoji."""

from collections.abc import Mapping

DIGITS_CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGITS_TEMPLATES = (
    'a photo of the number: "{c}".',
    "a photo of the number {c}.",
    "a handwritten digit {c}.",
    "the digit {c}, written by hand.",
    "a grey picture of the digit {c}.",
)
FASHION_CLASSES = (
    "t-shirt or top", "pair of trousers", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
FASHION_TEMPLATES = (
    "a photo of the {c}.",
    "a product photo of the {c}.",
    "a grey photo of the {c}.",
    "a photo of the {c} from a fashion shop.",
    "something to wear: the {c}.",
)
EMOJI_CLASSES: Mapping[str, str] = {
    "Smileys & Emotion": "a smiling face or an emotion",
    "People & Body": "a person or a part of the body",
    "Animals & Nature": "an animal or a plant",
    "Food & Drink": "food or drink",
    "Travel & Places": "a place or a vehicle",
    "Activities": "an activity or a game",
    "Objects": "an object",
    "Symbols": "a symbol or a sign",
}
EMOJI_TEMPLATES = (
    "an emoji of {c}.",
    "an emoji that shows {c}.",
    "an icon of {c}.",
    "a drawing of {c}.",
    "a small picture of {c}.",
)
EMOJI_NAME_TEMPLATES = ("an emoji of {c}.", "an icon of {c}.", "{c}.")


def fill(templates: tuple[str, ...], name: str) -> list[str]:
    """The name in every template."""
    return [template.replace("{c}", name) for template in templates]


def class_captions(source: str, class_names: tuple[str, ...]) -> list[list[str]]:
    """For each class of a bundled source, the captions that a picture of it may get."""
    if source == "digits":
        return [fill(DIGITS_TEMPLATES, name) for name in DIGITS_CLASSES]
    if source == "fashion_mnist_2k":
        return [fill(FASHION_TEMPLATES, name) for name in FASHION_CLASSES]
    return [fill(EMOJI_TEMPLATES, EMOJI_CLASSES[name]) for name in class_names]
