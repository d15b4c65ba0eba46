"""Trains the diffusion prior: from a prompt's embedding to e_h of a picture it could describe."""

from __future__ import annotations

import math
import random

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..config import Config
from ..data import pictures
from ..language import facts as known
from ..language.captions import Facts, describe
from ..language.tokenizer import Tokenizer
from ..models.prior import Prior
from ..models.text import TextEncoder
from ..trainer import Trainer, autocast, load_weights, save, setup
from . import clip

TRAIN_STEPS = 1000
TEXT_DROP = 0.1
HELD = 20  # one identity in so many is kept out of training, to measure on


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes <state>/prior/prior.safetensors and prior.json (its figures)."""
    setup(threads, cfg.prior.train.seed)
    data = pictures.load(cfg)
    images = np.load(cfg.state("clip") / "e_h.npy", mmap_mode="r")
    _, text, tokenizer = clip.load(cfg)
    rows = data.where("train", "low", "anime")
    held = (data.identity[rows] % HELD == 0) & (data.identity[rows] >= 0)
    told = {int(i): known.facts(data, i) for i in rows}
    net = Prior(cfg.prior.model)
    train = cfg.prior.train
    t = Trainer(cfg.state("prior"), "prior_train", {"prior": net}, train, minutes, cfg.fresh)
    rng = np.random.default_rng(train.seed + t.at)
    kept = cumulative()
    for _ in t:
        x0, words = draw(rng.choice(rows[~held], train.batch), images, told, text, tokenizer, rng)
        words = words * (torch.rand(len(words), 1) >= TEXT_DROP)
        step = torch.randint(0, TRAIN_STEPS, (len(x0),))
        a = kept[step][:, None]
        noised = a.sqrt() * x0 + (1 - a).sqrt() * torch.randn_like(x0)
        with autocast():
            found = net(noised, step.float(), words)
        loss = F.mse_loss(found.float(), x0)
        t.step(loss, len(x0))
    t.load_ema()
    save(cfg.state("prior") / "prior.safetensors", net.state_dict(),
         measure(cfg, net.eval(), rows, held, images, told, text, tokenizer))


def load(cfg: Config) -> Prior:
    """The trained prior, in evaluation mode."""
    net = Prior(cfg.prior.model)
    load_weights(net, cfg.state("prior") / "prior.safetensors")
    return net.eval()


def cumulative() -> Tensor:
    """The share of signal power kept at each of the 1,000 steps: the squared-cosine schedule,
    betas capped at 0.999 (what diffusers names squaredcos_cap_v2)."""
    at = [math.cos((i / TRAIN_STEPS + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(TRAIN_STEPS + 1)]
    betas = torch.tensor([min(1 - b / a, 0.999) for a, b in zip(at, at[1:], strict=False)], dtype=torch.float64)
    return torch.cumprod(1 - betas, 0).float()


def draw(chosen: np.ndarray, images: np.ndarray, told: dict[int, Facts], text: TextEncoder,
         tokenizer: Tokenizer, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """e_h [B,768] of the pictures or their mirror images, and the embeddings [B,256] of a fresh wording."""
    dice = random.Random(int(rng.integers(1 << 62)))
    sides = rng.integers(0, 2, len(chosen))
    wordings = [describe(told[int(i)].mirrored() if side else told[int(i)], dice)
                for i, side in zip(chosen, sides, strict=True)]
    with torch.no_grad(), autocast():
        words = text(clip.trim([tokenizer.encode(w) for w in wordings])).float()
    return torch.from_numpy(images[chosen, sides].astype(np.float32)), words


@torch.no_grad()
def sample(net: Prior, words: Tensor, noise: Tensor, steps: int, guidance: float) -> Tensor:
    """DDIM from noise [B,768] to e_T [B,768], with trailing steps of the schedule."""
    kept, x = cumulative(), noise
    times = [round(TRAIN_STEPS - i * TRAIN_STEPS / steps) - 1 for i in range(steps)]
    for now, later in zip(times, [*times[1:], -1], strict=True):
        step = torch.full((len(x),), float(now))
        x0 = net(x, step, words)
        if guidance != 1:
            plain = net(x, step, torch.zeros_like(words))
            x0 = plain + guidance * (x0 - plain)
        a, b = kept[now], kept[later] if later >= 0 else torch.tensor(1.0)
        eps = (x - a.sqrt() * x0) / (1 - a).sqrt()
        x = b.sqrt() * x0 + (1 - b).sqrt() * eps
    return x


def measure(cfg: Config, net: Prior, rows: np.ndarray, held: np.ndarray, images: np.ndarray,
            told: dict[int, Facts], text: TextEncoder, tokenizer: Tokenizer) -> dict:
    """Cosines to the true e_h over held identities with a described picture, of the prior's samples
    and of its first guess, beside the mean embedding's and a ridge regression's."""
    rng = np.random.default_rng(1)
    described = np.array([bool(told[int(i)].sex) for i in rows])
    test = rows[held & described][:1000]
    if not len(test):
        return {}
    base = rng.choice(rows[~held], min(8000, int((~held).sum())), replace=False)
    x, w = draw(base, images, told, text, tokenizer, rng)
    goal, words = draw(test, images, told, text, tokenizer, rng)
    mean = x.mean(0)
    system = w.T @ w + 10 * torch.eye(w.shape[1])
    linear = mean + words @ torch.linalg.solve(system, w.T @ (x - mean))
    noise = torch.randn(len(test), x.shape[1], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first = net(noise, torch.full((len(test),), TRAIN_STEPS - 1.0), words)
    found = {"mean": mean.expand_as(goal), "linear": linear, "first_guess": first}
    for guidance in (1.0, cfg.prior.guidance, 3.0):
        found[f"sample_g{guidance:g}"] = sample(net, words, noise, cfg.prior.steps, guidance)
    figures = {}
    for name, value in found.items():
        figures[f"cosine_{name}"] = float(F.cosine_similarity(value, goal, dim=1).mean())
        figures[f"std_{name}"] = float(value.std(1).mean())
        # Ranking against the other people's pictures shows whether the words were followed,
        # which the mean embedding, near to all, cannot.
        scores = F.normalize(value, dim=1) @ F.normalize(goal - mean, dim=1).T
        figures[f"rank_{name}"] = float((scores > scores.diag()[:, None]).float().mean())
    print("prior: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items()), flush=True)
    return figures
