"""Fine-tunes a Stable-Diffusion-1.5 folder by the paper's own recipe (3.3, 4.1).

The picture is reconstructed by noise prediction, guided by e_h of it with the face masked and by e_f
of its own face; style dropped with 0.64, face with 0.1; the VAE frozen, U-Net and Linear trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config, Guidance
from ..data import augment, pictures
from ..device import autocast, compiled, pick, workers
from ..evaluation.schedule import cumulative
from ..export.stable_diffusion import Parts, Unfit, load
from ..models.guidance import GuidanceProjection
from ..prefetch import ahead
from ..trainer import Trainer, save, setup
from .unet import embeddings


def arguments() -> argparse.ArgumentParser:
    """The stage's own arguments."""
    parser = argparse.ArgumentParser(prog="facestudio_training finetune")
    parser.add_argument("--folder", type=Path, required=True, help="what diffusers' save_pretrained wrote")
    parser.add_argument("--size", type=int, default=0, help="side of the training pictures; default: the folder's own")
    return parser


def run(cfg: Config, minutes: float | None = None, threads: int = 1, folder: Path | None = None, size: int = 0) -> None:
    """Writes <state>/finetune/folder, which diffusers reads, and linear.safetensors in it."""
    if folder is None:
        raise SystemExit("finetune: --folder is needed: a Stable-Diffusion-1.5 folder")
    device, c = pick(cfg.device), cfg.finetune
    random = setup(threads, c.train.seed, device)
    try:
        parts = load(folder)
    except Unfit as err:
        raise SystemExit(f"finetune: {err}") from err
    held = pictures.load(cfg)
    style, face = embeddings(cfg, held)
    guidance = GuidanceProjection(Guidance(style.shape[2], face.shape[1], c.tokens, parts.width)).to(device)
    unet, vae = parts.unet.to(device, memory_format=torch.channels_last), parts.vae.to(device).requires_grad_(False)
    t = Trainer(cfg.state("finetune"), "finetune", {"unet": unet, "guidance": guidance}, c.train, minutes, cfg.fresh, random=random)
    vae.eval()
    kept, rows, side = torch.from_numpy(cumulative(parts.schedule)).float().to(device), held.where("train", "anime"), size or parts.size
    forward = compiled(unet, device)

    def make(step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng([c.train.seed, t.before, step])
        row, flip = rng.choice(rows, c.train.batch), rng.integers(0, 2, c.train.batch)
        seen = [held.pixels[i][:, ::-1] if f else held.pixels[i] for i, f in zip(row, flip, strict=True)]
        return row, flip, np.stack([cv2.resize(np.ascontiguousarray(p), (side, side), interpolation=cv2.INTER_CUBIC) for p in seen])

    batches = ahead(make, t.at, workers(device))
    for _ in t:
        row, flip, seen = next(batches)
        loss = torch.zeros((), device=device)
        for first in range(0, c.train.batch, c.micro):
            at = slice(first, first + c.micro)
            e_h = style[row[at], flip[at]].float().to(device)
            e_f = face[row[at]].to(device)
            part = len(e_f) / c.train.batch * denoise(parts, forward, guidance, vae, kept, augment.to_tensor(seen[at], device),
                                                      *dropped(e_h, e_f, c.style_drop, c.face_drop, random), random)
            if first + c.micro < c.train.batch:
                part.backward()
                loss += part.detach()
        t.step(loss.detach() + part, images=c.train.batch)
    batches.close()
    t.load_ema()
    write(cfg.state("finetune") / "folder", parts, guidance, folder)


def dropped(e_h: Tensor, e_f: Tensor, style: float, face: float, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each condition zeroed with its own probability."""
    for e, chance in ((e_h, style), (e_f, face)):
        e *= (torch.rand(len(e), 1, generator=random, device=e.device) >= chance).float()
    return e_h, e_f


def denoise(parts: Parts, forward, guidance: nn.Module, vae: nn.Module, kept: Tensor, pixels: Tensor, e_h: Tensor, e_f: Tensor,
            random: torch.Generator) -> Tensor:
    """Mean squared error of the noise (or v, as the folder predicts) at one random step a picture."""
    device = pixels.device
    with torch.no_grad(), autocast(device):
        latent = vae.encode(pixels).latent_dist.mean.float()
    z = (latent - parts.latent["shift"]) * parts.latent["scale"]
    step = torch.randint(0, len(kept), (len(z),), generator=random, device=device)
    noise = torch.randn(z.shape, generator=random, device=device)
    a, s = (x.sqrt()[:, None, None, None] for x in (kept[step], 1 - kept[step]))
    wanted = noise if parts.schedule["prediction"] == "epsilon" else a * noise - s * z
    with autocast(device):
        made = forward(a * z + s * noise, step, encoder_hidden_states=guidance(e_h, e_f), return_dict=False)[0]
    return F.mse_loss(made.float(), wanted)


def write(folder: Path, parts: Parts, guidance: nn.Module, source: Path) -> None:
    """The fine-tuned U-Net beside the VAE and schedule it was trained with."""
    parts.unet.save_pretrained(folder / "unet")
    parts.vae.save_pretrained(folder / "vae")
    (folder / "scheduler").mkdir(exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_bytes((source / "scheduler" / "scheduler_config.json").read_bytes())
    save(folder / "linear.safetensors", guidance.state_dict())
    print(f"finetune: {folder}; export it with the stage stable_diffusion", flush=True)
