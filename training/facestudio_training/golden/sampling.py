"""Golden values of schedules, samplers and guidance, computed with diffusers."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import diffusers
import numpy as np
import torch
from diffusers import DDIMScheduler, EulerAncestralDiscreteScheduler
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

from . import numbers, write

SD = {"num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
COSINE = {"num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2"}
LINEAR = {"num_train_timesteps": 1000, "beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02}
# The model of the golden runs: prediction = A * input + B * timestep / 1000 + C.
A, B, C = 0.3, 0.2, -0.05
SIZE = 8
BY = f"diffusers {diffusers.__version__}"
RANDN = "diffusers.schedulers.scheduling_euler_ancestral_discrete.randn_tensor"


def model(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return A * x + B * t.float() / 1000 + C


def euler_case(prediction: str, spacing: str, steps: int, first: int = 0) -> dict:
    """One run. With first > 0 it starts in the middle, as picture-to-picture does."""
    scheduler = EulerAncestralDiscreteScheduler(**SD, prediction_type=prediction, timestep_spacing=spacing)
    scheduler.set_timesteps(steps)
    rng = np.random.default_rng([steps, len(prediction), len(spacing), first])
    noise = torch.from_numpy(rng.standard_normal((steps + 1, SIZE)).astype(np.float32))
    case = {
        "name": f"{prediction}/{spacing}/{steps}" + (f"/from-{first}" if first else ""),
        "prediction": prediction, "spacing": spacing, "steps": steps, "first": first,
        "timesteps": numbers(scheduler.timesteps.numpy()), "sigmas": numbers(scheduler.sigmas.numpy()),
        "init_noise_sigma": numbers(np.float32(scheduler.init_noise_sigma)),
        "noise": numbers(noise.numpy()),
    }
    if first:
        source = torch.from_numpy(rng.standard_normal(SIZE).astype(np.float32))
        scheduler.set_begin_index(first)
        x = scheduler.add_noise(source[None], noise[:1], scheduler.timesteps[first : first + 1])[0]
        case["source"] = numbers(source.numpy())
    else:
        x = noise[0] * scheduler.init_noise_sigma
    case["start"] = numbers(x.numpy())
    inputs, latents = [], []
    for k, t in list(enumerate(scheduler.timesteps, 1))[first:]:
        scaled = scheduler.scale_model_input(x, t)
        with mock.patch(RANDN, lambda *_, **__: noise[k]):
            x = scheduler.step(model(scaled, t), t, x).prev_sample
        inputs.append(numbers(scaled.numpy()))
        latents.append(numbers(x.numpy()))
    return case | {"inputs": inputs, "latents": latents}


def ddim_case(name: str, betas: dict, steps: int) -> dict:
    scheduler = DDIMScheduler(**betas, prediction_type="sample", clip_sample=False, set_alpha_to_one=True,
                              timestep_spacing="trailing")
    scheduler.set_timesteps(steps)
    x = torch.from_numpy(np.random.default_rng(steps).standard_normal(SIZE).astype(np.float32))
    case = {"name": f"{name}/{steps}", "beta_schedule": betas["beta_schedule"], "steps": steps,
            "timesteps": numbers(scheduler.timesteps.numpy()), "start": numbers(x.numpy())}
    latents = []
    for t in scheduler.timesteps:
        x = scheduler.step(model(x, t), t, x, eta=0.0).prev_sample
        latents.append(numbers(x.numpy()))
    return case | {"latents": latents}


def schedules() -> list[dict]:
    rows, at = [], [0, 1, 39, 249, 499, 750, 998, 999]
    for betas in (SD, LINEAR, COSINE):
        scheduler = DDIMScheduler(**betas)
        x, n = (torch.linspace(a, b, SIZE) for a, b in ((-1, 1), (2, -0.5)))
        noised = [scheduler.add_noise(x[None], n[None], torch.tensor([t]))[0].numpy() for t in at]
        rows.append({
            "name": betas["beta_schedule"], "train_steps": 1000,
            "beta_start": betas.get("beta_start", 0), "beta_end": betas.get("beta_end", 0), "at": at,
            "betas": numbers(scheduler.betas[at].numpy()),
            "alphas_cumprod": numbers(scheduler.alphas_cumprod[at].numpy()),
            "x0": numbers(x.numpy()), "noise": numbers(n.numpy()), "noised": numbers(np.stack(noised)),
        })
    return rows


def spacings() -> list[dict]:
    rows = []
    for spacing in ("trailing", "linspace", "leading"):
        for steps, offset in ((25, 0), (7, 1), (4, 0), (1, 0)):
            scheduler = EulerAncestralDiscreteScheduler(**SD, timestep_spacing=spacing, steps_offset=offset)
            scheduler.set_timesteps(steps)
            rows.append({
                "spacing": spacing, "steps": steps, "steps_offset": offset,
                "timesteps": numbers(scheduler.timesteps.numpy()), "sigmas": numbers(scheduler.sigmas.numpy()),
                "init_noise_sigma": numbers(np.float32(scheduler.init_noise_sigma)),
            })
    return rows


def guidance() -> list[dict]:
    """eps = eps_0 + s (eps_c - eps_0), the line of every diffusers pipeline, and its rescaling."""
    rng = np.random.default_rng(5)
    empty, given = (torch.from_numpy(rng.standard_normal(SIZE).astype(np.float32)) for _ in range(2))
    guided = {s: empty + s * (given - empty) for s in (0.0, 1.0, 3.0, 7.5)}
    return [
        {"scale": s, "unconditional": numbers(empty.numpy()), "conditional": numbers(given.numpy()),
         "guided": numbers(x.numpy()), "rescale": r, "rescaled": numbers(rescale_noise_cfg(x[None], given[None], r)[0].numpy())}
        for (s, x), r in zip(guided.items(), (1.0, 0.7, 0.0, 0.7), strict=True)
    ]


def write_all(root: Path) -> list[Path]:
    folder = root / "services" / "diffusion" / "testdata"
    euler = [euler_case(p, "trailing", n) for p in ("epsilon", "v_prediction") for n in (25, 4, 1)]
    euler += [euler_case("epsilon", "linspace", 4), euler_case("v_prediction", "leading", 4),
              euler_case("v_prediction", "trailing", 10, first=4)]
    ddim = [ddim_case(name, betas, n) for name, betas in (("cosine", COSINE), ("sd", SD)) for n in (25, 4, 1)]
    analytic = {"model": {"a": A, "b": B, "c": C}}
    betas = "1000 steps, scaled_linear 0.00085 to 0.012"
    return [
        write(folder, "schedule.json", f"{BY} DDIMScheduler, float32; noised = sqrt(abar) x0 + sqrt(1-abar) noise at "
              "each of `at`.", 2e-6, {"schedules": schedules()}),
        write(folder, "spacing.json", f"{BY} EulerAncestralDiscreteScheduler, {betas}. Tolerance is relative to the "
              "sigma.", 2e-5, {"spacings": spacings()}),
        write(folder, "euler_ancestral.json", f"{BY} EulerAncestralDiscreteScheduler, {betas}, steps_offset 0, float32, "
              "injected noise: noise[0] gives the start, noise[k] is added after the k-th step (k counts from 1 at the "
              "schedule's first timestep, also when `first` > 0 steps are skipped; then start = source + sigma * "
              "noise[0]). Model: prediction = a*input + b*timestep/1000 + c, input = x / sqrt(sigma^2+1). "
              "`inputs` and `latents` hold one row a step done. Tolerance is relative to max(1, |value|).",
              1e-4, analytic | {"cases": euler}),
        write(folder, "ddim_x0.json", f"{BY} DDIMScheduler, prediction_type sample, eta 0, no clipping, "
              "set_alpha_to_one, trailing; cosine = squaredcos_cap_v2, sd = scaled_linear 0.00085 to 0.012; model as "
              "in euler_ancestral.json with input = x.", 1e-4, analytic | {"cases": ddim}),
        write(folder, "guidance.json", "PyTorch float32: unconditional + scale * (conditional - unconditional); rescale_noise_cfg of diffusers.", 1e-6,
              {"cases": guidance()}),
    ]
