"""The discriminators: they learn what real looks like, and teach it to what makes pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Critic(nn.Module):
    """pixels [B,3,H,W] in [-1,1] -> scores [B,1,H/8,W/8], high where a patch looks real.

    Each score sees about 46 pixels: texture and edges, not who it is."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        w = width
        self.layers = nn.ModuleList([
            nn.Conv2d(3, w, 4, 2, 1), nn.Conv2d(w, 2 * w, 4, 2, 1), nn.Conv2d(2 * w, 4 * w, 4, 2, 1),
            nn.Conv2d(4 * w, 4 * w, 3, 1, 1)])
        self.norms = nn.ModuleList([nn.Identity(), nn.GroupNorm(8, 2 * w), nn.GroupNorm(8, 4 * w), nn.GroupNorm(8, 4 * w)])
        self.leave = nn.Conv2d(4 * w, 1, 3, 1, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        x = pixels
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.leaky_relu(norm(layer(x)), 0.2)
        return self.leave(x)


class FaceCritic(nn.Module):
    """A recogniser's features of faces, [B,c,h,w] of several sizes -> scores [B,S], high where they look real.

    The recogniser is not trained, so the critic cannot learn the pictures by heart, and it starts out knowing what
    a face is (projected discriminators: Sauer et al. 2021)."""

    def __init__(self, channels: tuple[int, ...] = (64, 128, 128), width: int = 64) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Sequential(
            nn.Conv2d(c, width, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 1, 3, 1, 1)) for c in channels)

    def forward(self, maps: list[Tensor]) -> Tensor:
        return torch.cat([head(x).flatten(1).float() for head, x in zip(self.heads, maps, strict=True)], 1)
