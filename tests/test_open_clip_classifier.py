"""Classifiers of real model classes, at full size with random weights, against open_clip's own builder and transform.

The vocabularies of SigLIP and RoBERTa lie on the hub; in their place stands one that is trained on the prompts here.
"""

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, RobertaConfig

from clipkstar.class_logits import class_logits
from clipkstar.embed import embed_classes
from clipkstar.embeddings import Embeddings
from clipkstar.encoder import Request
from clipkstar.encoders.open_clip import FAMILY
from clipkstar.pixels import resizer
from clipkstar.prompts import prompts_of

MODELS = ("ViT-B-32", "RN50", "coca_ViT-B-32", "ViT-B-16-SigLIP", "roberta-ViT-B-32")
CLASS_NAMES = ("dog", "St. Bernard (dog)", "aeroplane seen from below", "T-shirt or top", "7", "ice cream", "a {brace}")
TEMPLATES = ("a photo of a {}.", "{}", "A blurry, black-and-white picture of the large {} in somebody's garden!")
PROMPTS = prompts_of(CLASS_NAMES, TEMPLATES)

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Smooth random pictures of several shapes."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (8, 5, 5, 3), dtype=np.uint8)
    sizes = random.integers(100, 500, (8, 2)).tolist()
    return [Image.fromarray(pixels).resize(size) for pixels, size in zip(coarse, sizes, strict=True)]


def _write_tokenizer(folder: Path, *, pad: str, start: str) -> None:
    """A tokenizer in the format of Hugging Face, with SigLIP's or RoBERTa's padding and special tokens."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator([prompt for of_class in PROMPTS for prompt in of_class], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A </s>".strip(), special_tokens=[(token, special.index(token)) for token in ("<s>", "</s>")]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=pad, eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(folder)


def _write_config(name: str, folder: Path) -> None:
    """open_clip's own config of that name and the tokenizer, in open_clip's folder format."""
    config = open_clip.get_model_config(name)
    if "SigLIP" in name:
        _write_tokenizer(folder, pad="</s>", start="")
    if name.startswith("roberta"):
        _write_tokenizer(folder, pad="<pad>", start="<s>")
        RobertaConfig(max_position_embeddings=514).save_pretrained(folder)
        config["text_cfg"]["hf_model_name"] = str(folder)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))


def _of_open_clip(folder: Path, pictures: list[Image.Image]) -> tuple[Floats, Floats]:
    """Class embeddings (n_classes, dim) and logits (n_images, n_classes) by open_clip alone, with random weights.

    The weights are left in the folder.
    """
    source = f"local-dir:{folder}"
    torch.manual_seed(0)
    model, _, preprocess = open_clip.create_model_and_transforms(source, load_weights=False, pretrained_text=False)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    tokenizer = open_clip.get_tokenizer(source)
    classifier = open_clip.build_zero_shot_classifier(model.eval(), tokenizer, CLASS_NAMES, TEMPLATES)
    with torch.inference_mode():
        images = model.encode_image(torch.stack([preprocess(picture) for picture in pictures]), normalize=True)
        logits = model.logit_scale.exp() * images @ classifier + (getattr(model, "logit_bias", None) or 0)
    return classifier.T.numpy(), logits.numpy()


def _of_clipkstar(folder: Path, pictures: list[Image.Image]) -> tuple[Floats, Floats]:
    """The same by clipkstar, with the weights in the folder."""
    encoder = FAMILY.load(FAMILY.resolve(Request(model=f"local-dir:{folder}")), "cpu", "fp32")
    assert encoder.geometry is not None
    prepare = resizer(encoder.geometry)
    embeddings = Embeddings(
        images=encoder.encode_images(np.stack([prepare(picture) for picture in pictures])),
        labels=np.zeros(len(pictures), dtype=np.int64),
        rows=np.arange(len(pictures)),
        class_names=CLASS_NAMES,
        classes=embed_classes(encoder, PROMPTS),
        logit_scale=encoder.logit_scale,
        logit_bias=encoder.logit_bias,
    )
    assert embeddings.classes is not None
    return embeddings.classes, class_logits(embeddings)


@pytest.mark.parametrize("name", MODELS)
def test_the_classifier_and_the_predictions_are_those_of_open_clip(
    name: str, pictures: list[Image.Image], tmp_path: Path
) -> None:
    _write_config(name, tmp_path)
    expected_classes, expected_logits = _of_open_clip(tmp_path, pictures)
    classes, logits = _of_clipkstar(tmp_path, pictures)
    np.testing.assert_allclose(classes, expected_classes, rtol=0, atol=1e-5)
    # 1e-5 of a cosine; logits are cosines times a scale of 14.
    np.testing.assert_allclose(logits, expected_logits, rtol=0, atol=14e-5)
    np.testing.assert_array_equal(logits.argsort(axis=1), expected_logits.argsort(axis=1))
