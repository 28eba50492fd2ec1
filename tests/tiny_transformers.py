"""Tiny CLIP and SigLIP models of Hugging Face transformers, made and saved offline."""

from pathlib import Path

import torch

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**TOWER, "image_size": 32, "patch_size": 8}
CORPUS = [f"a photo of the number {word}, a {color} thing." for word in ("one", "seven") for color in ("red", "blue")]


def save_clip(folder: Path) -> Path:
    """A random CLIP whose tokenizer spells words letter by letter; its processor resizes to 36 and crops 32."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: position for position, token in enumerate(tokens)}
    ends = {"bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1, "pad_token_id": len(tokens) - 1}
    CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    text = {**TOWER, **ends, "vocab_size": len(tokens), "max_position_embeddings": 77}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=16)).save_pretrained(folder)
    crop = {"height": 32, "width": 32}
    CLIPImageProcessor(size={"shortest_edge": 36}, crop_size=crop).save_pretrained(folder)
    return folder


def save_siglip(folder: Path) -> Path:
    """A random SigLIP with a sentencepiece tokenizer and, as the published ones, without an attention mask."""
    import sentencepiece
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipTokenizer

    folder.mkdir(exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_prefix=str(folder / "spiece"), vocab_size=60, hard_vocab_limit=False,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    tokenizer = SiglipTokenizer(str(folder / "spiece.model"), model_max_length=16, model_input_names=["input_ids"])
    tokenizer.save_pretrained(folder)
    ends = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 1}
    text = {**TOWER, **ends, "vocab_size": 60, "max_position_embeddings": 16}
    torch.manual_seed(0)
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=VISION))
    torch.nn.init.constant_(model.logit_scale, 2.0)
    torch.nn.init.constant_(model.logit_bias, -3.0)
    model.save_pretrained(folder)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
