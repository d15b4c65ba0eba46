"""Trains the picture decoder on against a patch discriminator: what pixel losses leave soft gets texture.

The perceptual part compares the features that the face encoder has of both pictures, so that what
gets sharper is the person's own face.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from ..config import Config
from ..data import pictures
from ..device import autocast, pick
from ..models.critic import Critic
from ..models.vae import reconstruction_loss
from ..trainer import Trainer, save, setup
from . import face, vae

LEVELS = 4  # units of the face encoder's trunk whose features are compared


def run(cfg: Config, minutes: float | None = None, threads: int = 1) -> None:
    """Rewrites <state>/vae/decoder.safetensors; the encoder, so every latent, stays as it is."""
    v, device = cfg.vae, pick(cfg.device)
    random = setup(threads, v.sharpen.seed + 2, device)
    held = pictures.load(cfg)
    encoder, decoder = (m.to(device) for m in vae.load(cfg))
    seen = face.load(cfg).to(device).trunk[:LEVELS]
    for frozen in (encoder, seen):
        frozen.requires_grad_(False)
    critic = Critic().to(device, memory_format=torch.channels_last)
    optimizers = [torch.optim.AdamW(m.parameters(), lr=v.sharpen.lr, betas=(0.5, 0.9), weight_decay=0.0)
                  for m in (decoder, critic)]
    t = Trainer(cfg.state("vae"), "sharpen", {"decoder": decoder, "critic": critic}, v.sharpen, minutes, cfg.fresh,
                optimizers=optimizers, clip=10.0, random=random)
    draw = vae.batches(held, v.sharpen.batch, cfg.data.size, random)
    for step in t:
        real = next(draw)
        with torch.no_grad(), autocast(device):
            latent = encoder(real)
        latent = latent + v.refine_noise * torch.rand(len(real), 1, 1, 1, device=device) * torch.randn_like(latent)
        with autocast(device):
            made = decoder(latent).float()
            alike = likeness(seen, made, real)
            fooled = -still(critic, made).float().mean()
            judged = F.relu(1 - critic(real).float()).mean() + F.relu(1 + critic(made.detach()).float()).mean()
        pixels = reconstruction_loss(made, real, v.gradient)
        weight = v.adversarial * min(1.0, step / max(1, v.sharpen.warmup))  # the critic learns to see first
        t.step(pixels + v.perceptual * alike + weight * fooled + judged, len(real),
               pixels=pixels, alike=alike, fooled=fooled, judged=judged)
    t.load_ema()
    save(cfg.state("vae") / "decoder.safetensors", nn.ModuleDict({"decoder": decoder}).state_dict())
    vae.report(cfg, held)


def still(critic: nn.Module, pixels: Tensor) -> Tensor:
    """The critic's scores without a gradient for the critic."""
    return functional_call(critic, {k: p.detach() for k, p in critic.named_parameters()}, (pixels,))


def likeness(seen: nn.Sequential, made: Tensor, real: Tensor) -> Tensor:
    """Mean difference of the features of two batches of pictures, at every level, of unit scale."""
    total = made.new_zeros(())
    x, y = made, real
    for unit in seen:
        x, y = unit(x), unit(y)
        total = total + (x - y).abs().mean() / y.detach().abs().mean().clamp(min=1e-3)
    return total / len(seen)
