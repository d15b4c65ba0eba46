"""Noise schedules and samplers of a bundle's manifest, in numpy."""

from __future__ import annotations

import math

import numpy as np


def cumulative(spec: dict) -> np.ndarray:
    """The share of signal power kept at each training step, float64."""
    n, kind = spec["train_steps"], spec["beta_schedule"]
    if kind == "squaredcos_cap_v2":
        at = [math.cos((i / n + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(n + 1)]
        betas = np.array([min(1 - b / a, 0.999) for a, b in zip(at, at[1:], strict=False)])
    elif kind == "scaled_linear":
        betas = np.linspace(spec["beta_start"] ** 0.5, spec["beta_end"] ** 0.5, n) ** 2
    elif kind == "linear":
        betas = np.linspace(spec["beta_start"], spec["beta_end"], n)
    else:
        raise ValueError(f"schedule: unknown beta_schedule {kind!r}")
    return np.cumprod(1 - betas)


def times(spec: dict, steps: int) -> np.ndarray:
    """The training steps that sampling visits, falling, as diffusers spaces them."""
    n, spacing = spec["train_steps"], spec["timestep_spacing"]
    if spacing == "trailing":
        return np.round(np.arange(n, 0, -n / steps)) - 1
    if spacing == "leading":
        return (np.arange(0, steps) * (n // steps)).round()[::-1] + spec["steps_offset"]
    if spacing == "linspace":
        return np.linspace(0, n - 1, steps)[::-1]
    raise ValueError(f"schedule: unknown timestep_spacing {spacing!r}")


def ddim_times(spec: dict, steps: int) -> list[int]:
    """Trailing steps for DDIM."""
    return [int(t) for t in times(spec | {"timestep_spacing": "trailing"}, steps)]


class Ancestral:
    """Euler ancestral sampling of v- or noise predictions. start is the first noise's factor."""

    def __init__(self, spec: dict, steps: int):
        self.prediction = spec["prediction"]
        alpha = cumulative(spec)
        self.times = times(spec, steps)
        self.sigma = np.append(np.interp(self.times, np.arange(len(alpha)), np.sqrt((1 - alpha) / alpha)), 0.0)
        leading = spec["timestep_spacing"] in ("linspace", "trailing")
        self.start = self.sigma.max() if leading else math.sqrt(self.sigma.max() ** 2 + 1)

    def scaled(self, x: np.ndarray, k: int) -> np.ndarray:
        """The model's input at step k."""
        return x / math.sqrt(self.sigma[k] ** 2 + 1)

    def step(self, out: np.ndarray, x: np.ndarray, k: int, noise: np.ndarray | None) -> np.ndarray:
        """The latents after step k; noise is None at the last one, which adds none."""
        s, to = self.sigma[k], self.sigma[k + 1]
        clean = x - s * out if self.prediction == "epsilon" else x / (s * s + 1) - out * s / math.sqrt(s * s + 1)
        up = math.sqrt(to**2 * (s**2 - to**2) / s**2)
        x = x + (x - clean) / s * (math.sqrt(to**2 - up**2) - s)
        return (x if noise is None else x + up * noise).astype(np.float32)
