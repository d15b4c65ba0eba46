"""The latent U-Net: convolutions at the latent's size, transformer blocks at half of it.

Guidance enters by cross-attention alone, and every cross-attention is masked, so that
a region of the picture hears its own person only (see MaskedCrossAttention).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Unet


class MaskedCrossAttention(nn.Module):
    """x [B,L,D], context [B,N,T,C], mask [B,N,L] -> [B,L,D].

    One product of the queries with the keys of all N*T tokens; the logits are softmaxed
    over T for each of the N people apart and multiplied by that person's mask; one product
    with the values. No bias after it: where no mask is the output is exactly zero, and
    further people with empty masks change nothing.
    """

    def __init__(self, dim: int, context: int, head_dim: int):
        super().__init__()
        self.heads = dim // head_dim
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(context, dim, bias=False)
        self.value = nn.Linear(context, dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        people, tokens = context.shape[1], context.shape[2]
        flat = context.flatten(1, 2)
        q, k, v = (y.unflatten(2, (self.heads, -1)).transpose(1, 2)
                   for y in (self.query(x), self.key(flat), self.value(flat)))
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # [B,heads,L,N*T]
        weights = logits.unflatten(3, (people, tokens)).softmax(-1)
        weights = weights * mask.transpose(1, 2)[:, None, :, :, None].to(weights.dtype)
        y = weights.flatten(3) @ v
        return self.out(y.transpose(1, 2).flatten(2))


class SelfAttention(nn.Module):
    """x [B,L,D] -> [B,L,D]. Written out: the fused CPU kernel's backward is slow in bf16."""

    def __init__(self, dim: int, head_dim: int):
        super().__init__()
        self.heads = dim // head_dim
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        weights = ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    """Self-attention, masked cross-attention and MLP on [B,L,D].

    The timestep scales, shifts and gates through `steer` [B,6,D], common to all blocks,
    plus a table of the block's own.
    """

    def __init__(self, dim: int, context: int, head_dim: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, elementwise_affine=False)
        self.attention = SelfAttention(dim, head_dim)
        self.norm2 = nn.LayerNorm(dim)
        self.cross = MaskedCrossAttention(dim, context, head_dim)
        self.norm3 = nn.LayerNorm(dim, elementwise_affine=False)
        self.widen = nn.Linear(dim, 4 * dim)
        self.narrow = nn.Linear(4 * dim, dim)
        self.table = nn.Parameter(torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0, 1.0])[:, None].repeat(1, dim))

    def forward(self, x: Tensor, steer: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        scale1, shift1, gate1, scale2, shift2, gate2 = (steer + self.table).to(x.dtype).unsqueeze(2).unbind(1)
        x = x + gate1 * self.attention(self.norm1(x) * (1 + scale1) + shift1)
        x = x + self.cross(self.norm2(x), context, mask)
        hidden = F.gelu(self.widen(self.norm3(x) * (1 + scale2) + shift2), approximate="tanh")
        return x + gate2 * self.narrow(hidden)


class ConvBlock(nn.Module):
    """Two normalised 3x3 convolutions with a shortcut, [B,C,h,w] -> [B,D,h,w]; the timestep
    scales and shifts between them."""

    def __init__(self, inputs: int, outputs: int, time: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(min(16, inputs), inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.steer = nn.Linear(time, 2 * outputs)
        self.norm2 = nn.GroupNorm(min(16, outputs), outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.short = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.steer.weight)
        nn.init.zeros_(self.steer.bias)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        y = self.first(F.silu(self.norm1(x)))
        scale, shift = self.steer(time).to(y.dtype)[:, :, None, None].chunk(2, 1)
        return self.short(x) + self.second(F.silu(self.norm2(y) * (1 + scale) + shift))


class CrossAt(nn.Module):
    """MaskedCrossAttention added to a feature map [B,C,h,w]."""

    def __init__(self, channels: int, context: int, head_dim: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.cross = MaskedCrossAttention(channels, context, head_dim)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        flat = x.flatten(2).transpose(1, 2)
        y = self.cross(self.norm(flat), context, mask)
        return x + y.transpose(1, 2).unflatten(2, x.shape[2:])


class UNet(nn.Module):
    """latent [B,c,h,w], timestep [B] (0..999), context [B,N,T,C], mask [B,N,h,w] in 0..1
    -> the v-prediction [B,c,h,w]. h and w are even; N, h and w may differ from call to call."""

    FREQUENCIES = 4

    def __init__(self, cfg: Unet, context: int):
        super().__init__()
        c, d = cfg.conv_channels, cfg.width
        self.c, self.d = c, d
        head = min(cfg.head_dim, c)
        self.time = nn.Sequential(nn.Linear(c, d), nn.SiLU(), nn.Linear(d, d), nn.SiLU())
        self.steer = nn.Linear(d, 6 * d)
        self.enter = nn.Conv2d(cfg.latent_channels, c, 3, padding=1)
        self.before = nn.ModuleList(ConvBlock(c, c, d) for _ in range(cfg.conv_blocks))
        self.cross_before = CrossAt(c, context, head)
        self.down = nn.Linear(4 * c, d)
        self.place = nn.Linear(4 * self.FREQUENCIES, d)
        self.blocks = nn.ModuleList(TransformerBlock(d, context, cfg.head_dim) for _ in range(cfg.layers))
        self.norm = nn.LayerNorm(d)
        self.up = nn.Linear(d, 4 * c)
        self.after = nn.ModuleList(ConvBlock(2 * c if i == 0 else c, c, d) for i in range(cfg.conv_blocks))
        self.cross_after = CrossAt(c, context, head)
        self.leave_norm = nn.GroupNorm(min(16, c), c)
        self.leave = nn.Conv2d(c, cfg.latent_channels, 3, padding=1)
        nn.init.zeros_(self.steer.weight)
        nn.init.zeros_(self.steer.bias)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, latent: Tensor, timestep: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        h, w = latent.shape[2:]
        time = self.time(sinusoid(timestep, self.c))
        full = mask.flatten(2)
        half = F.avg_pool2d(mask, 2).flatten(2)
        x = self.enter(latent)
        for block in self.before:
            x = block(x, time)
        x = self.cross_before(x, context, full)
        y = F.pixel_unshuffle(x, 2).flatten(2).transpose(1, 2)
        y = self.down(y) + self.place(places(h // 2, w // 2, self.FREQUENCIES, latent.device))
        steer = self.steer(time).unflatten(1, (6, self.d))
        for block in self.blocks:
            y = block(y, steer, context, half)
        y = self.up(self.norm(y)).transpose(1, 2).unflatten(2, (h // 2, w // 2))
        x = torch.cat([x, F.pixel_shuffle(y, 2)], 1)
        for block in self.after:
            x = block(x, time)
        x = self.cross_after(x, context, full)
        return self.leave(F.silu(self.leave_norm(x)))


def sinusoid(timestep: Tensor, width: int) -> Tensor:
    """timestep [B] -> [B,width]: cosines and sines at geometric frequencies."""
    rates = torch.exp(torch.arange(width // 2, dtype=torch.float32, device=timestep.device)
                      * (-math.log(10_000.0) / (width // 2)))
    angles = timestep[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], 1)


def places(h: int, w: int, frequencies: int, device) -> Tensor:
    """Where each of h*w cells lies, [h*w, 4*frequencies], the picture spanning 0..1 either way."""
    y = (torch.arange(h, dtype=torch.float32, device=device) + 0.5) / h
    x = (torch.arange(w, dtype=torch.float32, device=device) + 0.5) / w
    turns = math.pi * torch.arange(1, frequencies + 1, dtype=torch.float32, device=device)
    ay = (y[:, None] * turns)[:, None, :].expand(h, w, frequencies)
    ax = (x[:, None] * turns)[None, :, :].expand(h, w, frequencies)
    return torch.cat([ay.cos(), ay.sin(), ax.cos(), ax.sin()], 2).reshape(h * w, 4 * frequencies)
