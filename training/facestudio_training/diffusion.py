"""The noise schedule of the U-Net, its training target, and the sampler that looks at its progress."""

from __future__ import annotations

import torch
from torch import Tensor

STEPS, BETA_START, BETA_END = 1000, 0.00085, 0.012


def alphas() -> Tensor:
    """The share of signal left, squared, at each of the 1,000 steps (scaled linear betas)."""
    betas = torch.linspace(BETA_START**0.5, BETA_END**0.5, STEPS, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


def noised(latent: Tensor, noise: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """The latent at a step of share alpha [B], and the v that the U-Net is to predict there."""
    a, s = alpha.sqrt()[:, None, None, None], (1 - alpha).sqrt()[:, None, None, None]
    return a * latent + s * noise, a * noise - s * latent


def weights(alpha: Tensor, floor: float) -> Tensor:
    """Loss weight on v by step [B]: min-SNR-5, but no less than floor where noise prevails.

    Plain min-SNR all but ignores the noisy end, where person and layout are decided.
    """
    snr = alpha / (1 - alpha)
    weight = snr.clamp(max=5) / (snr + 1)
    return torch.where(snr < 1, weight.clamp(min=floor), weight)


def timesteps(steps: int) -> list[int]:
    """Those of a sampler with trailing spacing, falling from the last."""
    return [round(STEPS - i * STEPS / steps) - 1 for i in range(steps)]


def ancestral(x: Tensor, clean: Tensor, here: Tensor, to: Tensor, noise: Tensor) -> Tensor:
    """One step of Euler ancestral where x = sqrt(alpha) clean + sqrt(1 - alpha) e, from share here to share to:

    x' = sqrt(to) clean + sqrt(1 - to - u^2) e + u noise, u^2 = (1 - to) (to - here) / (to (1 - here))
    """
    e = (x - here.sqrt() * clean) / (1 - here).sqrt()
    up = (1 - to) * (to - here) / (to * (1 - here))
    return to.sqrt() * clean + (1 - to - up).sqrt() * e + up.sqrt() * noise


@torch.no_grad()
def euler_ancestral(predict, noise: Tensor, steps: int, random: torch.Generator) -> Tensor:
    """From noise [B,c,h,w] to a latent. predict(x, timestep) is the guided v-prediction. random draws
    on the noise's device."""
    alpha = alphas()
    times = timesteps(steps)
    sigma = torch.cat([((1 - alpha) / alpha).sqrt()[times], torch.zeros(1)])
    x = noise * (sigma[0] ** 2 + 1).sqrt()
    for i, t in enumerate(times):
        s, to = sigma[i], sigma[i + 1]
        v = predict(x / (s**2 + 1).sqrt(), torch.tensor(float(t), device=x.device))
        clean = x / (s**2 + 1) - v * s / (s**2 + 1).sqrt()
        up = (to**2 * (s**2 - to**2) / s**2).sqrt()
        down = (to**2 - up**2).sqrt()
        x = x + (x - clean) / s * (down - s)
        if i + 1 < len(times):
            x = x + up * torch.randn(x.shape, generator=random, device=x.device)
    return x
