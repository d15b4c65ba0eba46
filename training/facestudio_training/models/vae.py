"""The picture's compact form: an encoder to latents an eighth as wide, and the way back.

Convolutions alone and no normalisation layers: a latent depends on its
neighbourhood only, so training on crops of a picture is training on pictures,
and the same weights serve any size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:  # config reads the sizes of other models, which use this one's parts
    from ..config import Vae


class Residual(nn.Module):
    """x + two 3x3 convolutions of silu(x); the second starts at zero, so depth costs no stability."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(F.silu(x))))


class Encoder(nn.Module):
    """pixels [B,3,H,W] in [-1,1] -> latent [B,C,H/8,W/8] of about unit variance per channel.

    The buffers hold each channel's mean and deviation over the training pictures;
    in training mode the batch's own are used and the buffers follow them.
    """

    def __init__(self, cfg: Vae):
        super().__init__()
        mid, low = cfg.mid_channels, cfg.low_channels
        self.enter = nn.Conv2d(48, mid, 3, padding=1)
        self.mid = nn.Sequential(*[Residual(mid) for _ in range(max(1, cfg.mid_blocks - 1))])
        self.down = nn.Conv2d(4 * mid, low, 1)
        self.low = nn.Sequential(*[Residual(low) for _ in range(cfg.low_blocks)])
        self.leave = nn.Conv2d(low, cfg.latent_channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(cfg.latent_channels, affine=False, momentum=0.02)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.mid(self.enter(F.pixel_unshuffle(pixels, 4)))
        x = self.low(self.down(F.pixel_unshuffle(x, 2)))
        return self.norm(self.leave(F.silu(x)).float())


class Decoder(nn.Module):
    """latent [B,C,h,w] -> pixels [B,3,8h,8w], about [-1,1] (not clipped)."""

    def __init__(self, cfg: Vae):
        super().__init__()
        full, mid, low = cfg.full_channels, cfg.mid_channels, cfg.low_channels
        self.enter = nn.Conv2d(cfg.latent_channels, low, 3, padding=1)
        self.low = nn.Sequential(*[Residual(low) for _ in range(cfg.low_blocks)])
        self.up = nn.Conv2d(low, 4 * mid, 1)
        self.mid = nn.Sequential(*[Residual(mid) for _ in range(cfg.mid_blocks)])
        self.widen = nn.Conv2d(mid, 4 * full, 3, padding=1)
        self.full = Residual(full)
        self.leave = nn.Conv2d(full, 12, 3, padding=1)

    def forward(self, latent: Tensor) -> Tensor:
        x = F.pixel_shuffle(self.up(self.low(self.enter(latent))), 2)
        x = F.pixel_shuffle(self.widen(F.silu(self.mid(x))), 2)
        return F.pixel_shuffle(self.leave(F.silu(self.full(x))), 2)


def reconstruction_loss(made: Tensor, wanted: Tensor, gradient: float) -> Tensor:
    """L1 at three scales plus L1 of the finite differences, which keeps edges from blurring."""
    loss = (made - wanted).abs().mean()
    for axis in (2, 3):
        loss = loss + gradient * (torch.diff(made, dim=axis) - torch.diff(wanted, dim=axis)).abs().mean()
    for _ in range(2):
        made, wanted = F.avg_pool2d(made, 2), F.avg_pool2d(wanted, 2)
        loss = loss + 0.5 * (made - wanted).abs().mean()
    return loss
