"""The three vision encoders whose outputs make up the style embedding e_h.

They see the picture with its faces greyed out, resized to 64x64, and differ in
backbone (two patch sizes of a transformer, one convolutional network), as the
paper concatenates three CLIP towers. Each reads its feature grid out flat
rather than pooled: pooling drops the layout that a style picture is given for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class VisionConfig:
    """Sizes of the trio. size: side of the input in pixels; embed: width of each output."""

    size: int = 64
    embed: int = 256
    vit_8_dim: int = 128
    vit_8_layers: int = 3
    vit_16_dim: int = 160
    vit_16_layers: int = 3
    head: int = 32
    resnet_widths: list[int] = field(default_factory=lambda: [32, 64, 128])
    readout: int = 1536


class Attention(nn.Module):
    """Self-attention over [B,L,C]; softmax(QK^T)V is written out because the fused CPU
    kernel is slow in its backward. bias, if given, is added to the logits [B,1,1,L]."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        batch, length, dim = x.shape
        qkv = self.qkv(x).reshape(batch, length, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        logits = (q * (dim // self.heads) ** -0.5) @ k.transpose(-1, -2)
        if bias is not None:
            logits = logits + bias
        y = torch.softmax(logits, -1) @ v
        return self.out(y.transpose(1, 2).reshape(batch, length, dim))


class TransformerBlock(nn.Module):
    """Pre-norm attention and a GELU feed-forward of four times the width, [B,L,C] -> [B,L,C]."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, 4 * dim)
        self.down = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.norm1(x), bias)
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Readout(nn.Module):
    """Features [B,L,C] -> embed [B,E]: narrow every place to readout/L channels, flatten,
    one Linear, and a LayerNorm without parameters, so that an embedding has unit variance."""

    def __init__(self, places: int, dim: int, readout: int, embed: int) -> None:
        super().__init__()
        narrow = max(1, readout // places)
        self.narrow = nn.Linear(dim, narrow)
        self.project = nn.Linear(narrow * places, embed)
        self.embed = embed

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.narrow(x).flatten(1))
        return F.layer_norm(y.float(), (self.embed,))


class VisionTransformer(nn.Module):
    """pixels [B,3,S,S] RGB in [-1,1] -> embed [B,E] of zero mean and unit variance per row."""

    def __init__(self, cfg: VisionConfig, patch: int, dim: int, layers: int) -> None:
        super().__init__()
        places = (cfg.size // patch) ** 2
        self.patches = nn.Conv2d(3, dim, patch, patch)
        self.position = nn.Parameter(torch.randn(1, places, dim) * 0.02)
        heads = max(1, dim // cfg.head)
        self.blocks = nn.ModuleList(TransformerBlock(dim, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.readout = Readout(places, dim, cfg.readout, cfg.embed)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.patches(pixels).flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            x = block(x)
        return self.readout(self.norm(x))


class ConvUnit(nn.Module):
    """3x3 convolution, batch norm (folded at export) and ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        return F.relu(y) if self.relu else y


class ResidualUnit(nn.Module):
    """Two ConvUnits around a shortcut, [B,C,H,W] -> [B,C,H,W]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = ConvUnit(width, width)
        self.second = ConvUnit(width, width, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class VisionResNet(nn.Module):
    """pixels [B,3,S,S] RGB in [-1,1] -> embed [B,E]; three stride-2 stages."""

    def __init__(self, cfg: VisionConfig) -> None:
        super().__init__()
        a, b, c = cfg.resnet_widths
        self.stem = ConvUnit(3, a, 2)
        self.stage1 = nn.Sequential(ConvUnit(a, b, 2), ResidualUnit(b))
        self.stage2 = nn.Sequential(ConvUnit(b, c, 2), ResidualUnit(c))
        self.readout = Readout((cfg.size // 8) ** 2, c, cfg.readout, cfg.embed)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.stage2(self.stage1(self.stem(pixels)))
        return self.readout(x.flatten(2).transpose(1, 2))


class VisionTrio(nn.Module):
    """The three encoders side by side; NAMES is the order of their outputs in e_h."""

    NAMES = ("vit_8", "resnet", "vit_16")

    def __init__(self, cfg: VisionConfig) -> None:
        super().__init__()
        self.vit_8 = VisionTransformer(cfg, 8, cfg.vit_8_dim, cfg.vit_8_layers)
        self.resnet = VisionResNet(cfg)
        self.vit_16 = VisionTransformer(cfg, 16, cfg.vit_16_dim, cfg.vit_16_layers)

    def encoder(self, name: str) -> nn.Module:
        """The encoder of that name, one of NAMES."""
        return getattr(self, name)

    def forward(self, pixels: Tensor) -> Tensor:
        """pixels [B,3,S,S] of the face-masked picture -> e_h [B,3E]."""
        return torch.cat([self.encoder(name)(pixels) for name in self.NAMES], 1)
