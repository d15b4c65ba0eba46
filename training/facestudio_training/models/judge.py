"""The judge of attributes: what the evaluation asks whether a prompt was followed. It guides nothing and never ships."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .vision import ConvUnit, ResidualUnit

SIDE = 80  # of the pictures it looks at


class Judge(nn.Module):
    """pixels [B,3,80,80] RGB in [-1,1], the face in view -> logits [B,K], one an attribute.

    Another network, size of picture and seed than the annotator's, whose word the U-Net learned to please."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.body = nn.Sequential(ConvUnit(3, 24, 2), ConvUnit(24, 48, 2), ConvUnit(48, 96), ConvUnit(96, 96, 2),
                                  ResidualUnit(96), ConvUnit(96, 160, 2))
        self.drop, self.leave = nn.Dropout(0.3), nn.Linear(2 * 160, count)

    def forward(self, pixels: Tensor) -> Tensor:
        seen = self.body(pixels)
        return self.leave(self.drop(torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], 1)))
