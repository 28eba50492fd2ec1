"""Prompts through the text tower of an open_clip model, cut to their longest where that changes nothing.

In a causal tower that pools at the end token, nothing after that token reaches the embedding; the padding behind it is
most of the work. CoCa (a class token stands behind the padding), SigLIP (pools the last token, sees all of them) and
Hugging Face towers are never cut.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import torch

    from clipkstar.encoder import Precision

TEXT_BATCH = 128

CHECK_PROMPTS = (
    "cat",
    "a photo of a dog.",
    "a bad photo of the large red traffic light, seen from a car.",
    "a satellite image of annual crop land next to a river, a highway and a few houses, on a cloudy day in spring",
)
"""Of four lengths; those that fill the whole context of a small model tell nothing, the first never does."""

TOLERANCES: dict[Precision, float] = {"fp32": 1e-5, "amp_bf16": 0.03, "bf16": 0.03, "amp_fp16": 0.004, "fp16": 0.004}
"""Largest distance between the cut and the padded embedding of a prompt, relative to the latter's length.

Measured on a CPU, trained zoo models and a random ViT-B-32, 164 to 404 prompts: float32 at most 6e-7, bfloat16 6e-3,
float16 1e-3, which leaves at least a factor of 4; a mask that lets padding through gave 0.17 in each.
"""


class TextModel(Protocol):
    """What the models of open_clip have in common."""

    def encode_text(self, text: torch.Tensor) -> torch.Tensor:
        """(n, context length) → (n, dim)."""


@dataclass(frozen=True, kw_only=True)
class CausalTower:
    """A causal text tower that pools at the end token.

    owner: the module that holds positions (context length, width) and mask (context length, context length).
    encode: the name of its method for tokens → embeddings.
    pool: "argmax" = the end token has the largest number; "eos" = it has the number `eos_id`.
    """

    owner: torch.nn.Module
    positions: torch.Tensor
    mask: torch.Tensor
    encode: str
    pool: Literal["argmax", "eos"]
    eos_id: int

    def lengths(self, tokens: torch.Tensor) -> torch.Tensor:
        """(n, context length) → (n,), the tokens up to and with the end token."""
        ends = tokens if self.pool == "argmax" else (tokens == self.eos_id).int()
        return ends.argmax(dim=-1) + 1

    def encode_cut(self, tokens: torch.Tensor) -> torch.Tensor:
        """(n, length) tokens, no longer than the context → (n, dim)."""
        embeddings: torch.Tensor = getattr(self._shortened(tokens.shape[1]), self.encode)(tokens)
        return embeddings

    def _shortened(self, length: int) -> torch.nn.Module:
        """A view of the owner for prompts of that length: it shares all weights, and the owner itself is unchanged."""
        import torch

        view = copy.copy(self.owner)
        positions = torch.nn.Parameter(self.positions[:length], requires_grad=False)
        view._parameters = self.owner._parameters | {"positional_embedding": positions}
        view._buffers = self.owner._buffers | {"attn_mask": self.mask[:length, :length].contiguous()}
        return view


def causal_tower(model: object) -> CausalTower | None:
    """Return the part of the model that may be cut; None = its prompts stay padded."""
    from open_clip.model import CLIP, CustomTextCLIP
    from open_clip.transformer import TextTransformer

    if isinstance(model, CLIP):
        owner, encode, pool, eos_id = model, model.encode_text, model.text_pool_type, model.text_eos_id
    elif isinstance(model, CustomTextCLIP) and isinstance(model.text, TextTransformer) and model.text.cls_emb is None:
        owner, encode, pool, eos_id = model.text, model.text.forward, model.text.pool_type, model.text.eos_id
    else:
        return None
    if pool not in ("argmax", "eos") or owner.attn_mask is None:
        return None
    return CausalTower(
        owner=owner,
        positions=owner.positional_embedding,
        mask=owner.attn_mask,
        encode=encode.__name__,
        pool=pool,
        eos_id=eos_id,
    )


def cut_changes_nothing(
    model: TextModel, tower: CausalTower, tokenize: Callable[[list[str]], torch.Tensor], precision: Precision
) -> bool:
    """Whether CHECK_PROMPTS get the embeddings that they get padded, up to the tolerance of the precision."""
    import torch

    tokens = tokenize(list(CHECK_PROMPTS)).to(tower.mask.device)
    padded = model.encode_text(tokens).float()
    lengths = tower.lengths(tokens).tolist()
    cut = torch.cat([tower.encode_cut(row[None, :length]) for row, length in zip(tokens, lengths, strict=True)]).float()
    distances = (cut - padded).norm(dim=-1) / padded.norm(dim=-1)
    return bool((distances <= TOLERANCES[precision]).all())


def encode_tokens(model: TextModel, tower: CausalTower | None, tokens: torch.Tensor, device: str) -> torch.Tensor:
    """(n, context length) → (n, dim) on the CPU, in the order given.

    Batches are made by length and then by content, so that the order of the prompts does not decide which are encoded
    together. The other prompts of a batch still decide the last bits of an embedding.
    """
    import numpy as np
    import torch

    lengths = tokens.new_full((len(tokens),), tokens.shape[1]) if tower is None else tower.lengths(tokens)
    order = torch.from_numpy(np.lexsort((*tokens.T.flip(0).numpy(), lengths.numpy())))
    parts = []
    for batch in torch.split(order, TEXT_BATCH):
        if tower is None:
            parts.append(model.encode_text(tokens[batch].to(device)))
        else:
            longest = int(lengths[batch[-1]])
            parts.append(tower.encode_cut(tokens[batch, :longest].to(device)))
    embeddings = torch.cat([part.float().cpu() for part in parts])
    return torch.empty_like(embeddings).index_copy_(0, order, embeddings)
