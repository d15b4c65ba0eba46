"""The face encoder: an aligned face -> e_f, who it is."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
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
        width, self.last = stem, []
        for wider, blocks in zip(widths, cfg.blocks, strict=True):
            layers.append(ConvUnit(width, wider, 2))
            layers.extend(ResidualUnit(wider) for _ in range(blocks))
            width = wider
            self.last.append(len(layers) - 1)
        self.trunk = nn.Sequential(*layers)
        side = cfg.size // 2 ** len(cfg.widths)
        self.narrow = nn.Conv2d(width, cfg.readout, 1)
        self.project = nn.Linear(cfg.readout * side * side, cfg.embed, bias=False)
        self.norm = nn.BatchNorm1d(cfg.embed)

    def adopt(self, held: dict[str, Tensor]) -> None:
        """Takes the weights of an encoder like this with fewer residual units, or as many. Those that it lacks begin as
        their shortcut alone, so that this encoder says what that one said."""
        weights = dict(self.state_dict())
        for mine, theirs in zip(stages(weights), stages(held), strict=True):
            for unit in mine[len(theirs):]:
                weights[f"trunk.{unit}.second.norm.weight"] = torch.zeros_like(weights[f"trunk.{unit}.second.norm.weight"])
            if len(theirs) > len(mine):
                raise ValueError(f"there are {len(theirs) - 1} residual units of one size there and {len(mine) - 1} here")
            for to, unit in zip(mine, theirs):
                weights |= {k.replace(f"trunk.{unit}.", f"trunk.{to}."): v for k, v in held.items() if k.startswith(f"trunk.{unit}.")}
        self.load_state_dict(weights | {k: v for k, v in held.items() if not k.startswith("trunk.")})

    def features(self, pixels: Tensor, maps: list[Tensor] | None = None) -> Tensor:
        """The embedding before it is brought to unit length, [B,512]. Appends to maps the features of each size from
        28 pixels down."""
        x = pixels
        for i, layer in enumerate(self.trunk):
            x = layer(x)
            if maps is not None and i in self.last:
                maps.append(x)
        return self.norm(self.project(self.narrow(x).flatten(1)))

    def forward(self, pixels: Tensor, maps: bool = False) -> Tensor | tuple[Tensor, list[Tensor]]:
        """In use, the mean of the face and its mirror image, which are one person, brought to unit length. In
        training with maps, the features of each size too."""
        seen: list[Tensor] | None = [] if maps else None
        e = F.normalize(self.features(pixels, seen).float(), dim=1)
        if self.training:
            return e if seen is None else (e, seen)
        return F.normalize(e + F.normalize(self.features(pixels.flip(3)).float(), dim=1), dim=1)


def stages(weights: dict[str, Tensor]) -> list[list[int]]:
    """Which layers of an encoder's trunk are of one size, from its state: a convolution, then residual units."""
    out: list[list[int]] = []
    for i in sorted({int(k.split(".")[1]) for k in weights if k.startswith("trunk.")}):
        if f"trunk.{i}.conv.weight" in weights:
            out.append([])
        out[-1].append(i)
    return out
