"""Trains a face encoder to say what its teacher says, in the space of the encoder that was there before.

What the teacher tells of a crop is mapped by ridge regression into that encoder's space; the few directions
in which the encoder holds the face's colours, of which a teacher of identities tells nothing, stay its own:

    goal = normalize((1 - Q Q') (t M + b) + Q Q' e), M and b from min sum |e - t M - b|^2 + r |M|^2,
    Q an orthonormal basis of W, from min sum |colours - e W - c|^2 + r |W|^2

so that what e_f holds besides who somebody is and the tone of the skin (noise, the pose) goes, and whatever reads
e_f goes on to understand it. Residual units that the config has and the checkpoint lacks begin as their shortcut.

Teacher and encoder see the same crop, the encoder in disturbed light; some crops are blends of two faces, of which
the teacher says something too. On the way the encoder's features are asked to tell the teacher's, place by place.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config
from ..data import augment, pictures, skin
from ..device import autocast, compiled, pick, workers
from ..files import write_arrays
from ..models.face import FaceEncoder
from ..models.teachers import MobileFaceNet, mobilefacenet
from ..optim import mixed
from ..prefetch import ahead
from ..trainer import Trainer, save, setup
from . import face

RIDGE = 1e-3  # r, as a share of the mean square of what is mapped, over all photos


@dataclasses.dataclass
class Goals:
    """linear [T,F] and mean [F] are M and b; basis [F,3] is Q; kept [N,3] is Q' e of every photo."""

    linear: Tensor
    mean: Tensor
    basis: Tensor
    kept: Tensor

    def __call__(self, told: Tensor, kept: Tensor) -> Tensor:
        """The goals [B,F] of what the teacher says of crops [B,T] that hold the colours kept [B,3]."""
        goal = told @ self.linear + self.mean
        return F.normalize(goal + (kept - goal @ self.basis) @ self.basis.T, dim=1)


class Hints(nn.Module):
    """What only training needs: the encoder's features read out as the teacher's, at 28, 14 and 7 pixels."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.read = nn.ModuleList(nn.Conv2d(w, t, 1) for w, t in zip(widths[1:], MobileFaceNet.WIDTHS, strict=True))

    def forward(self, seen: list[Tensor], taught: list[Tensor]) -> Tensor:
        """The mean squared error; each of the teacher's channels counts as if its variance was 1."""
        alike = [F.batch_norm(t, None, None, training=True) for t in taught]
        return sum(F.mse_loss(read(x).float(), t) for read, x, t in zip(self.read, seen, alike, strict=True)) / len(alike)


class Teacher:
    """pixels [B,3,112,112] in [-1,1] -> the embedding [B,T] and the features on the way: in ONNX Runtime on a processor."""

    def __init__(self, cfg: Config, device: torch.device) -> None:
        self.device, self.net = device, mobilefacenet(cfg.path("teachers") / "mobilefacenet_foamliu.pt").to(device)
        self.session = face.session(_Flat(self.net)) if device.type == "cpu" else None

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = face.teacher_input(pixels).contiguous()
        if self.session is None:
            with autocast(self.device):
                e, maps = self.net.maps(x)
            return e.float(), [m.float() for m in maps]
        e, *maps = (torch.from_numpy(v) for v in self.session.run(None, {"pixels": x.numpy()}))
        return e, maps


class _Flat(nn.Module):
    def __init__(self, net: MobileFaceNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        e, maps = self.net.maps(pixels)
        return e, *maps


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Rewrites <state>/face/face.safetensors, face.json and e_f.npy."""
    device, train = pick(cfg.device), cfg.face.refit
    setup(threads, train.seed + 1, device)
    cv2.setNumThreads(0 if workers(device) else threads)
    data = pictures.load(cfg)
    taught = face.teacher_embeddings(cfg, data)
    rows = data.where("train", "low")
    rows = rows[data.found[rows] & taught[rows].any(1)]
    encoder = begin(cfg).to(device, memory_format=torch.channels_last)
    hints = Hints(cfg.face.model.widths).to(device)
    t = Trainer(cfg.state("face"), "refit", {"encoder": encoder, "hints": hints}, train, minutes, cfg.fresh,
                optimizers=mixed(nn.ModuleList([encoder, hints]), train))
    goals = goals_of(cfg.state("face"), taught, rows, colours_of(data, rows), cfg.fresh, device)
    teacher, forward = Teacher(cfg, device), compiled(encoder, device)

    def make(step: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng([train.seed, 1, t.before, step])
        chosen = rng.choice(rows, (train.batch, 2))
        share = np.where(rng.random(train.batch) < cfg.face.blended, rng.random(train.batch), 1)
        faces = [blend(data, pair, s, rng) for pair, s in zip(chosen, share, strict=True)]
        return chosen, share.astype(np.float32), np.stack(faces), np.stack([face.disturbed(f, rng) for f in faces])

    batches = ahead(make, t.at, workers(device))
    for _ in t:
        chosen, share, clean, faces = next(batches)
        told, maps = teacher(augment.to_tensor(clean, device))
        with autocast(device):
            e, seen = forward(augment.to_tensor(faces, device), True)
            hint = hints(seen, maps)
        a, b = goals.kept[torch.from_numpy(chosen).to(device)].unbind(1)
        goal = goals(told, b + torch.from_numpy(share).to(device)[:, None] * (a - b))
        apart = 1 - F.cosine_similarity(e.float(), goal).mean()
        t.step(apart + (1 - t.progress) * cfg.face.hints * hint, len(chosen), apart=apart, hint=hint)
    batches.close()
    t.load_ema()
    figures = face.measure(cfg, data, taught, encoder)
    save(cfg.state("face") / "face.safetensors", encoder.state_dict(), figures | {"images": t.images})
    face.embed_all(cfg, data, encoder)


def begin(cfg: Config) -> FaceEncoder:
    """The encoder of the checkpoint, with as many residual units as the config says."""
    encoder, at = FaceEncoder(cfg.face.model), cfg.state("face") / "face.safetensors"
    if not at.exists():
        raise SystemExit(f"{at} is missing: run the stage that makes it first")
    try:
        encoder.adopt(load_file(str(at)))
    except (RuntimeError, ValueError) as err:
        raise SystemExit(f"{at} belongs to another configuration than [face.model], which may have more residual units but "
                         f"no other size: {err}") from err
    return encoder


def blend(data: pictures.Pictures, pair: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """The first face of a pair, or share of it and the rest of the second."""
    first = face.placed(data, pair[0], rng)
    return first if share == 1 else cv2.addWeighted(first, share, face.placed(data, pair[1], rng), 1 - share, 0)


def goals_of(folder: Path, taught: np.ndarray, rows: np.ndarray, colours: np.ndarray, fresh: bool,
             device: torch.device = torch.device("cpu")) -> Goals:
    """What leads from the teacher to the goals; colours [R,3] are those of the faces of rows. It is fitted to the encoder
    as it was when the stage first began: what that has learnt since would narrow it."""
    at = folder / "refit.npz"
    if fresh or not at.exists():
        e = np.load(folder / "e_f.npy").astype(np.float64)
        linear, mean = ridge(taught[rows], e[rows])
        basis = np.linalg.qr(ridge(e[rows], colours)[0])[0]
        write_arrays(at, linear=linear, mean=mean, basis=basis, kept=e @ basis)
    held = np.load(at)
    return Goals(*(torch.from_numpy(held[k].astype(np.float32)).to(device) for k in ("linear", "mean", "basis", "kept")))


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
