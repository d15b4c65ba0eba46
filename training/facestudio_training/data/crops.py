"""Aligned faces cut out of many pictures at once, on whatever computes, and disturbed as photos differ."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from . import align

SIDE = 112
SHIFT, SCALE, TURN = 2.0, 0.04, np.deg2rad(3.5)  # of the alignment at most: pixels, a share, an angle
SOFT, SMALLEST, LARGEST = 0.15, 36, 90  # share of faces as from a small source, and its side
GREY, STRENGTH = 0.1, 0.2  # share without colours; how far light and tint go


def places(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """For faces with points [R,4,2] in pictures of that size: theta [R,2,3] of torch's affine_grid, from the aligned
    crop's coordinates (-1..1) to the picture's."""
    out, side = np.empty((len(points), 2, 3), np.float32), np.array([width, height])
    for i, found in enumerate(points):
        # back takes pixels of the crop to pixels of the picture; pixel p of n is at (2 p + 1) / n - 1.
        back = align.similarity(align.ARCFACE_112, found)
        linear = back[:, :2] * SIDE / side[:, None]
        middle = back[:, :2] @ np.full(2, (SIDE - 1) / 2) + back[:, 2]
        out[i] = np.concatenate([linear, ((2 * middle + 1) / side - 1)[:, None]], 1)
    return out


def cut(pixels: Tensor, theta: Tensor) -> Tensor:
    """pixels [B,3,H,W] and places [B,2,3] -> faces [B,3,112,112]; what lies outside a picture is 0."""
    grid = F.affine_grid(theta, [len(theta), 3, SIDE, SIDE], align_corners=False)
    return F.grid_sample(pixels, grid, mode="bilinear", align_corners=False)


class Crops:
    """Calls draw(at) -> aligned faces [B,3,112,112] in [-1,1] of the at-th [B] of some pictures, whose alignment and
    side are disturbed. pixels uint8 [R,H,W,3] and points [R,4,2] are theirs."""

    def __init__(self, pixels: np.ndarray, points: np.ndarray, random: torch.Generator) -> None:
        self.random, self.device = random, random.device
        self.pixels = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device)
        self.places = torch.from_numpy(places(points, *pixels.shape[1:3])).to(self.device)

    def __len__(self) -> int:
        return len(self.places)

    def __call__(self, at: Tensor) -> Tensor:
        # Cut while black is 0, as what lies outside is to be black.
        x = cut(self.pixels[at].permute(0, 3, 1, 2).float(), self.wobbled(self.places[at]))
        return x.div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last)

    def wobbled(self, theta: Tensor) -> Tensor:
        """Places of crops that are turned, scaled, shifted and half of the time mirrored."""
        count = len(theta)
        factor, angle = 1 + SCALE * self.within(count), TURN * self.within(count)
        c, s = factor * angle.cos(), factor * angle.sin()
        side = self.within(count).sign()
        turn = torch.stack([torch.stack([side * c, -s], 1), torch.stack([side * s, c], 1)], 1)
        shift = self.within(count, 2, 1) * (2 * SHIFT / SIDE)
        return torch.cat([theta[:, :, :2] @ turn, theta[:, :, :2] @ shift + theta[:, :, 2:]], 2)

    def within(self, *shape: int) -> Tensor:
        """Uniform in -1..1."""
        return 2 * torch.rand(*shape, generator=self.random, device=self.device) - 1


def disturbed(faces: Tensor, random: torch.Generator) -> Tensor:
    """Faces [B,3,S,S] in [-1,1] in other light, the first of them as from a small source: in random order, that is some."""
    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=random, device=faces.device)

    count, soft, x = len(faces), int(len(faces) * SOFT), faces.clone()
    if soft:
        side = int(torch.randint(SMALLEST, LARGEST, ()))  # of the processor, which need not wait for a GPU
        x[:soft] = F.interpolate(F.interpolate(x[:soft], size=(side, side), mode="area"), size=x.shape[2:], mode="bilinear")
    grey = uniform(count, 1, 1, 1) < GREY
    x = torch.where(grey, x.mean(1, keepdim=True), x)
    gain = 1 + STRENGTH * ((2 * uniform(count, 1, 1, 1) - 1) + 0.3 * (2 * uniform(count, 3, 1, 1) - 1))
    bias = STRENGTH * (2 * uniform(count, 1, 1, 1) - 1) * (100 / 127.5)
    return ((x + 1) * gain + bias - 1).clamp(-1, 1).contiguous(memory_format=torch.channels_last)
