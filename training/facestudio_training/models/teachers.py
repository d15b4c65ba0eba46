"""Networks of others that label and distil at training time and never ship."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval


class _Unit(nn.Sequential):
    """Convolution, batch norm and ReLU6, under the names of the published weights."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU6(),
        )


class _Inverted(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self.shortcut = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            _Unit(inputs, hidden, 1),
            _Unit(hidden, hidden, 3, stride, hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return x + y if self.shortcut else y


class _Separable(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, 1, 1, groups=width, bias=False)
        self.pointwise = nn.Conv2d(width, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn2(self.pointwise(F.relu(self.bn1(self.depthwise(x))))))


class _Global(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, groups=width, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.depthwise(x))


class MobileFaceNet(nn.Module):
    """pixels [B,3,112,112], aligned to the usual five points -> unit embedding [B,128]."""

    # expansion, channels, blocks, first stride (the published network's table)
    ROWS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
    SHOWN = (4, 11, 14)  # the last block of each size
    WIDTHS = (64, 128, 128)  # what it gives

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _Unit(3, 64, 3, 2)
        self.dw_conv = _Separable(64)
        blocks, width = [], 64
        for expand, outputs, count, stride in self.ROWS:
            for i in range(count):
                blocks.append(_Inverted(width, outputs, stride if i == 0 else 1, expand))
                width = outputs
        self.features = nn.Sequential(*blocks)
        self.conv2 = _Unit(width, 512, 1)
        self.gdconv = _Global(512)
        self.conv3 = nn.Conv2d(512, 128, 1)
        self.bn = nn.BatchNorm1d(128)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.maps(pixels)[0]

    def maps(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The embedding, and the features on the way to it: [B,64,28,28], [B,128,14,14], [B,128,7,7]."""
        x, held = self.dw_conv(self.conv1(pixels)), []
        for i, block in enumerate(self.features):
            x = block(x)
            if i in self.SHOWN:
                held.append(x)
        return F.normalize(self.bn(self.conv3(self.gdconv(self.conv2(x))).flatten(1)), dim=1), held


def mobilefacenet(path: Path) -> MobileFaceNet:
    """The teacher of the face encoder, in evaluation mode."""
    net = MobileFaceNet()
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    net.eval().requires_grad_(False)
    for module in list(net.modules()):
        fold(module)
    return net


def fold(module: nn.Module) -> None:
    """Merges every batch norm that directly follows a convolution in a Sequential into it."""
    if not isinstance(module, nn.Sequential):
        return
    for i in range(len(module) - 1):
        if isinstance(module[i], nn.Conv2d) and isinstance(module[i + 1], nn.BatchNorm2d):
            module[i] = fuse_conv_bn_eval(module[i], module[i + 1])
            module[i + 1] = nn.Identity()
