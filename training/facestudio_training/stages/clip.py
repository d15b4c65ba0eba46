"""Trains the vision trio and the text encoder together, on pictures whose faces are greyed out.

A contrastive loss alone would keep only what captions say. The style embedding must also carry
the pose, the colours, the layout and the background, so each encoder's output, disturbed by
noise, is decoded by one Linear to the masked picture at 32x32 and to the turn of the face.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config
from ..data import augment, pictures
from ..device import autocast, of, pick, upload, workers
from ..files import write_arrays
from ..language import facts as known
from ..language.captions import Facts, describe
from ..language.tokenizer import Tokenizer, build
from ..models.text import TextEncoder
from ..models.vision import VisionTrio
from ..prefetch import ahead
from ..trainer import Trainer, load_weights, save, setup
from .clip_report import measure

TARGET = 32  # side of the decoded picture


class Heads(nn.Module):
    """What only training needs: decoders of the embeddings and the way into the text's space."""

    def __init__(self, names: tuple[str, ...], embed: int, columns: int) -> None:
        super().__init__()
        whole = embed * len(names)
        self.pictures = nn.ModuleDict({n: nn.Linear(embed, 3 * TARGET**2) for n in names})
        self.picture = nn.Linear(whole, 3 * TARGET**2)
        self.aligned = nn.Linear(whole, embed)
        self.facts = nn.Linear(whole, columns + 2)  # labels, age, turn
        self.told = nn.Linear(embed, columns + 2)
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))


