"""Trains the judge of attributes on the captions, by name only: the evaluation of prompts asks it."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..config import Config
from ..data import augment, pictures
from ..device import autocast, pick
from ..language import facts as known
from ..models.judge import SIDE, Judge
from ..trainer import Trainer, load_weights, save, setup

NAMES = (*known.COLUMNS, "old")
OLD, YOUNG = 58, 45  # years: from here on old, below this not


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes <state>/judge/judge.safetensors and judge.json, what it is worth on the dev people."""
    device, train = pick(cfg.device), cfg.judge
    setup(threads, train.seed, device)
    cv2.setNumThreads(threads)
    data = pictures.load(cfg)
    rows = data.where("train", "low")
    truth = {int(i): labels(data, int(i)) for i in rows}
    rows = np.array([i for i in rows if (truth[int(i)] >= 0).any()])
    net = Judge(len(NAMES)).to(device, memory_format=torch.channels_last)
    t = Trainer(cfg.state("judge"), "judge_train", {"judge": net}, train, minutes, cfg.fresh)
    rng = np.random.default_rng(train.seed + t.at)
    wanted = torch.from_numpy(np.stack(list(truth.values())))
    share = torch.stack([(wanted[:, k] > 0).float().sum() / (wanted[:, k] >= 0).sum().clamp(min=1) for k in range(len(NAMES))])
    for _ in t:
        chosen = rng.choice(rows, train.batch)
        pixels = augment.to_tensor(np.stack([disturbed(np.asarray(data.pixels[i]), rng) for i in chosen]), device)
        with autocast(device):
            loss = error(net(pixels).float(), torch.from_numpy(np.stack([truth[int(i)] for i in chosen])).to(device), share.to(device))
        t.step(loss, train.batch)
    t.load_ema()
    save(cfg.state("judge") / "judge.safetensors", net.state_dict(), measure(data, net.cpu().eval()))


def load(cfg: Config) -> Judge:
    net = Judge(len(NAMES))
    load_weights(net, cfg.state("judge") / "judge.safetensors")
    return net.eval()


def labels(data: pictures.Pictures, i: int) -> np.ndarray:
    """NAMES as 0, 1 or -1 (unknown)."""
    found = known.facts(data, i)
    old = -1.0 if found.age < 0 or YOUNG <= found.age < OLD else float(found.age >= OLD)
    return np.append(known.labels(data, i, found), np.float32(old))


def disturbed(picture: np.ndarray, rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """Shifted, scaled, mirrored, recoloured and at times blurred, as generated pictures are, [side,side,3]."""
    size = picture.shape[0]
    matrix = augment.jitter(np.eye(2, 3), size, rng, shift=size / 16, scale=0.1, turn=4)
    out = cv2.warpAffine(picture, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.5:
        out = out[:, ::-1]
    if rng.random() < 0.5:
        out = cv2.GaussianBlur(np.ascontiguousarray(out), (0, 0), rng.uniform(0.5, 2.0))
    return cv2.resize(augment.colour(np.ascontiguousarray(out), rng, 0.15), (side, side), interpolation=cv2.INTER_AREA)


def error(found: Tensor, truth: Tensor, share: Tensor) -> Tensor:
    """Cross-entropy on what is known, the rare side of every attribute weighing as much as the other."""
    sure = (truth >= 0).float()
    share = share.clamp(0.01, 0.99)
    weight = torch.where(truth > 0.5, 0.5 / share, 0.5 / (1 - share)) * sure
    return (F.binary_cross_entropy_with_logits(found, truth.clamp(min=0), reduction="none") * weight).sum() / sure.sum().clamp(min=1)


def said(net: Judge, images: np.ndarray) -> np.ndarray:
    """Pictures uint8 [N,H,W,3] -> bool [N,K]."""
    small = np.stack([cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p in images])
    with torch.no_grad():
        return torch.cat([net(augment.to_tensor(small[k:k + 64])) for k in range(0, len(small), 64)]).numpy() > 0


def measure(data: pictures.Pictures, net: Judge) -> dict:
    """Balanced accuracy of each attribute on the dev people: the mean of the shares right with and without it."""
    rows = data.where("dev")
    if not len(rows):
        return {}
    truth, found = np.stack([labels(data, int(i)) for i in rows]), said(net, np.asarray(data.pixels[rows]))
    out = {}
    for k, name in enumerate(NAMES):
        sides = [found[truth[:, k] == v, k] == bool(v) for v in (0, 1)]
        if all(len(s) >= 5 for s in sides):
            out[name] = round(float(np.mean([s.mean() for s in sides])), 3)
    print("judge: " + ", ".join(f"{k} {v:.2f}" for k, v in out.items()), flush=True)
    return {"balanced": out}
