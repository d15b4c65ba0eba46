"""Trains the U-Net on to make the person who was asked for, by what a recogniser says of its pictures.

The paper's loss gives a picture back that the person was in (eq. 3), so nothing in it ever asks for a
person in somebody else's picture, which is all that the U-Net is used for. Here (ours) it starts from noise,
with the style of one picture and the face of somebody else; one of its predictions on the way is decoded,
and MobileFaceNet is asked who that is. The paper's loss goes on beside, so that pictures stay pictures.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..config import Config
from ..data import align, pictures
from ..device import autocast, compiled, pick
from ..diffusion import alphas, ancestral, timesteps
from ..models.teachers import mobilefacenet
from ..optim import mixed
from ..trainer import Trainer, setup
from . import face, unet, vae
from .mix import Mix

CROP = 112  # side of the recogniser's pictures


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes <state>/unet/likeness.safetensors, which then replaces the weights of `unet`."""
    c, device = cfg.likeness, pick(cfg.device)
    random = setup(threads, c.train.seed + 3, device)
    held = pictures.load(cfg)
    draw = unet.Draw(cfg, held, random)
    mix = Mix(cfg, draw)
    net, guidance = unet.load(cfg)
    modules = torch.nn.ModuleDict({"unet": net, "guidance": guidance}).to(device)
    t = Trainer(cfg.state("unet"), "likeness", modules, c.train, minutes, cfg.fresh,
                optimizers=mixed(modules, c.train, unet.OUTSIDE, c.hidden_lr), random=random)
    forward, asked = compiled(net, device), Asked(cfg, held, draw)
    alpha, shown = alphas().to(device), time.monotonic()
    for _ in t:
        drawn = mix(c.train.batch)
        loss, v = unet.reconstruct(forward, guidance, drawn, alpha, cfg.unet.weight_floor)
        alike = asked(forward, guidance)
        t.step(loss + c.weight * (1 - alike), images=len(drawn.latent) + c.people, v=v, alike=alike)
        if time.monotonic() - shown > unet.SHEET_SECONDS:
            unet.sheet(cfg, held, t)
            shown = time.monotonic()
    unet.sheet(cfg, held, t)


