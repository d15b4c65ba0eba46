"""The patch discriminator that teaches the picture decoder what sharp looks like."""

from __future__ import annotations

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
