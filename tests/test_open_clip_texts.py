"""Prompts cut to the longest of their batch, against open_clip's own padded text towers."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip import CLIP, CoCa, CustomTextCLIP

from clipkstar.encoder import Precision, Request
from clipkstar.encoders import _open_clip_texts, zoo
from clipkstar.encoders._open_clip_texts import (
    CHECK_PROMPTS,
    TOLERANCES,
    causal_tower,
    cut_changes_nothing,
    encode_tokens,
)
from clipkstar.encoders._precision import computing
from clipkstar.encoders.open_clip import FAMILY, OpenClipEncoder

WORDS = (
    "cat",
    "dog",
    "river",
    "traffic",
    "light",
    "golden",
    "retriever",
    "photo",
    "of",
    "a",
    "the",
    "large",
    "red",
    "old",
)
VISION = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 3}
END_OF_TEXT = 49407

Model = CLIP | CustomTextCLIP | CoCa


def prompts(n: int) -> list[str]:
    """Prompts of 1 to 40 words."""
    draw = random.Random(n)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, 40))) for _ in range(n)]


def tokens_of(texts: list[str]) -> torch.Tensor:
    return open_clip.SimpleTokenizer()(texts)


def built(make: Callable[..., Model], **text: object) -> Model:
    """A small model with random weights whose blocks matter: open_clip's own start is nearly the identity."""
    torch.manual_seed(0)
    more: dict[str, Any] = {"multimodal_cfg": dict(TEXT, width=64)} if make is CoCa else {}
    model = make(embed_dim=16, vision_cfg=VISION | {"output_tokens": make is CoCa}, text_cfg=TEXT | text, **more).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def encoded(model: Model, texts: list[str], *, padded: bool = False, precision: Precision = "fp32") -> torch.Tensor:
    tower = None if padded else causal_tower(model)
    with computing("cpu", precision):
        return encode_tokens(model, tower, tokens_of(texts), "cpu")


def largest_distance(cut: torch.Tensor, padded: torch.Tensor) -> float:
    return float(((cut - padded).norm(dim=1) / padded.norm(dim=1)).max())


CAUSAL = [
    (CLIP, {}),
    (CustomTextCLIP, {}),
    (CLIP, {"pool_type": "eos", "eos_id": END_OF_TEXT}),
    (CustomTextCLIP, {"pool_type": "eos", "eos_id": END_OF_TEXT}),
    (CustomTextCLIP, {"proj_bias": True, "qk_norm": True}),
]
NOT_CAUSAL = [
    (CLIP, {"no_causal_mask": True, "pool_type": "last"}),  # as SigLIP
    (CustomTextCLIP, {"no_causal_mask": True, "pool_type": "last"}),
    (CustomTextCLIP, {"no_causal_mask": True}),  # as CLIPA
    (CLIP, {"pool_type": "last"}),
    (CustomTextCLIP, {"pool_type": "first"}),
    (CoCa, {"embed_cls": True, "output_tokens": True}),
    (CustomTextCLIP, {"embed_cls": True}),
]


@pytest.mark.parametrize(("make", "text"), CAUSAL)
def test_cut_prompts_get_the_embeddings_of_padded_ones(make: Callable[..., Model], text: dict[str, object]) -> None:
    model, texts = built(make, **text), [*prompts(300), "", "x " * 200]
    with torch.inference_mode():
        expected = model.encode_text(tokens_of(texts))
    assert largest_distance(encoded(model, texts), expected) < TOLERANCES["fp32"]
    tower = causal_tower(model)
    assert tower is not None
    with torch.inference_mode():
        assert cut_changes_nothing(model, tower, tokens_of, "fp32")


@pytest.mark.parametrize(("make", "text"), NOT_CAUSAL)
def test_other_towers_are_not_cut(make: Callable[..., Model], text: dict[str, object]) -> None:
    model, texts = built(make, **text), prompts(40)
    assert causal_tower(model) is None
    with torch.inference_mode():
        expected = model.encode_text(tokens_of(texts))
    assert largest_distance(encoded(model, texts), expected) < TOLERANCES["fp32"]


def test_the_work_is_that_of_the_longest_prompt_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, lengths = built(CLIP), []
    forward = open_clip.transformer.Transformer.forward

    def watch(self: torch.nn.Module, x: torch.Tensor, attn_mask: torch.Tensor) -> torch.Tensor:
        lengths.append(tuple(x.shape[:2]))
        return forward(self, x, attn_mask)

    monkeypatch.setattr(open_clip.transformer.Transformer, "forward", watch)
    monkeypatch.setattr(_open_clip_texts, "TEXT_BATCH", 2)
    # Each has a token more than its words for the start and one for the end.
    encoded(model, ["a red cat", "cat", "a large red cat at night", "dog", "river"])
    assert lengths == [(2, 3), (2, 5), (1, 8)]