class Asked:
    """Batches of people to be shown in others' pictures, and how like them the predictions are."""

    def __init__(self, cfg: Config, held: pictures.Pictures, draw: unet.Draw) -> None:
        self.cfg, self.draw, self.random, self.device = cfg.likeness, draw, draw.random, draw.face.device
        taught = face.teacher_embeddings(cfg, held)
        rows = held.where("train")
        rows = rows[held.found[rows] & taught[rows].any(1)]
        self.rows = torch.from_numpy(rows).to(self.device)
        self.wanted = torch.from_numpy(means(taught, held, rows)).to(self.device)
        self.place = torch.from_numpy(crops(held.points[rows], cfg.data.size)).to(self.device)
        self.decoder = vae.load(cfg)[1].to(self.device).requires_grad_(False)
        self.recogniser = mobilefacenet(cfg.path("teachers") / "mobilefacenet_foamliu.pt").to(self.device, memory_format=torch.channels_last)
        self.mean, self.std = (torch.tensor(v, device=self.device)[None, :, None, None] for v in (face.MEAN, face.STD))
        self.alpha = alphas().to(self.device)

    def __call__(self, net, guidance) -> Tensor:
        """Mean cosine of what the recogniser sees to the people who were asked for."""
        style, who = ((self.uniform(self.cfg.people) * len(self.rows)).long() for _ in range(2))
        own = self.uniform(len(style)) < self.cfg.own
        who = torch.where(own, style, who)
        row = self.rows[who]
        photo = self.draw.photos[self.draw.first[row] + (self.uniform(len(row)) * self.draw.count[row]).long()]
        image = self.draw.style[self.rows[style], 0].float()
        image[self.uniform(len(style)) < self.cfg.style_drop] = 0
        with autocast(image.device):
            context = guidance(image, self.draw.face[photo])[:, None]
        clean = self.predict(net, context)
        with autocast(image.device):
            made = self.decoder(clean.contiguous(memory_format=torch.channels_last)).float().clamp(-1, 1)
            seen = self.recogniser(self.faces(made, self.place[style]))
        return (seen.float() * self.wanted[who]).sum(1).mean()

    def predict(self, net, context: Tensor) -> Tensor:
        """The clean latent [B,c,h,w] that is predicted somewhere on Euler ancestral's way from noise; only
        this prediction has a gradient."""
        c, shape = self.cfg, (len(context), *self.draw.latents.shape[2:])
        times = timesteps(self.integer(c.fewest, c.most))
        fit = [i for i, at in enumerate(times) if c.first <= at <= c.last]
        stop = fit[self.integer(0, len(fit) - 1)]
        x, mask = self.normal(*shape), context.new_ones(len(context), 1, *shape[2:])
        for i, at in enumerate(times[:stop + 1]):
            here = self.alpha[at]
            with torch.set_grad_enabled(i == stop), autocast(x.device):
                v = net(x.contiguous(memory_format=torch.channels_last), x.new_full((len(x),), float(at)), context, mask)
            clean = here.sqrt() * x - (1 - here).sqrt() * v.float()
            if i < stop:
                x = ancestral(x, clean, here, self.alpha[times[i + 1]], self.normal(*shape))
        return clean

    def faces(self, made: Tensor, place: Tensor) -> Tensor:
        """The recogniser's crops [B,3,112,112] out of pictures [B,3,H,W], a little off each time, so that no single
        pixel decides."""
        shift = 2 * self.cfg.jitter * (self.uniform(len(made), 2, 1) - 0.5)
        scale = 1 + 2 * self.cfg.jitter * (self.uniform(len(made), 1, 1) - 0.5)
        theta = torch.cat([place[:, :, :2] * scale, place[:, :, 2:] + shift], 2)
        grid = F.affine_grid(theta, [len(made), 3, CROP, CROP], align_corners=False)
        crop = F.grid_sample(made, grid, mode="bilinear", align_corners=False)
        crop = crop + self.cfg.grain * self.normal(*crop.shape)
        return ((crop * 0.5 + 0.5 - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.random, device=self.device)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.random, device=self.device)

    def integer(self, least: int, most: int) -> int:
        """One of least..most."""
        return min(most, least + int(float(self.uniform(1)) * (most - least + 1)))


def means(taught: np.ndarray, held: pictures.Pictures, rows: np.ndarray) -> np.ndarray:
    """The recogniser's embeddings [R,D] of each row's person: the mean of all the photos, unit length."""
    usable = np.flatnonzero(np.isin(held.split, ("train", "low")) & held.found & taught.any(1))
    names, inverse = np.unique(held.identity[usable], return_inverse=True)
    total = np.zeros((len(names), taught.shape[1]), np.float32)
    np.add.at(total, inverse, taught[usable])
    total /= np.linalg.norm(total, axis=1, keepdims=True)
    return total[np.searchsorted(names, held.identity[rows])]


def crops(points: np.ndarray, side: int) -> np.ndarray:
    """For faces with points [R,4,2] in pictures of that side: theta [R,2,3] of torch's affine_grid, from the aligned
    crop's coordinates (-1..1) to the picture's."""
    out = np.empty((len(points), 2, 3), np.float32)
    for i, found in enumerate(points):
        # back takes pixels of the crop to pixels of the picture; pixel p of n is at (2 p + 1) / n - 1.
        back = align.similarity(align.ARCFACE_112, found)
        linear = back[:, :2] * CROP / side
        middle = back[:, :2] @ np.full(2, (CROP - 1) / 2) + back[:, 2]
        out[i] = np.concatenate([linear, ((2 * middle + 1) / side - 1)[:, None]], 1)
    return out
