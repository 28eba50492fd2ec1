"""Tokens of prompts, kept as long as their tokenizer lives: a training asks for the same ones at each evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import torch

    Tokenizer = Callable[[list[str]], torch.Tensor]
    Key = tuple[int | None, tuple[str, ...]]

KNOWN = ("open_clip.tokenizer", "SimpleTokenizer")
"""Module and name of the one tokenizer that is known to answer alike each time, and that is slow (in Python)."""

MOST_BATCHES = 1000
"""Of TEXT_BATCH prompts each: more than the 80,000 of ImageNet's templates, and 80 MB with 77 tokens each."""

_kept: WeakKeyDictionary[object, dict[Key, torch.Tensor]] = WeakKeyDictionary()
"""By tokenizer; then by context length and prompts."""


def tokens_of(tokenize: Tokenizer, texts: tuple[str, ...]) -> torch.Tensor:
    """Return what the tokenizer makes of a batch of prompts, asking it only where it might answer otherwise."""
    kind = type(tokenize)
    if (kind.__module__, kind.__qualname__) != KNOWN or getattr(tokenize, "reduction_fn", None) is not None:
        return tokenize(list(texts))
    by_text = _kept.setdefault(tokenize, {})
    key = (getattr(tokenize, "context_length", None), texts)
    if key not in by_text:
        if len(by_text) >= MOST_BATCHES:
            by_text.clear()
        by_text[key] = tokenize(list(texts))
    return by_text[key].clone()  # what a model does with it stays with the model
