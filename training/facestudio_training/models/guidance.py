"""The one Linear that turns who (e_f) and what (e_h) into the U-Net's guidance tokens."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..config import Guidance


class GuidanceProjection(nn.Module):
    """image_embed [B,Dh], face_embed [B,Df] of unit length -> tokens [B,T,C].

    The face embedding is scaled to unit variance so that both halves speak equally
    loud at the start. Zeros in either place mean that it is not given.
    """

    def __init__(self, cfg: Guidance):
        super().__init__()
        self.cfg = cfg
        self.linear = nn.Linear(cfg.image_dim + cfg.face_dim, cfg.tokens * cfg.channels)

    def forward(self, image_embed: Tensor, face_embed: Tensor) -> Tensor:
        both = torch.cat([image_embed, math.sqrt(self.cfg.face_dim) * face_embed], 1)
        return self.linear(both).unflatten(1, (self.cfg.tokens, self.cfg.channels))
