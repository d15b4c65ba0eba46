"""A recogniser that reads latents: what the U-Net's identity loss looks through."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.nn import functional as F

from .vae import Residual


@dataclass(frozen=True)
class IdentityConfig:
    """widths: channels at the latent's size, at half and at a fourth of it; embed: the teacher's width."""

    widths: list[int] = field(default_factory=lambda: [64, 128, 192])
    readout: int = 48
    embed: int = 128


class LatentRecogniser(nn.Module):
    """latent [B,c,h,w] of an aligned portrait -> unit embedding [B,E], as the teacher gives of the
    decoded picture. It needs no decoder, so it costs a U-Net step next to nothing."""

    def __init__(self, cfg: IdentityConfig, channels: int, side: int) -> None:
        super().__init__()
        a, b, c = cfg.widths
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, a, 3, padding=1), Residual(a),
            nn.SiLU(), nn.Conv2d(a, b, 3, 2, 1), Residual(b),
            nn.SiLU(), nn.Conv2d(b, c, 3, 2, 1), Residual(c),
            nn.SiLU(), nn.Conv2d(c, cfg.readout, 1))
        self.project = nn.Linear(cfg.readout * (side // 4) ** 2, cfg.embed)

    def forward(self, latent: Tensor) -> Tensor:
        return F.normalize(self.project(self.trunk(latent).flatten(1)).float(), dim=1)
