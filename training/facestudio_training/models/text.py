"""The text encoder: word pieces of a prompt -> a text embedding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .vision import TransformerBlock

PAD = 0


@dataclass(frozen=True)
class TextConfig:
    """vocabulary: rows of the embedding table (at least the tokenizer's); length: ids a prompt."""

    vocabulary: int = 1536
    length: int = 32
    dim: int = 192
    layers: int = 2
    heads: int = 6
    embed: int = 256


class TextEncoder(nn.Module):
    """ids [B,L] int64, padded with PAD -> embed [B,E] of zero mean and unit variance per row.

    Padding is masked in the attention and in the mean over the pieces, so a prompt gives the
    same embedding at every padded length up to `length`."""

    def __init__(self, cfg: TextConfig) -> None:
        super().__init__()
        self.embed = cfg.embed
        self.pieces = nn.Embedding(cfg.vocabulary, cfg.dim)
        nn.init.normal_(self.pieces.weight, std=0.05)
        self.position = nn.Parameter(torch.randn(1, cfg.length, cfg.dim) * 0.02)
        self.blocks = nn.ModuleList(TransformerBlock(cfg.dim, cfg.heads) for _ in range(cfg.layers))
        self.norm = nn.LayerNorm(cfg.dim)
        self.project = nn.Linear(cfg.dim, cfg.embed)

    def forward(self, ids: Tensor) -> Tensor:
        real = (ids != PAD).to(torch.float32)
        bias = (real - 1.0)[:, None, None, :] * 1e4
        x = self.pieces(ids) + self.position[:, : ids.shape[1]]
        for block in self.blocks:
            x = block(x, bias)
        # A product, not a sum over the axis: ONNX Runtime sums a batch of one in another order.
        total = (real.unsqueeze(1) @ self.norm(x)).squeeze(1) / real.sum(1, keepdim=True).clamp(min=1.0)
        return F.layer_norm(self.project(total).float(), (self.embed,))
