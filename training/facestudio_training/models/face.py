"""The face encoder: an aligned face -> e_f, who it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.nn import functional as F

from .vision import ConvUnit, ResidualUnit


@dataclass(frozen=True)
class FaceConfig:
    """widths: channels at 56, 28, 14 and 7 pixels; blocks: residual units at 28, 14 and 7."""

    size: int = 112
    embed: int = 512
    widths: list[int] = field(default_factory=lambda: [24, 48, 112, 192])
    blocks: list[int] = field(default_factory=lambda: [1, 2, 2])
    readout: int = 16


class FaceEncoder(nn.Module):
    """pixels [B,3,112,112] RGB in [-1,1], aligned by landmarks -> embed [B,512] of unit length.

    Plain 3x3 convolutions with early downsampling: depthwise ones would be fewer operations
    but several times slower on a processor. The grid is flattened, not pooled, because where a
    feature lies in an aligned face is part of who it is."""

    def __init__(self, cfg: FaceConfig) -> None:
        super().__init__()
        stem, *widths = cfg.widths
        layers: list[nn.Module] = [ConvUnit(3, stem, 2)]
        width = stem
        for wider, blocks in zip(widths, cfg.blocks, strict=True):
            layers.append(ConvUnit(width, wider, 2))
            layers.extend(ResidualUnit(wider) for _ in range(blocks))
            width = wider
        self.trunk = nn.Sequential(*layers)
        side = cfg.size // 2 ** len(cfg.widths)
        self.narrow = nn.Conv2d(width, cfg.readout, 1)
        self.project = nn.Linear(cfg.readout * side * side, cfg.embed, bias=False)
        self.norm = nn.BatchNorm1d(cfg.embed)

    def features(self, pixels: Tensor) -> Tensor:
        """The embedding before it is brought to unit length, [B,512]."""
        return self.norm(self.project(self.narrow(self.trunk(pixels)).flatten(1)))

    def forward(self, pixels: Tensor) -> Tensor:
        """In use, the mean of the face and its mirror image, which are one person, brought to unit length."""
        e = F.normalize(self.features(pixels).float(), dim=1)
        if self.training:
            return e
        return F.normalize(e + F.normalize(self.features(pixels.flip(3)).float(), dim=1), dim=1)
