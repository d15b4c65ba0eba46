"""Trains the diffusion prior: from a prompt's embedding to e_h of a picture it could describe, with marks of what it names."""

from __future__ import annotations

import math
import random
import time

import numpy as np
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config
from ..data import pictures
from ..device import autocast, of, pick
from ..language import facts as known
from ..language import marks
from ..language.captions import Facts, worded
from ..language.tokenizer import Tokenizer
from ..models.prior import Prior
from ..models.text import TextEncoder
from ..trainer import Trainer, load_weights, save, setup
from . import clip

TRAIN_STEPS = 1000
TEXT_DROP = 0.1
WORDINGS = 1
HELD = 20  # one identity in so many is kept out of training, to measure on


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes <state>/prior/prior.safetensors and prior.json (its figures)."""
    device = pick(cfg.device)
    setup(threads, cfg.prior.train.seed, device)
    data = pictures.load(cfg)
    images = np.load(cfg.state("clip") / "e_h.npy", mmap_mode="r")
    _, text, tokenizer = clip.load(cfg)
    text = text.to(device)
    rows = data.where("train", "low", "anime")
    held = (data.identity[rows] % HELD == 0) & (data.identity[rows] >= 0)
    told = [known.facts(data, i) for i in rows]
    train = cfg.prior.train
    words = wordings(told, text, tokenizer, train.seed)
    net = Prior(cfg.prior.model)
    start(net, *draw(np.flatnonzero(~held), rows, images, words, np.random.default_rng(2)))
    net = net.to(device)
    t = Trainer(cfg.state("prior"), "prior_train", {"prior": net}, train, minutes, cfg.fresh)
    rng = np.random.default_rng(train.seed + t.at)
    kept, usable = cumulative().to(device), np.flatnonzero(~held)
    for _ in t:
        x0, given = (x.to(device) for x in draw(rng.choice(usable, train.batch), rows, images, words, rng))
        given = given * (torch.rand(len(given), 1, device=device) >= TEXT_DROP)
        step = torch.randint(0, TRAIN_STEPS, (len(x0),), device=device)
        a = kept[step][:, None]
        noised = a.sqrt() * x0 + (1 - a).sqrt() * torch.randn_like(x0)
        with autocast(device):
            found = net(noised, step.float(), given)
        loss = F.mse_loss(found.float(), x0)
        t.step(loss, len(x0))
    t.load_ema()
    save(cfg.state("prior") / "prior.safetensors", net.state_dict(),
         measure(cfg, net.cpu().eval(), rows, held, images, told, words))


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


def wordings(told: list[Facts], text: TextEncoder, tokenizer: Tokenizer, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Text embeddings float16 [rows, 2, WORDINGS, 256] of every picture and its mirror image, and what each names
    float16 [rows, 2, WORDINGS, K]."""
    dice = random.Random(seed)
    texts = [worded(side, dice) for f in told for side in (f, f.mirrored()) for _ in range(WORDINGS)]
    ids = [tokenizer.encode(t) for t, _ in texts]
    named = np.stack([marks.named(n) for _, n in texts]).astype(np.float16)
    out, started = [], time.monotonic()
    shown = started
    for at in range(0, len(ids), 512):
        with torch.no_grad(), autocast(of(text)):
            out.append(text(clip.trim(ids[at:at + 512]).to(of(text))).half().cpu().numpy())
        if time.monotonic() - shown > 15:
            shown = time.monotonic()
            left = (shown - started) / (at + 512) * (len(ids) - at)
            print(f"prior: wordings {at}/{len(ids)}, {left / 60:.1f} min left", flush=True)
    shape = len(told), 2, WORDINGS, -1
    return np.concatenate(out).reshape(shape), named.reshape(shape)


