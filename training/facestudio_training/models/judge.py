"""The judge of attributes: what the evaluation asks whether a prompt was followed. It guides nothing and never ships."""

from __future__ import annotations

from torch import Tensor, nn

from .vision import VisionConfig, VisionResNet

SIDE = 64  # of the pictures it looks at


class Judge(nn.Module):
    """pixels [B,3,64,64] RGB in [-1,1], the face in view -> logits [B,K], one an attribute."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.body = VisionResNet(VisionConfig(size=SIDE))
        self.leave = nn.Linear(VisionConfig().embed, count)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.leave(self.body(pixels))
