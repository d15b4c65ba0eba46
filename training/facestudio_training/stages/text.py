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
from ..language import marks
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
    sample = torch.from_numpy(images[rows[:: max(1, len(rows) // 4000)], 0].astype(np.float32))
    mean, spread = sample.mean(0).to(device), sample.var(0).mean().to(device)
    along = marks.GAIN * marks.directions(images.shape[2])
    head = Head(cfg.clip.text.embed, images.shape[2]).to(device)
    t = Trainer(cfg.state("text"), "text_train", {"text": text, "head": head}, train, minutes, cfg.fresh)
    rng = np.random.default_rng(train.seed + t.at)
    for _ in t:
        chosen, sides = rng.choice(rows, train.batch), rng.integers(0, 2, train.batch)
        dice = random.Random(int(rng.integers(1 << 62)))
        texts, named = zip(*[worded(told[int(i)].mirrored() if side else told[int(i)], dice)
                             for i, side in zip(chosen, sides, strict=True)], strict=True)
        ids = [tokenizer.encode(t) for t in texts]
        goal = torch.from_numpy(images[chosen, sides] + np.stack([marks.named(n) for n in named]) @ along).to(device) - mean
        with autocast(device):
            found = head.image(text(clip.trim(ids).to(device)))
        error, contrast = losses(found.float(), goal, head.scale)
        t.step(error / spread + 0.2 * contrast, train.batch, error=error / spread, contrast=contrast)
    t.load_ema()
    save(cfg.state("clip") / "text.safetensors", text.state_dict(), {"images": t.images})


def losses(found: Tensor, goal: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Squared error, and the contrast of every caption with every picture of the batch."""
    logits = scale.exp().clamp(max=50.0) * F.normalize(found, dim=1) @ F.normalize(goal, dim=1).T
    right = torch.arange(len(logits), device=logits.device)
    contrast = (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2
    return F.mse_loss(found, goal), contrast