def draw(chosen: np.ndarray, rows: np.ndarray, images: np.ndarray, words: tuple[np.ndarray, np.ndarray],
         rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """e_h [B,768] of the pictures or their mirror images, marked with what one wording names, and the embeddings
    [B,256] of that wording. chosen counts in rows, which count in images."""
    sides = rng.integers(0, 2, len(chosen))
    which = rng.integers(0, WORDINGS, len(chosen))
    given, named = (w[chosen, sides, which] for w in words)
    along = marks.GAIN * marks.STRENGTH[:, None] * marks.directions(images.shape[2])
    return (torch.from_numpy(images[rows[chosen], sides] + named.astype(np.float32) @ along),
            torch.from_numpy(given.astype(np.float32)))


def regression(x: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regression from words [N,256] to x [N,768]: the matrix [256,768] and the bias [768]."""
    mean, middle = x.mean(0), words.mean(0)
    w = words - middle
    matrix = torch.linalg.solve(w.T @ w + 10 * torch.eye(w.shape[1]), w.T @ (x - mean))
    return matrix, mean - middle @ matrix


@torch.no_grad()
def start(net: Prior, x: Tensor, words: Tensor) -> None:
    """Sets the straight path to the regression, and the rest to nothing, before training."""
    matrix, bias = regression(x, words)
    net.direct.weight.copy_(matrix.T)
    net.direct.bias.copy_(bias)
    nn.init.zeros_(net.leave.weight)
    nn.init.zeros_(net.leave.bias)


@torch.no_grad()
def sample(net: Prior, words: Tensor, noise: Tensor, steps: int, guidance: float, rescale: float = 0.0) -> Tensor:
    """DDIM from noise [B,768] to e_T [B,768], with trailing steps of the schedule; rescale as rescale_noise_cfg has it."""
    kept, x = cumulative(), noise
    times = [round(TRAIN_STEPS - i * TRAIN_STEPS / steps) - 1 for i in range(steps)]
    for now, later in zip(times, [*times[1:], -1], strict=True):
        step = torch.full((len(x),), float(now))
        x0 = net(x, step, words)
        if guidance != 1:
            plain = net(x, step, torch.zeros_like(words))
            x0 = rescale_noise_cfg(plain + guidance * (x0 - plain), x0, rescale)
        a, b = kept[now], kept[later] if later >= 0 else torch.tensor(1.0)
        eps = (x - a.sqrt() * x0) / (1 - a).sqrt()
        x = b.sqrt() * x0 + (1 - b).sqrt() * eps
    return x


def measure(cfg: Config, net: Prior, rows: np.ndarray, held: np.ndarray, images: np.ndarray,
            told: list[Facts], words: tuple[np.ndarray, np.ndarray]) -> dict:
    """Over held identities with a described picture: cosine to the true e_h, the same about the
    mean embedding, spread, and rank, of the prior's samples and of its first guess, beside the
    mean embedding's and a ridge regression's.

    All e_h lie near their mean, so the plain cosine says little; the rank (share of other held
    pictures nearer to the guess than the described one, 0.5 by chance) says whether the words
    were followed."""
    rng = np.random.default_rng(1)
    described = np.array([bool(f.sex) for f in told])
    test = np.flatnonzero(held & described)[:1000]
    if not len(test):
        return {}
    x, w = draw(np.flatnonzero(~held), rows, images, words, rng)
    goal, given = draw(test, rows, images, words, rng)
    mean = x.mean(0)
    matrix, bias = regression(x, w)
    noise = torch.randn(len(test), x.shape[1], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first = net(noise, torch.full((len(test),), TRAIN_STEPS - 1.0), given)
    found = {"mean": mean.expand_as(goal), "linear": given @ matrix + bias, "first_guess": first}
    found["unguided"] = sample(net, given, noise, cfg.prior.steps, 1.0)
    found["sample"] = sample(net, given, noise, cfg.prior.steps, cfg.prior.guidance, cfg.prior.rescale)
    figures = {}
    for name, value in found.items():
        figures[f"cosine_{name}"] = float(F.cosine_similarity(value, goal, dim=1).mean())
        figures[f"centred_{name}"] = float(F.cosine_similarity(value - mean, goal - mean, dim=1).mean())
        figures[f"std_{name}"] = float(value.std(1).mean())
        if name == "mean":
            continue
        scores = F.normalize(value - mean, dim=1) @ F.normalize(goal - mean, dim=1).T
        figures[f"rank_{name}"] = float((scores > scores.diag()[:, None]).float().mean())
    print("prior: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items()), flush=True)
    return figures
