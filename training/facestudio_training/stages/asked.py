"""What the stage `likeness` asks for: people in pictures of others, alone, in groups, and in other styles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..data import crops, pictures, skin
from ..language import marks
from ..models.teachers import mobilefacenet
from . import face
from .mix import Mix, tokens

PORTRAITS = ("moved", "stylised")  # scenes of one person


@dataclass
class Asked:
    """For B pictures with M faces in all: latent [B,c,h,w], the pictures that lend their style; style [B,D], faces
    [B,N,F] and mask [B,N,h,w] as in Batch; picture [M], which of B a face is in; place [M,2,3], where it is (see
    data/crops.py); wanted [M,E], what the recogniser is to say of it; tone [M,3], the colour of the person's skin, RGB 0..1; named [B,K],
    which attributes are to be there (1) or not (-1)."""

    latent: Tensor
    style: Tensor
    faces: Tensor
    mask: Tensor
    picture: Tensor
    place: Tensor
    wanted: Tensor
    tone: Tensor
    named: Tensor

    def context(self, guidance) -> Tensor:
        """Tokens [B,N,T,C]."""
        return tokens(guidance, self.style, self.faces)


class Requests:
    """Calls draw(people) -> Asked: pictures of one size with about so many faces in all."""

    def __init__(self, cfg: Config, held: pictures.Pictures, mix: Mix) -> None:
        self.cfg, self.mix, self.draw, self.side = cfg.likeness, mix, mix.draw, cfg.data.size
        self.device = self.draw.face.device
        taught = face.teacher_embeddings(cfg, held)
        rows = held.where("train")
        rows = rows[held.found[rows] & taught[rows].any(1)]
        self.rows = torch.from_numpy(rows).to(self.device)
        wanted = np.zeros((len(held), taught.shape[1]), np.float32)
        wanted[rows] = means(taught, held, rows)
        self.wanted = torch.from_numpy(wanted).to(self.device)
        tone = np.zeros((len(held), 3), np.float32)
        tone[rows] = tones(held, rows)
        self.tone = torch.from_numpy(tone).to(self.device)
        place = np.zeros((len(held), 2, 3), np.float32)
        place[rows] = crops.places(held.points[rows], self.side, self.side)
        self.place = torch.from_numpy(place).to(self.device)
        self.places = {kind: self.of_scenes(kind) for kind in (*PORTRAITS, "wide") if kind in mix.kinds}

    def of_scenes(self, kind: str) -> Tensor:
        """Where the faces of all scenes of a kind are, [n,N,2,3]; zero where nobody is."""
        held = self.mix.kinds[kind]
        points, there = held["points"].numpy(force=True), (held["rows"] >= 0).numpy(force=True)
        height, width = (8 * n for n in held["latents"].shape[2:])
        out = np.zeros((*there.shape, 2, 3), np.float32)
        out[there] = crops.places(points[there], height, width)
        return torch.from_numpy(out).to(self.device)

    def __call__(self, people: int) -> Asked:
        if "wide" in self.places and float(self.uniform(1)) < self.cfg.groups:
            return self.groups(max(1, people // 2))
        base = self.rows[(self.uniform(people) * len(self.rows)).long()]
        latent, style, place = self.draw.latents[base, 0].float(), self.draw.style[base, 0].float(), self.place[base]
        added, named = self.draw.marking(base)
        style, chance = style + added, self.uniform(people)
        for kind in (k for k in PORTRAITS if k in self.places):
            chosen = torch.nonzero((chance >= 0) & (chance < self.cfg.elsewhere / 2))[:, 0]
            chance = chance - self.cfg.elsewhere / 2
            if len(chosen):
                pick = self.mix.pick(kind, len(chosen))
                held = self.mix.kinds[kind]
                latent[chosen], style[chosen] = held["latents"][pick].float(), held["style"][pick].float()
                named[chosen] = 0
                place[chosen], base[chosen] = self.places[kind][pick, 0], held["rows"][pick, 0]
        dropped = self.uniform(people) < self.cfg.style_drop
        style[dropped], named[dropped] = 0, 0
        who = self.others(base)
        return Asked(latent, style, self.photos(who)[:, None], latent.new_ones(people, 1, *latent.shape[2:]),
                     torch.arange(people, device=self.device), place, self.wanted[who], self.tone[who], named)

    def groups(self, count: int) -> Asked:
        """So many pictures of several people, everybody somebody else; the background goes to one of them."""
        held, pick = self.mix.kinds["wide"], self.mix.pick("wide", count)
        rows, there = held["rows"][pick], held["rows"][pick] >= 0
        who = self.others(rows.clamp(min=0).flatten()).view_as(rows)
        style = held["style"][pick].float()
        style[self.uniform(count) < self.cfg.style_drop] = 0
        picture, place = torch.nonzero(there, as_tuple=True)
        return Asked(held["latents"][pick].float(), style, self.photos(who.flatten()).unflatten(0, who.shape) * there[..., None],
                     self.mix.filled(held["masks"][pick].float(), there), picture, self.places["wide"][pick][picture, place],
                     self.wanted[who[picture, place]], self.tone[who[picture, place]], style.new_zeros(count, len(marks.NAMES)))

    def others(self, base: Tensor) -> Tensor:
        """Whose faces are asked for in pictures of these people: at times their own."""
        who = self.rows[(self.uniform(len(base)) * len(self.rows)).long()]
        own = (self.uniform(len(base)) < self.cfg.own) & self.wanted[base].any(1)
        return torch.where(own, base, who)

    def photos(self, who: Tensor) -> Tensor:
        """e_f [M,F] of any photo of each person."""
        draw = self.draw
        return draw.face[draw.photos[draw.first[who] + (self.uniform(len(who)) * draw.count[who]).long()]]

    def uniform(self, *shape: int) -> Tensor:
        return self.mix.uniform(*shape)


def recogniser(cfg: Config, device: torch.device):
    """MobileFaceNet, and the mean and deviation [1,3,1,1] of the pixels (0..1) that it takes."""
    net = mobilefacenet(cfg.path("teachers") / "mobilefacenet_foamliu.pt").to(device, memory_format=torch.channels_last)
    return net, *(torch.tensor(v, device=device)[None, :, None, None] for v in (face.MEAN, face.STD))


def means(taught: np.ndarray, held: pictures.Pictures, rows: np.ndarray) -> np.ndarray:
    """The recogniser's embeddings [R,D] of each row's person: the mean of all the photos, unit length."""
    usable = np.flatnonzero(np.isin(held.split, ("train", "low")) & held.found & taught.any(1))
    names, inverse = np.unique(held.identity[usable], return_inverse=True)
    total = np.zeros((len(names), taught.shape[1]), np.float32)
    np.add.at(total, inverse, taught[usable])
    total /= np.linalg.norm(total, axis=1, keepdims=True)
    return total[np.searchsorted(names, held.identity[rows])]


def tones(held: pictures.Pictures, rows: np.ndarray) -> np.ndarray:
    """The mean colour [R,3], RGB 0..1, of the skin of each row's person over all these photos."""
    seen = np.stack([skin.of(np.asarray(held.faces[i])).mean((0, 1)) for i in rows]) / 255
    _, inverse, count = np.unique(held.identity[rows], return_inverse=True, return_counts=True)
    total = np.zeros((len(count), 3))
    np.add.at(total, inverse, seen)
    return (total / count[:, None])[inverse]
