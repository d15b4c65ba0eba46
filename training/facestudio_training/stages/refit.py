"""Trains the face encoder on, towards its teacher, in the space that it already has.

What the teacher tells of a photo is mapped by ridge regression into the encoder's own space:

    goal = normalize(t M + b), M and b from min sum |e - t M - b|^2 + r |M|^2

so that what e_f holds besides who somebody is (noise, the pose, the light) goes, and whatever reads e_f goes
on to understand it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from ..config import Config
from ..data import augment, pictures
from ..device import autocast, compiled, pick, workers
from ..files import write_arrays
from ..prefetch import ahead
from ..trainer import Trainer, save, setup
from . import face

RIDGE = 1e-3  # r, as a share of the mean squared teacher embedding's over all photos


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Rewrites <state>/face/face.safetensors, face.json and e_f.npy."""
    device, train = pick(cfg.device), cfg.face.refit
    setup(threads, train.seed + 1, device)
    cv2.setNumThreads(0 if workers(device) else threads)
    data = pictures.load(cfg)
    taught = face.teacher_embeddings(cfg, data)
    rows = data.where("train", "low")
    rows = rows[data.found[rows] & taught[rows].any(1)]
    encoder = face.load(cfg).to(device)
    t = Trainer(cfg.state("face"), "refit", {"encoder": encoder}, train, minutes, cfg.fresh)
    goals = torch.from_numpy(goals_of(cfg.state("face"), taught, rows, fresh=t.at == 0)).to(device)
    forward = compiled(encoder, device)

    def make(step: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([train.seed, 1, step])
        chosen = rng.choice(rows, train.batch)
        return chosen, np.stack([face.crop(data, i, rng) for i in chosen])

    batches = ahead(make, t.at, workers(device))
    for _ in t:
        chosen, faces = next(batches)
        with autocast(device):
            e = forward(augment.to_tensor(faces, device))
        apart = 1 - F.cosine_similarity(e.float(), goals[torch.from_numpy(chosen).to(device)]).mean()
        t.step(apart, len(chosen), apart=apart)
    batches.close()
    t.load_ema()
    figures = face.measure(cfg, data, taught, encoder)
    save(cfg.state("face") / "face.safetensors", encoder.state_dict(), figures | {"images": t.images})
    face.embed_all(cfg, data, encoder)


def goals_of(folder: Path, taught: np.ndarray, rows: np.ndarray, fresh: bool) -> np.ndarray:
    """The goals [N,F] of all photos, zero where the teacher has said nothing. The map to them is that of the encoder
    as it was when the stage began."""
    at = folder / "refit.npz"
    if fresh or not at.exists():
        e = np.load(folder / "e_f.npy")[rows].astype(np.float64)
        told = taught[rows].astype(np.float64)
        middle, mean = told.mean(0), e.mean(0)
        told = told - middle
        ridge = RIDGE * len(rows) / told.shape[1] * np.eye(told.shape[1])
        linear = np.linalg.solve(told.T @ told + ridge, told.T @ (e - mean))
        write_arrays(at, linear=linear, middle=middle, mean=mean)
    held = np.load(at)
    goals = (taught - held["middle"]) @ held["linear"] + held["mean"]
    goals /= np.linalg.norm(goals, axis=1, keepdims=True)
    return (goals * taught.any(1)[:, None]).astype(np.float32)
