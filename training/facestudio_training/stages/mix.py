"""Batches for the U-Net of portraits as they are and of further scenes, by their shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..config import Config

INSIDE = ("moved", "stylised", "nobody")  # of the portraits' own size
WHOLE = ("wide", "square")  # kinds that fill a step of their own
MARKED = ("moved",)  # kinds of one person in the colours of the portrait


@dataclass
class Batch:
    """latent [B,c,h,w]; style [B,D]; faces [B,N,F]; mask [B,N,h,w], 1 in sum at every place; rows [B],
    which picture a portrait as it is shows, -1 for other scenes."""

    latent: Tensor
    style: Tensor
    faces: Tensor
    mask: Tensor
    rows: Tensor

    def context(self, guidance) -> Tensor:
        """Tokens [B,N,T,C]."""
        return tokens(guidance, self.style, self.faces)


def tokens(guidance, style: Tensor, faces: Tensor) -> Tensor:
    """Tokens [B,N,T,C] of every person of faces [B,N,F] with the picture's one style [B,D]."""
    people = faces.shape[1]
    return guidance(style[:, None].expand(-1, people, -1).flatten(0, 1), faces.flatten(0, 1)).unflatten(0, (-1, people))


class Mix:
    """Calls draw(batch) -> (latent, style, face, row), portraits with their conditions dropped, and puts
    scenes in where [unet.scenes] says. With all shares 0 the batches are draw's own, bit for bit."""

    def __init__(self, cfg: Config, draw):
        self.cfg, self.draw, self.random = cfg.unet, draw, draw.random
        shares = {k: getattr(cfg.unet.scenes, k) for k in (*INSIDE, *WHOLE)}
        if any(not 0 <= s <= 1 for s in shares.values()) or max(sum(shares[k] for k in g) for g in (INSIDE, WHOLE)) > 1:
            raise SystemExit(f"config: unet.scenes: shares must be 0..1 and not exceed 1 together, got {shares}")
        self.shares = {k: s for k, s in shares.items() if s > 0}
        device = draw.face.device
        self.kinds = {k: load(cfg.state("scenes") / f"{k}.npz", device) for k in self.shares}

    def __call__(self, batch: int) -> Batch:
        whole = {k: s for k, s in self.shares.items() if k in WHOLE}
        if whole:
            at = float(self.uniform(1))
            for kind, share in whole.items():
                if at < share:
                    return self.groups(kind, batch)
                at -= share
        latent, style, face, row = self.draw(batch)
        at = self.uniform(batch) if len(self.shares) > len(whole) else None
        for kind in (k for k in self.shares if k in INSIDE):
            chosen = torch.nonzero((at >= 0) & (at < self.shares[kind]))[:, 0]
            at = at - self.shares[kind]
            if len(chosen):
                pick = self.pick(kind, len(chosen))
                latent[chosen] = self.kinds[kind]["latents"][pick].float()
                style[chosen], faces = self.conditions(kind, pick)
                face[chosen], row[chosen] = faces[:, 0], -1
        return Batch(latent, style, face[:, None], latent.new_ones(len(latent), 1, *latent.shape[2:]), row)

    def groups(self, kind: str, batch: int) -> Batch:
        """A step of one kind of groups."""
        held = self.kinds[kind]
        area = held["latents"].shape[2] * held["latents"].shape[3] // self.draw.latents.shape[3] ** 2
        pick = self.pick(kind, max(1, batch // area))
        style, faces = self.conditions(kind, pick)
        mask = self.filled(held["masks"][pick].float(), held["rows"][pick] >= 0)
        return Batch(held["latents"][pick].float(), style, faces, mask, torch.full_like(pick, -1))

    def filled(self, mask: Tensor, there: Tensor) -> Tensor:
        """masks [B,N,h,w] whose background went to one of the people by chance; there [B,N]: where somebody is,
        the first ones of each picture."""
        owner = (self.uniform(len(mask)) * there.sum(1)).long()
        mask[torch.arange(len(mask), device=mask.device), owner] += (1 - mask.sum(1)).clamp(min=0)
        return mask

    def conditions(self, kind: str, pick: Tensor) -> tuple[Tensor, Tensor]:
        """style [B,D] and faces [B,N,F], of another photo of the person at times, dropped at times."""
        c, rows = self.cfg, self.kinds[kind]["rows"][pick]
        known = rows.clamp(min=0)
        draw = self.draw
        other = draw.photos[draw.first[known] + (self.uniform(*rows.shape) * draw.count[known]).long()]
        source = torch.where(self.uniform(*rows.shape) < c.other_photo, other, known)
        faces = draw.face[source] * (rows >= 0)[..., None]
        style, chance = self.kinds[kind]["style"][pick].float(), self.uniform(len(pick))
        if kind in MARKED:
            style = style + draw.marking(rows[:, 0])[0]
        style[chance < c.both_drop + c.style_drop] = 0
        faces[(chance < c.both_drop) | (chance >= 1 - c.face_drop)] = 0
        return style, faces

    def pick(self, kind: str, count: int) -> Tensor:
        return (self.uniform(count) * len(self.kinds[kind]["rows"])).long()

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.random, device=self.random.device)


def load(path: Path, device: torch.device) -> dict[str, Tensor]:
    """What the stage `scenes` wrote of one kind, on the device."""
    if not path.exists():
        raise SystemExit(f"{path} is missing: run the scenes stage first, or set its share in [unet.scenes] to 0")
    held = np.load(path)
    if "points" not in held:
        raise SystemExit(f"{path} is of an earlier version and lacks points: run the scenes stage again")
    out = {k: torch.from_numpy(held[k]).to(device) for k in ("latents", "style", "masks", "points", "rows")}
    out["rows"] = out["rows"].long()
    return out