def test_the_model_is_as_it_was() -> None:
    model = built(CLIP)
    before = {name: value.clone() for name, value in (*model.named_parameters(), *model.named_buffers())}
    encoded(model, prompts(20))
    after = dict((*model.named_parameters(), *model.named_buffers()))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("make", [CLIP, CustomTextCLIP])
def test_a_causal_tower_whose_mask_is_not_is_found_out(make: Callable[..., Model]) -> None:
    model = built(make)
    (model.text if make is CustomTextCLIP else model).attn_mask.zero_()  # every token sees all others, padding too
    tower = causal_tower(model)
    assert tower is not None
    with torch.inference_mode():
        assert not cut_changes_nothing(model, tower, tokens_of, "fp32")


@pytest.mark.parametrize("precision", ["bf16", "amp_bf16"])
def test_a_broken_mask_is_found_out_in_half_precision_too(precision: Precision) -> None:
    whole, broken = built(CLIP), built(CLIP)
    broken.attn_mask.zero_()
    found = []
    for model in (whole, broken):
        if precision == "bf16":
            open_clip.model.convert_weights_to_lp(model, torch.bfloat16)
        tower = causal_tower(model)
        assert tower is not None
        with computing("cpu", precision):
            found.append(cut_changes_nothing(model, tower, tokens_of, precision))
    assert found == [True, False]


def test_the_order_of_the_prompts_decides_nothing() -> None:
    model, texts = built(CLIP), list(dict.fromkeys(prompts(300)))
    order = random.Random(1).sample(range(len(texts)), len(texts))
    given = encoded(model, texts)
    assert torch.equal(encoded(model, texts), given)
    assert torch.equal(encoded(model, [texts[row] for row in order]), given[order])


def test_the_check_has_prompts_of_different_lengths() -> None:
    tower = causal_tower(built(CLIP))
    assert tower is not None
    lengths = tower.lengths(tokens_of(list(CHECK_PROMPTS))).tolist()
    assert lengths == sorted(set(lengths))
    assert lengths[-1] < TEXT["context_length"]


def test_a_context_that_most_prompts_fill_hides_no_broken_mask() -> None:
    model = built(CLIP, context_length=6)
    model.attn_mask.zero_()
    tower = causal_tower(model)
    assert tower is not None
    with torch.inference_mode():
        assert not cut_changes_nothing(model, tower, open_clip.SimpleTokenizer(context_length=6), "fp32")


def loaded(model: str, tag: str, precision: Precision = "fp32") -> OpenClipEncoder:
    family = zoo.FAMILY if model.startswith("tiny") else FAMILY
    encoder = family.load(family.resolve(Request(model=model, pretrained=tag)), "cpu", precision)
    assert isinstance(encoder, OpenClipEncoder)
    return encoder


def test_a_loaded_model_cuts_prompts_and_one_that_fails_the_check_pads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = loaded("tiny-p8", "final")
    assert encoder.cuts_texts
    build = open_clip.transformer.TextTransformer.build_causal_mask
    monkeypatch.setattr(open_clip.transformer.TextTransformer, "build_causal_mask", lambda self: build(self).zero_())
    broken = loaded("tiny-p8", "final")
    assert not broken.cuts_texts
    with torch.inference_mode():
        expected = broken.model.encode_text(broken.tokenize(["a red cat"])).numpy()
    np.testing.assert_allclose(broken.encode_texts(["a red cat"]), expected, rtol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "amp_bf16"])
def test_a_trained_model_stays_within_the_tolerance(precision: Precision) -> None:
    encoder, texts = loaded("tiny-deep", "final", precision), prompts(200)
    with computing("cpu", precision):
        padded = encode_tokens(encoder.model, None, encoder.tokenize(texts), "cpu")
    assert largest_distance(torch.from_numpy(encoder.encode_texts(texts)), padded) <= TOLERANCES[precision]
    assert encoder.cuts_texts


def test_a_whole_vit_b_32_gives_what_open_clip_gives() -> None:
    encoder, texts = loaded("ViT-B-32", "random"), ["a photo of a cat.", "dog", "a bad photo of the large red fox."]
    assert encoder.cuts_texts
    with torch.inference_mode():
        padded = encoder.model.encode_text(open_clip.get_tokenizer("ViT-B-32")(texts))
    assert largest_distance(torch.from_numpy(encoder.encode_texts(texts)), padded) < TOLERANCES["fp32"]
