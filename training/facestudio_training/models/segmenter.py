"""The person segmenter: a picture and one face's box -> that person's mask."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .vision import ConvUnit, ResidualUnit


@dataclass(frozen=True)
class SegmenterConfig:
    """widths: channels at a fourth, an eighth and a sixteenth of the picture's side."""

    widths: list[int] = field(default_factory=lambda: [32, 64, 96])
    refine: int = 16


class PersonSegmenter(nn.Module):
    """pixels [B,4,H,W] -> mask [B,1,H,W] in [0,1]; H and W are multiples of 16.

    The first three planes are RGB in [-1,1]; the fourth is 1 inside the asked person's face box
    and 0 outside, which is how one of several people is chosen. A small U-Net that works at a
    fourth of the resolution and is refined once at half of it."""

    def __init__(self, cfg: SegmenterConfig) -> None:
        super().__init__()
        a, b, c = cfg.widths
        self.stem = ConvUnit(4, cfg.refine, 2)
        self.down4 = nn.Sequential(ConvUnit(cfg.refine, a, 2), ResidualUnit(a))
        self.down8 = nn.Sequential(ConvUnit(a, b, 2), ResidualUnit(b))
        self.down16 = nn.Sequential(ConvUnit(b, c, 2), ResidualUnit(c), ResidualUnit(c))
        self.up8 = ConvUnit(c + b, b)
        self.up4 = ConvUnit(b + a, a)
        self.up2 = ConvUnit(a + cfg.refine, cfg.refine)
        self.last = nn.Conv2d(cfg.refine, 4, 3, 1, 1)

    def logits(self, pixels: Tensor) -> Tensor:
        """The mask before its sigmoid, [B,1,H,W]."""
        x2 = self.stem(pixels)
        x4 = self.down4(x2)
        x8 = self.down8(x4)
        y = self.down16(x8)
        y = self.up8(torch.cat([F.interpolate(y, scale_factor=2.0, mode="nearest"), x8], 1))
        y = self.up4(torch.cat([F.interpolate(y, scale_factor=2.0, mode="nearest"), x4], 1))
        y = self.up2(torch.cat([F.interpolate(y, scale_factor=2.0, mode="nearest"), x2], 1))
        return F.pixel_shuffle(self.last(y), 2)

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(pixels).float())
