"""Trains the face encoder on, towards its teacher, in the space that it already has.

What the teacher tells of a photo is mapped by ridge regression into the encoder's own space; the few directions
in which the encoder holds the face's colours, of which a teacher of identities tells nothing, stay its own:

    goal = normalize((1 - Q Q') (t M + b) + Q Q' e), M and b from min sum |e - t M - b|^2 + r |M|^2,
    Q an orthonormal basis of W, from min sum |colours - e W - c|^2 + r |W|^2

so that what e_f holds besides who somebody is and the tone of the skin (noise, the pose) goes, and whatever reads
e_f goes on to understand it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from ..config import Config
from ..data import augment, pictures, skin
from ..device import autocast, compiled, pick, workers
from ..files import write_arrays
from ..optim import mixed
from ..prefetch import ahead
from ..trainer import Trainer, save, setup
from . import face

RIDGE = 1e-3  # r, as a share of the mean square of what is mapped, over all photos


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
    t = Trainer(cfg.state("face"), "refit", {"encoder": encoder}, train, minutes, cfg.fresh, optimizers=mixed(encoder, train))
    goals = torch.from_numpy(goals_of(cfg.state("face"), taught, rows, colours_of(data, rows), cfg.fresh)).to(device)
    forward = compiled(encoder, device)

    def make(step: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([train.seed, 1, t.before, step])
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


def goals_of(folder: Path, taught: np.ndarray, rows: np.ndarray, colours: np.ndarray, fresh: bool) -> np.ndarray:
    """The goals [N,F] of all photos, zero where the teacher has said nothing; colours [R,3] are those of the faces of
    rows. What leads to them is the encoder as it was when the stage first began: what it has learnt since would narrow them."""
    at = folder / "refit.npz"
    if fresh or not at.exists():
        e = np.load(folder / "e_f.npy").astype(np.float64)
        linear, mean = ridge(taught[rows], e[rows])
        basis = np.linalg.qr(ridge(e[rows], colours)[0])[0]
        write_arrays(at, linear=linear, mean=mean, basis=basis, kept=e @ basis)
    held = np.load(at)
    goals = taught @ held["linear"] + held["mean"]
    goals += (held["kept"] - goals @ held["basis"]) @ held["basis"].T
    goals /= np.linalg.norm(goals, axis=1, keepdims=True)
    return (goals * taught.any(1)[:, None]).astype(np.float32)


def ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """W [X,Y] and b [Y] with y about x W + b; x of about unit length."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    middle, mean = x.mean(0), y.mean(0)
    x = x - middle
    w = np.linalg.solve(x.T @ x + RIDGE * len(x) / x.shape[1] * np.eye(x.shape[1]), x.T @ (y - mean))
    return w, mean - middle @ w


def colours_of(data: pictures.Pictures, rows: np.ndarray) -> np.ndarray:
    """The mean colour [R,3] of each face's skin, CIE Lab."""
    return np.stack([cv2.cvtColor(skin.of(np.asarray(data.faces[i])), cv2.COLOR_RGB2LAB).reshape(-1, 3).mean(0) for i in rows])