@dataclass
class Batch:
    """pixels [B,3,64,64] disturbed, target [B,3,32,32] clean, ids [B,L], labels [B,K], age and turn [B]
    (NaN unknown)."""

    pixels: Tensor
    target: Tensor
    ids: Tensor
    labels: Tensor
    numbers: Tensor


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes vision.safetensors, text.safetensors, tokenizer.json, embeddings and a report to <state>/clip."""
    device = pick(cfg.device)
    setup(threads, cfg.clip.train.seed, device)
    cv2.setNumThreads(0 if workers(device) else threads)
    at = cfg.state("clip")
    data = pictures.load(cfg)
    rows = data.where("train", "low", "anime")
    told = [known.facts(data, i) for i in range(len(data))]
    tokenizer = vocabulary(cfg, told)
    tokenizer.save(at / "tokenizer.json")
    labels = np.stack([known.labels(data, i, f) for i, f in enumerate(told)])
    trio, text = VisionTrio(cfg.clip.vision).to(device, memory_format=torch.channels_last), TextEncoder(cfg.clip.text).to(device)
    heads = Heads(VisionTrio.NAMES, cfg.clip.vision.embed, labels.shape[1]).to(device)
    train = cfg.clip.train
    t = Trainer(at, "clip_train", {"vision": trio, "text": text, "heads": heads}, train, minutes, cfg.fresh)

    def make(step: int) -> tuple:
        rng = np.random.default_rng([train.seed, t.before, step])
        return draw(data, rng.choice(rows, train.batch), told, labels, tokenizer, rng)

    batches = ahead(make, t.at, workers(device))
    for _ in t:
        batch = on(device, next(batches))
        with autocast(device):
            loss, figures = losses(cfg, trio, text, heads, batch)
        t.step(loss, train.batch, **figures)
    batches.close()
    t.load_ema()
    save(at / "text.safetensors", text.state_dict(), {})
    save(at / "vision.safetensors", trio.state_dict(), measure(cfg, data, told, labels, trio, text, heads, tokenizer))
    embed_all(cfg, data, trio.to(device))


def load(cfg: Config) -> tuple[VisionTrio, TextEncoder, Tokenizer]:
    """The trained encoders, in evaluation mode, and the tokenizer."""
    at = cfg.state("clip")
    trio, text = VisionTrio(cfg.clip.vision), TextEncoder(cfg.clip.text)
    load_weights(trio, at / "vision.safetensors")
    load_weights(text, at / "text.safetensors")
    return (trio.eval().to(memory_format=torch.channels_last), text.eval(),
            Tokenizer.load(at / "tokenizer.json", cfg.clip.text.length))


def vocabulary(cfg: Config, told: list[Facts]) -> Tokenizer:
    """The tokenizer over several wordings of every picture and the common words."""
    dice = random.Random(cfg.clip.train.seed)
    texts = [describe(f, dice) for _ in range(3) for f in told]
    common = (Path(__file__).parent.parent / "language" / "words.txt").read_text().split()
    return build(texts, common, cfg.clip.text.vocabulary, cfg.clip.text.length)


def draw(data: pictures.Pictures, chosen: np.ndarray, told: list[Facts], labels: np.ndarray,
         tokenizer: Tokenizer, rng: np.random.Generator) -> tuple[np.ndarray, Tensor, np.ndarray, Tensor]:
    """Shifted, turned and mirrored style inputs uint8 [B,64,64,3], ids of a fresh wording each, labels
    and numbers of a batch."""
    dice = random.Random(int(rng.integers(1 << 62)))
    side = data.style.shape[1]
    images, ids, numbers = [], [], []
    for i in chosen:
        matrix = augment.jitter(np.eye(2, 3), side, rng, shift=2.0, scale=0.08, turn=3.0)
        image = cv2.warpAffine(np.asarray(data.style[i]), matrix, (side, side), flags=cv2.INTER_LINEAR,
                               borderMode=cv2.BORDER_REPLICATE)
        facts = told[i]
        offset = known.turn(data.points[i]) if data.found[i] else math.nan
        if rng.random() < 0.5:
            image, facts, offset = image[:, ::-1], facts.mirrored(), -offset
        images.append(image)
        ids.append(tokenizer.encode(describe(facts, dice)))
        numbers.append((facts.age / 40 if facts.age > 0 else math.nan, 4 * offset))
    return np.stack(images), trim(ids), labels[chosen], torch.tensor(numbers, dtype=torch.float32)


def on(device: torch.device, drawn: tuple[np.ndarray, Tensor, np.ndarray, Tensor]) -> Batch:
    """What draw returned, as the network takes it."""
    images, ids, labels, numbers = drawn
    clean = augment.to_tensor(images, device)
    return Batch(clean + 0.03 * torch.randn_like(clean), F.avg_pool2d(clean, clean.shape[-1] // TARGET), ids.to(device),
                 upload(labels, device), numbers.to(device))


def trim(ids: list[list[int]]) -> Tensor:
    """ids [B,L] without the columns that are padding in every row."""
    whole = torch.tensor(ids)
    return whole[:, : int((whole != 0).sum(1).max())]


def losses(cfg: Config, trio: VisionTrio, text: TextEncoder, heads: Heads, batch: Batch) -> tuple[Tensor, dict]:
    """The weighted sum of decoding, contrast and facts, and the parts for the progress line."""
    embeds = {n: trio.encoder(n)(batch.pixels) for n in VisionTrio.NAMES}
    embeds = {n: e + cfg.clip.noise * torch.randn_like(e) for n, e in embeds.items()}
    whole = torch.cat(list(embeds.values()), 1)
    goal = batch.target.flatten(1)
    parts = [heads.pictures[n](e).float() - goal for n, e in embeds.items()]
    joint = heads.picture(whole).float() - goal
    decoded = sum(p.abs().mean() + 2 * p.square().mean() for p in parts) / len(parts)
    decoded = decoded + joint.abs().mean() + 2 * joint.square().mean()
    words = text(batch.ids)
    z, w = F.normalize(heads.aligned(whole).float(), dim=1), F.normalize(words, dim=1)
    logits = heads.scale.exp().clamp(max=50.0) * z @ w.T
    right = torch.arange(len(logits), device=logits.device)
    contrast = (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2
    seen, read = facts_loss(heads.facts(whole), batch), facts_loss(heads.told(words), batch)
    loss = 4 * decoded + 0.5 * contrast + seen + 0.5 * read
    return loss, {"mse": joint.square().mean(), "contrast": contrast, "seen": seen, "read": read}


def facts_loss(out: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy on the labels that are known, squared error on age and turn."""
    columns = batch.labels.shape[1]
    sure = (batch.labels >= 0).float()
    cross = F.binary_cross_entropy_with_logits(out[:, :columns].float(), batch.labels.clamp(min=0), reduction="none")
    given = ~batch.numbers.isnan()
    error = (out[:, columns:].float() - batch.numbers.nan_to_num()).square() * given
    return (cross * sure).sum() / sure.sum().clamp(min=1) + 0.5 * error.sum() / given.sum().clamp(min=1)


def embed(trio: VisionTrio, style: np.ndarray, batch: int = 64) -> np.ndarray:
    """Style inputs uint8 [N,64,64,3] -> e_h [N,768]."""
    out = []
    for start in range(0, len(style), batch):
        with torch.no_grad(), autocast(of(trio)):
            out.append(trio(augment.to_tensor(np.asarray(style[start:start + batch]), of(trio))).float().cpu().numpy())
    return np.concatenate(out)


def embed_all(cfg: Config, data: pictures.Pictures, trio: VisionTrio) -> None:
    """Writes e_h.npy, float16 [N,2,768]: of every picture and of its mirror image."""
    trio.eval()
    both = [embed(trio, data.style), embed(trio, data.style[:, :, ::-1])]
    at = cfg.state("clip") / "e_h.npy"
    write_arrays(at, array=np.stack(both, 1).astype(np.float16))
    print(f"clip: {at.name} of {len(data)} pictures written", flush=True)
