"""The annotator of attributes: it labels pictures that have no caption, and tells the U-Net whether what was asked for is there."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from .vision import ConvUnit, ResidualUnit

SIDE = 64  # of the pictures it looks at


class Annotator(nn.Module):
    """pixels [B,3,64,64] RGB in [-1,1], the face in view -> logits [B,K], one an attribute."""

    def __init__(self, count: int, widths: tuple[int, ...] = (32, 64, 128, 192)) -> None:
        super().__init__()
        stem, *wider = widths
        layers: list[nn.Module] = [ConvUnit(3, stem, 2)]
        for before, width in zip(widths, wider):
            layers += [ConvUnit(before, width, 2), ResidualUnit(width)]
        self.body, self.drop = nn.Sequential(*layers), nn.Dropout(0.2)
        self.leave = nn.Linear(widths[-1], count)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.leave(self.drop(self.body(pixels).mean((2, 3))))


def shrunk(pixels: Tensor) -> Tensor:
    """Pictures [B,3,H,W] at the annotator's size."""
    return F.interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
