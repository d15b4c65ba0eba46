"""Trains a recogniser of latents, distilled from MobileFaceNet, for the U-Net's identity loss."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..data import augment, pictures
from ..device import autocast, of, pick
from ..models.identity import LatentRecogniser
from ..trainer import Trainer, load_weights, save, setup
from . import face, vae

NOISE = 0.6  # the most that is added to latents: predictions of the U-Net are not clean either
SHIFT = 1  # cells that a latent is moved by at most


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Writes <state>/identity/identity.safetensors and identity.json (its figures); nothing unless
    the U-Net's identity loss has a weight."""
    if not cfg.unet.identity:
        print("identity: not asked for: [unet] identity is 0", flush=True)
        return
    train = cfg.identity_train
    device = pick(cfg.device)
    random = setup(threads, train.seed, device)
    data = pictures.load(cfg)
    taught = torch.from_numpy(face.teacher_embeddings(cfg, data)).to(device)
    latents = vae.latents(cfg, data).to(device)
    rows = torch.from_numpy(data.where("train")).to(device)
    rows = rows[taught[rows].square().sum(1) > 0.5]
    net = build(cfg).to(device)
    t = Trainer(cfg.state("identity"), "identity_train", {"net": net}, train, minutes, cfg.fresh,
                random=random)
    for _ in t:
        row = rows[torch.randint(len(rows), (train.batch,), generator=random, device=device)]
        z = latents[row, torch.randint(2, (train.batch,), generator=random, device=device)].float()
        with autocast(device):
            found = net(disturbed(z, random))
        goal = taught[row]
        apart = ~torch.eye(len(z), dtype=torch.bool, device=device)
        relation = ((found @ found.T - goal @ goal.T)[apart] ** 2).mean()
        distil = 1 - (found * goal).sum(1).mean()
        t.step(distil + 10 * relation, len(z), distil=distil, relation=relation)
    t.load_ema()
    save(cfg.state("identity") / "identity.safetensors", net.state_dict(), measure(cfg, data, net, taught))


def build(cfg: Config) -> LatentRecogniser:
    net = LatentRecogniser(cfg.identity, cfg.vae.latent_channels, cfg.data.size // 8)
    return net.to(memory_format=torch.channels_last)


def load(cfg: Config) -> LatentRecogniser:
    """The trained recogniser, frozen."""
    net = build(cfg)
    load_weights(net, cfg.state("identity") / "identity.safetensors")
    return net.eval().requires_grad_(False)


def disturbed(z: Tensor, random: torch.Generator) -> Tensor:
    """Latents moved by up to a cell and with a little noise of its own each."""
    x, y = torch.randint(-SHIFT, SHIFT + 1, (2,), generator=random, device=z.device).tolist()
    z = torch.roll(z, (y, x), (2, 3))
    level = NOISE * torch.rand(len(z), 1, 1, 1, generator=random, device=z.device)
    return (z + level * torch.randn(z.shape, generator=random, device=z.device)).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def measure(cfg: Config, data: pictures.Pictures, net: LatentRecogniser, taught: Tensor) -> dict:
    """Verification on the dev people, by latents of their pictures."""
    rows = data.where("dev")
    if not len(rows):
        return {}
    device = of(net)
    encoder = vae.load(cfg)[0].to(device)
    net.eval()
    found = []
    for i in range(0, len(rows), 64):
        with autocast(device):
            found.append(net(encoder(augment.to_tensor(data.pixels[rows[i:i + 64]], device))).float().cpu().numpy())
    figures = face.verification(np.concatenate(found), data.identity[rows])
    cosine = float((torch.from_numpy(np.concatenate(found)) * taught[rows].cpu()).sum(1).mean())
    print(f"identity: dev: cosine to the teacher {cosine:.3f}, " +
          ", ".join(f"{k} {v:.3f}" for k, v in figures.items()), flush=True)
    return figures | {"cosine_to_teacher": cosine}
