"""What the vision trio and the text encoder reached, on people they were not trained on."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from ..config import Config
from ..data import augment, pictures
from ..language.captions import Facts, describe
from ..language.facts import COLUMNS, turn
from ..language.tokenizer import Tokenizer
from ..models.text import TextEncoder
from ..models.vision import VisionTrio

if TYPE_CHECKING:
    from .clip import Heads


def measure(cfg: Config, data: pictures.Pictures, told: list[Facts], labels: np.ndarray, trio: VisionTrio,
            text: TextEncoder, heads: Heads, tokenizer: Tokenizer) -> dict:
    """Decoding error by encoder, turn, attributes and text retrieval on dev; draws sheet.png."""
    rows = data.where("dev")
    if not len(rows):
        return {}
    for module in (trio, text, heads):
        module.eval().cpu()
    x = augment.to_tensor(np.asarray(data.style[rows]))
    goal = F.avg_pool2d(x, x.shape[-1] // 32).flatten(1)
    dice = random.Random(0)
    ids = torch.tensor([tokenizer.encode(describe(told[i], dice, 1.0)) for i in rows])
    with torch.no_grad():
        parts = {n: trio.encoder(n)(x) for n in VisionTrio.NAMES}
        whole, words = torch.cat(list(parts.values()), 1), text(ids)
        shown = {n: heads.pictures[n](e) for n, e in parts.items()} | {"e_h": heads.picture(whole)}
        facts = heads.facts(whole)
        logits = F.normalize(heads.aligned(whole), dim=1) @ F.normalize(words, dim=1).T
    figures = {f"psnr_{n}": psnr(p, goal) for n, p in shown.items()}
    figures["psnr_mean"] = psnr(goal.mean(0, keepdim=True), goal)
    offset = torch.tensor([turn(data.points[i]) for i in rows]) * 4
    figures["turn_r2"] = float(1 - (facts[:, -1] - offset).square().mean() / offset.var())
    for k, name in enumerate(COLUMNS):
        sure = labels[rows, k] >= 0
        if sure.any():
            figures[f"balanced_{name}"] = balanced(facts[sure, k].numpy() > 0, labels[rows, k][sure] > 0.5)
    figures["text_rank"] = float((logits > logits.diag()[:, None]).float().sum(1).mean() / len(rows))
    print("clip: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items()), flush=True)
    sheet(cfg, x, shown)
    return figures


def psnr(found: torch.Tensor, goal: torch.Tensor) -> float:
    """In decibels, of values in [-1,1], averaged over everything."""
    return float(10 * torch.log10(4 / (found - goal).square().mean()))


def balanced(said: np.ndarray, true: np.ndarray) -> float:
    """Mean of the shares right among the positives and among the negatives."""
    return float(np.mean([(said == true)[true == v].mean() for v in (False, True) if (true == v).any()]))


def sheet(cfg: Config, x: torch.Tensor, shown: dict[str, torch.Tensor], count: int = 16) -> None:
    """sheet.png: the inputs above what each encoder and e_h decode to."""
    step = max(1, len(x) // count)
    lines = [F.avg_pool2d(x, x.shape[-1] // 32)] + [v.reshape(-1, 3, 32, 32) for v in shown.values()]
    grid = torch.cat([torch.cat(list(line[::step][:count]), 2) for line in lines], 1)
    pixels = ((grid.clamp(-1, 1) + 1) * 127.5).byte().permute(1, 2, 0).numpy()
    large = cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    cv2.imwrite(str(cfg.state("clip") / "sheet.png"), cv2.cvtColor(large, cv2.COLOR_RGB2BGR))
