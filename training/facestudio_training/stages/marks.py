"""Marks every training picture's attributes: as its caption says, else as a classifier that learned from captions guesses."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..data import augment, pictures
from ..device import autocast, of, pick
from ..files import write_arrays
from ..language import facts as known
from ..language import marks
from ..models.annotator import SIDE, Annotator
from ..trainer import Trainer, load_weights, save, setup
from . import judge

SURE = 0.85  # how probable an attribute, or its absence, has to be for a guess to count


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes <state>/marks/annotator.safetensors and marks.npy, int8 [N,K] of every picture: 1 there, -1 not, 0 unknown."""
    device, train = pick(cfg.device), cfg.marks
    setup(threads, train.seed, device)
    cv2.setNumThreads(threads)
    data = pictures.load(cfg)
    told = np.stack([said(data, i) for i in range(len(data))])
    rows = data.where("train", "low")
    rows = rows[(told[rows] >= 0).any(1)]
    net = Annotator(len(marks.NAMES)).to(device, memory_format=torch.channels_last)
    t = Trainer(cfg.state("marks"), "annotator_train", {"annotator": net}, train, minutes, cfg.fresh)
    rng = np.random.default_rng(train.seed + t.at)
    share = torch.from_numpy((told[rows] > 0).mean(0)).float().to(device)
    for _ in t:
        chosen = rng.choice(rows, train.batch)
        pixels = augment.to_tensor(np.stack([judge.disturbed(np.asarray(data.pixels[i]), rng, SIDE) for i in chosen]), device)
        with autocast(device):
            loss = judge.error(net(pixels).float(), torch.from_numpy(told[chosen]).to(device), share)
        t.step(loss, train.batch)
    t.load_ema()
    net.eval()
    report(data, told, net)
    save(cfg.state("marks") / "annotator.safetensors", net.state_dict(), {"images": t.images})
    write_arrays(cfg.state("marks") / "marks.npy", array=marked(data, told, net))


def load(cfg: Config) -> Annotator:
    """The trained annotator, in evaluation mode."""
    net = Annotator(len(marks.NAMES))
    load_weights(net, cfg.state("marks") / "annotator.safetensors")
    return net.eval().to(memory_format=torch.channels_last)


class Marking:
    """Calls draw(rows) -> (what to add to e_h [B,D], which marks that is [B,K] in -1..1): of a share of the pictures
    some attributes, of the others none."""

    def __init__(self, cfg: Config, random: torch.Generator) -> None:
        path = cfg.state("marks") / "marks.npy"
        self.share, self.random, device = cfg.unet.marked, random, random.device
        self.along = marks.GAIN * torch.from_numpy(marks.directions(cfg.guidance.image_dim)).to(device)
        if not self.share:
            return
        if not path.exists():
            raise SystemExit(f"{path} is missing: run the marks stage first, or set unet.marked to 0")
        self.known = torch.from_numpy(np.load(path)).float().to(device)

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """rows [B] count in the pictures; -1 has no marks."""
        if not self.share:
            chosen = self.along.new_zeros(len(rows), len(marks.NAMES))
            return chosen @ self.along, chosen
        known = self.known[rows.clamp(min=0)] * (rows >= 0)[:, None]
        kept = self.uniform(len(rows), 1) * (self.uniform(len(rows), 1) < self.share)  # a part, from none to all
        chosen = known * (self.uniform(*known.shape) < kept)
        return chosen @ self.along, chosen

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.random, device=self.random.device)


def said(data: pictures.Pictures, i: int) -> np.ndarray:
    """What the caption says of marks.NAMES as 0, 1 or -1 (unknown)."""
    return known.labels(data, i, known.facts(data, i))[:len(marks.NAMES)]


@torch.no_grad()
def guessed(net: Annotator, images: np.ndarray) -> np.ndarray:
    """Probabilities float32 [N,K] of pictures uint8 [N,H,W,3] and their mirror images."""
    small = np.stack([cv2.resize(np.asarray(p), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p in images])
    out = []
    for at in range(0, len(small), 64):
        x = augment.to_tensor(small[at:at + 64], of(net))
        out.append(((net(x) + net(x.flip(3))) / 2).float().sigmoid().cpu().numpy())
    return np.concatenate(out)


def marked(data: pictures.Pictures, told: np.ndarray, net: Annotator) -> np.ndarray:
    """int8 [N,K]: the caption's word, else a guess that is sure; nothing of those who are no training pictures."""
    out = np.zeros(told.shape, np.int8)
    rows = data.where("train", "low")
    probable = guessed(net, data.pixels[rows])
    guess = np.where(probable > SURE, 1, np.where(probable < 1 - SURE, -1, 0))
    out[rows] = np.where(told[rows] >= 0, 2 * told[rows] - 1, guess)
    return out


def report(data: pictures.Pictures, told: np.ndarray, net: Annotator) -> None:
    """Prints, on the dev people, the mean share right of those with and without each attribute."""
    rows = data.where("dev")
    rows = rows[(told[rows] >= 0).any(1)]
    if not len(rows):
        return
    found = guessed(net, data.pixels[rows]) > 0.5
    parts = []
    for k, name in enumerate(marks.NAMES):
        sides = [found[told[rows, k] == v, k] == bool(v) for v in (0, 1)]
        if all(len(s) >= 5 for s in sides):
            parts.append(f"{name} {np.mean([s.mean() for s in sides]):.2f}")
    print("marks: dev people, balanced accuracy: " + ", ".join(parts), flush=True)
