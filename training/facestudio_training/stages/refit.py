"""Trains the face encoder on towards its goals (goals.py), from whatever it said before.

Teacher and encoder see the same crop, the encoder in disturbed light; some crops are of two faces, of which the
teacher says something too: a function is learnt from more than the photos that there are. On the way the encoder's
features are asked to tell the teacher's, place by place. Residual units that the config has and the checkpoint lacks
begin as their shortcut.

A U-Net that was trained with what the encoder said before goes on to understand it: the guidance Linear is given
the translation.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config
from ..data import pictures
from ..data.crops import SIDE, Crops, disturbed
from ..device import autocast, compiled, pick
from ..models.face import FaceEncoder
from ..models.teachers import MobileFaceNet, mobilefacenet
from ..optim import mixed
from ..trainer import Trainer, save, setup
from . import face, goals

STRANGE = 0.5  # cosine of what the encoder says to what it said before, under which that is another language
SEAM = 0.1  # of two faces put together, as a share of a face's side


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
        self.device = device
        net = _Flat(mobilefacenet(cfg.path("teachers") / "mobilefacenet_foamliu.pt")).to(device, memory_format=torch.channels_last)
        self.net = compiled(net, device)
        self.session = face.session(net) if device.type == "cpu" else None

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = face.teacher_input(pixels)
        if self.session is None:
            with autocast(self.device):
                e, *maps = self.net(x.contiguous(memory_format=torch.channels_last))
            return e.float(), [m.float() for m in maps]
        e, *maps = (torch.from_numpy(v) for v in self.session.run(None, {"pixels": x.contiguous().numpy()}))
        return e, maps


class _Flat(nn.Module):
    def __init__(self, net: MobileFaceNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        e, maps = self.net.maps(pixels)
        return e, *maps


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Rewrites <state>/face/face.safetensors, face.json and e_f.npy, and the guidance Linear where there is one."""
    device, train = pick(cfg.device), cfg.face.refit
    random = setup(threads, train.seed + 1, device)
    data = pictures.load(cfg)
    taught = face.teacher_embeddings(cfg, data)
    rows = data.where("train", "low")
    rows = rows[data.found[rows] & taught[rows].any(1)]
    before = face.embedded(cfg)
    t, encoder = fit(cfg, Draw(cfg, data, rows, random), minutes)
    figures = face.measure(cfg, data, taught, encoder)
    save(cfg.state("face") / "face.safetensors", encoder.state_dict(), figures | {"images": t.images})
    face.embed_all(cfg, data, encoder)
    translate(cfg, before[rows], face.embedded(cfg)[rows])


def fit(cfg: Config, draw: Draw, minutes: float | None) -> tuple[Trainer, FaceEncoder]:
    """The encoder trained on what draw(batch) gives: faces, what the encoder is to be shown of them, their colours."""
    device, train = draw.random.device, cfg.face.refit
    encoder = begin(cfg).to(device, memory_format=torch.channels_last)
    hints = Hints(cfg.face.model.widths).to(device)
    t = Trainer(cfg.state("face"), "refit", {"encoder": encoder, "hints": hints}, train, minutes, cfg.fresh,
                optimizers=mixed(nn.ModuleList([encoder, hints]), train), random=draw.random)
    wanted, teacher, forward = goals.Goals(face.TEACHER_WIDTH, cfg.face.model.embed, device), Teacher(cfg, device), compiled(encoder, device)
    for _ in t:
        clean, faces, colours = draw(train.batch)
        told, maps = teacher(clean)
        with autocast(device):
            e, seen = forward(faces, True)
            hint = hints(seen, maps)
        apart = 1 - F.cosine_similarity(e.float(), wanted(told, colours)).mean()
        t.step(apart + (1 - t.progress) * cfg.face.hints * hint, len(faces), apart=apart, hint=hint)
    t.load_ema()
    return t, encoder


class Draw:
    """Calls draw(count) -> faces [B,3,112,112], the same in disturbed light, and their colours [B,3]: of these rows, some of
    them of two people."""

    def __init__(self, cfg: Config, data: pictures.Pictures, rows: np.ndarray, random: torch.Generator) -> None:
        self.cfg, self.random = cfg.face, random
        self.crops = Crops(data.pixels[rows], data.points[rows], random)
        self.colours = torch.from_numpy(goals.colours(data, rows)).to(random.device)

    def __call__(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        first = self.rows(count)
        faces, colours, two = self.crops(first), self.colours[first], int(count * self.cfg.blended)
        if two:
            second = self.rows(two)
            share = self.shares(two)
            faces[-two:] = faces[-two:].lerp(self.crops(second), share)
            colours[-two:] = colours[-two:].lerp(self.colours[second], share.mean((2, 3)))
        return faces, disturbed(faces, self.random), colours

    def rows(self, count: int) -> Tensor:
        return (self.uniform(count) * len(self.crops)).long()

    def shares(self, count: int) -> Tensor:
        """Of the second face, [B,1,112,112]: of one half of them the same everywhere, of the other all on one side
        of a line."""
        side = torch.linspace(-1, 1, SIDE, device=self.random.device)
        angle, middle = (2 * np.pi * self.uniform(count, 1, 1)), self.uniform(count, 1, 1) - 0.5
        split = ((angle.cos() * side[None, None] + angle.sin() * side[None, :, None] - middle) / SEAM).sigmoid()
        return torch.where(self.uniform(count, 1, 1) < 0.5, self.uniform(count, 1, 1), split)[:, None]

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.random, device=self.random.device)


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


def translate(cfg: Config, before: np.ndarray, after: np.ndarray) -> None:
    """Where embeddings after [N,F] are in another language than before, U-Nets that there are get a guidance Linear that
    understands them as it understood those."""
    apart = float((before * after).sum(1).mean())
    paths = [p for p in (cfg.state("unet") / f"{name}.safetensors" for name in ("unet", "likeness")) if p.exists()]
    if apart > STRANGE or not paths:
        return
    spoken = torch.from_numpy(goals.translation(after, before).astype(np.float32))
    kept = float(np.square(after @ spoken.numpy()).sum() / np.square(before).sum())
    for path in paths:
        weights, times = load_file(str(path)), path.stat()
        held = weights["guidance.linear.weight"]
        held[:, cfg.guidance.image_dim:] = held[:, cfg.guidance.image_dim:] @ spoken.T
        save(path, weights)
        os.utime(path, (times.st_atime, times.st_mtime))  # which of them is newer decides what is used
        path.with_suffix(".resume.pt").unlink(missing_ok=True)
    print(f"refit: the guidance Linear was given the translation of e_f (cosine to before {apart:.2f}), which explains "
          f"{kept:.0%} of it", flush=True)
