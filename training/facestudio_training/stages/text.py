"""Trains the text encoder on alone, against the finished style embeddings.

The clip stage ends with its vision encoders good and its text encoder behind: a batch there costs
ten times what its captions cost. With e_h of every picture at hand only the captions are left.
"""

from __future__ import annotations

import math
import random

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config
from ..data import pictures
from ..device import autocast, pick
from ..language import facts as known
from ..language import lexicon, marks
from ..language.captions import worded
from ..trainer import Trainer, save, setup
from . import clip


class Head(nn.Module):
    """Reads a text embedding as an e_h, about the mean one; scale sharpens the contrast."""

    def __init__(self, text: int, image: int) -> None:
        super().__init__()
        self.image = nn.Linear(text, image)
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Rewrites <state>/clip/text.safetensors with the better text encoder."""
    train = cfg.clip.text_train
    device = pick(cfg.device)
    setup(threads, train.seed, device)
    data = pictures.load(cfg)
    images = np.load(cfg.state("clip") / "e_h.npy", mmap_mode="r")
    _, text, tokenizer = clip.load(cfg)
    text = text.to(device)
    rows = data.where("train", "low", "anime")
    told = {int(i): known.facts(data, i) for i in rows}
    having = holders(told)
    sample = torch.from_numpy(images[rows[:: max(1, len(rows) // 4000)], 0].astype(np.float32))
    mean, spread = sample.mean(0).to(device), sample.var(0).mean().to(device)
    along = marks.GAIN * marks.directions(images.shape[2])
    head = Head(cfg.clip.text.embed, images.shape[2]).to(device)
    t = Trainer(cfg.state("text"), "text_train", {"text": text, "head": head}, train, minutes, cfg.fresh)
    rng = np.random.default_rng(train.seed + t.at)
    for _ in t:
        dice = random.Random(int(rng.integers(1 << 62)))
        chosen, about = choose(rows, having, train.batch, dice)
        sides = rng.integers(0, 2, train.batch)
        texts, named = zip(*[worded(told[i].mirrored() if side else told[i], dice, about=name)
                             for i, side, name in zip(chosen, sides, about, strict=True)], strict=True)
        ids = [tokenizer.encode(t) for t in texts]
        goal = torch.from_numpy(images[chosen, sides] + np.stack([marks.named(n) for n in named]) @ along).to(device) - mean
        with autocast(device):
            found = head.image(text(clip.trim(ids).to(device)))
        error, contrast = losses(found.float(), goal, head.scale)
        t.step(error / spread + 0.2 * contrast, train.batch, error=error / spread, contrast=contrast)
    t.load_ema()
    save(cfg.state("clip") / "text.safetensors", text.state_dict(), {"images": t.images})


def holders(told: dict[int, known.Facts]) -> dict[str, list[int]]:
    """Attribute, as the lexicon names it -> the pictures that have it."""
    out: dict[str, list[int]] = {}
    for i, facts in told.items():
        for name in (*facts.attributes, *facts.absent):
            for one in lexicon.names(name):
                out.setdefault(one, []).append(i)
    return out


def choose(rows: np.ndarray, having: dict[str, list[int]], count: int, dice: random.Random) -> tuple[list[int], list[str]]:
    """count pictures and what a caption of each is to be about. Half are drawn evenly from all and about anything (""), half by an
    attribute drawn first: one picture in seventy has a hat, and there are more words for hats than for smiles."""
    names = list(having)
    about = [dice.choice(names) if names and n % 2 else "" for n in range(count)]
    return [dice.choice(having[name]) if name else int(dice.choice(rows)) for name in about], about


def losses(found: Tensor, goal: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Squared error, and the contrast of every caption with every picture of the batch."""
    logits = scale.exp().clamp(max=50.0) * F.normalize(found, dim=1) @ F.normalize(goal, dim=1).T
    right = torch.arange(len(logits), device=logits.device)
    contrast = (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2
    return F.mse_loss(found, goal), contrast
