"""The diffusion prior: a text embedding -> the style embedding e_h of a face-masked picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class PriorConfig:
    """image: width of e_h; text: width of the text embedding; the rest sizes the network."""

    image: int = 768
    text: int = 256
    width: int = 320
    hidden: int = 640
    layers: int = 3
    time: int = 64


def timestep_embedding(timestep: Tensor, width: int) -> Tensor:
    """timestep [B] in 0..999 -> [B,width]: cosines, then sines, of geometric frequencies."""
    half = width // 2
    rate = torch.exp(
        torch.arange(half, dtype=torch.float32, device=timestep.device) * (-math.log(10000.0) / half)
    )
    angle = timestep.float()[:, None] * rate[None]
    return torch.cat([angle.cos(), angle.sin()], 1)


class PriorBlock(nn.Module):
    """A residual feed-forward, shifted and scaled by the condition, [B,W] -> [B,W]."""

    def __init__(self, cfg: PriorConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(cfg.width, elementwise_affine=False)
        self.condition = nn.Linear(cfg.width, 2 * cfg.width)
        self.up = nn.Linear(cfg.width, cfg.hidden)
        self.down = nn.Linear(cfg.hidden, cfg.width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.condition(condition).chunk(2, 1)
        y = self.norm(x) * (1 + scale) + shift
        return x + self.down(F.silu(self.up(y)))


class Prior(nn.Module):
    """x [B,768] noised e_h, timestep [B] float 0..999, text [B,256] -> x0 [B,768], e_h itself.

    Text of zeros means "no text", which guidance needs. A straight Linear from the text gives
    what a regression would; the blocks add what the noised x and its step tell beyond it."""

    def __init__(self, cfg: PriorConfig) -> None:
        super().__init__()
        self.time_width = cfg.time
        self.time = nn.Sequential(
            nn.Linear(cfg.time, cfg.width), nn.SiLU(), nn.Linear(cfg.width, cfg.width)
        )
        self.text = nn.Linear(cfg.text, cfg.width)
        self.enter = nn.Linear(cfg.image, cfg.width)
        self.blocks = nn.ModuleList(PriorBlock(cfg) for _ in range(cfg.layers))
        self.norm = nn.LayerNorm(cfg.width)
        self.leave = nn.Linear(cfg.width, cfg.image)
        self.direct = nn.Linear(cfg.text, cfg.image)

    def forward(self, x: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        words = self.text(text)
        condition = F.silu(self.time(timestep_embedding(timestep, self.time_width)) + words)
        y = self.enter(x) + words
        for block in self.blocks:
            y = block(y, condition)
        return self.direct(text) + self.leave(self.norm(y))
